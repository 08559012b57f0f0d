"""What the builder must know of the node, and the error for what a node cannot provide."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """The node that a guest is built for.

    Attributes:
        arch: The architecture by libvirt's name, such as ``x86_64``.
        kvm: Whether guests run on the processor itself; without it QEMU emulates one.
        node: Whose domains these are: the uid of the Node, which no other installation has.
        emulation: libvirt's type of domains that run without KVM.
    """

    arch: str
    kvm: bool
    node: str
    emulation: str = "qemu"


class UnsupportedError(Exception):
    """A field asks for what this node cannot provide.

    Args:
        field: Its path below ``spec``.
        message: What cannot be provided, and what can.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"spec.{field}: {message}")
        self.field = field
        self.message = message
