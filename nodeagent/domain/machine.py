"""The machine type and what follows from it; the architecture that it must have."""

from dataclasses import dataclass
from typing import Any

from nodeagent.domain.facts import HostFacts, UnsupportedError
from nodeagent.domain.spec import section

_DEFAULT = {"x86_64": "q35", "aarch64": "virt"}
_LIBVIRT_NAME = {"amd64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The board that devices are put on.

    Attributes:
        arch: As libvirt names it.
        type: As QEMU names it: ``q35`` (an alias of the newest), ``pc-q35-7.2``, ``pc``, ``virt``.
        virtio: The model of virtio devices.
    """

    arch: str
    type: str
    virtio: str

    @property
    def is_pcie(self) -> bool:
        """Whether devices sit behind PCI Express root ports."""
        return self.type.startswith(("q35", "pc-q35", "virt"))

    @property
    def is_x86(self) -> bool:
        """Whether it is a PC."""
        return self.arch == "x86_64"


def machine(spec: dict[str, Any], host: HostFacts) -> Machine:
    """Return the machine of a VMI.

    Raises:
        UnsupportedError: The node's architecture is not the VMI's, or one that nothing is known of.
    """
    wanted = spec.get("architecture")
    if wanted and _LIBVIRT_NAME.get(wanted, wanted) != host.arch:
        raise UnsupportedError("architecture", f"this node is {host.arch} and cannot run a guest for {wanted}")
    if host.arch not in _DEFAULT:
        raise UnsupportedError("architecture", f"guests for {host.arch} are not supported; those for x86_64 are")
    domain = spec["domain"]
    # The plain model is transitional in a PCI slot and modern in a PCI Express one. As KubeVirt does, say which: the
    # guest then sees the same devices on every machine type. Every kernel since 3.13 has the modern driver, Debian's
    # cloud kernel among them; the transitional one is for guests older than that.
    transitional = section(domain, "devices").get("useVirtioTransitional", False)
    return Machine(
        arch=host.arch,
        type=section(domain, "machine").get("type") or _DEFAULT[host.arch],
        virtio="virtio-transitional" if transitional else "virtio-non-transitional",
    )
