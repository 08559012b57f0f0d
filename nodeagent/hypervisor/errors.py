"""What can go wrong with libvirt, translated once, at the gateway."""


class HypervisorError(Exception):
    """libvirt refused a request; the message is libvirt's own."""


class HypervisorUnavailableError(HypervisorError):
    """No answer: the daemon is not there, or did not answer in time. Whether the request took effect is unknown."""
