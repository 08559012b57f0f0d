"""What libvirt's drivers differ in: QEMU's runs guests, the one for tests pretends to.

``test:///FILE`` keeps its domains in the memory of the process that opened it, and starts and ends them at once:
https://libvirt.org/drvtest.html. An agent on it does all its work but for a guest's.
"""

from dataclasses import dataclass
from typing import Any

import libvirt


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """One of libvirt's drivers."""

    emulation: str
    """The type of domains that run without KVM."""
    undefine_flags: int
    """What a domain's definition takes along when it goes."""
    pretends: bool = False
    """Nothing is behind it: no connection to keep alive, no agent in a guest, no host whose architecture it knows."""


_FLAGS = libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
QEMU = Driver(
    emulation="qemu",
    undefine_flags=_FLAGS | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA,
)
TEST = Driver(emulation="test", undefine_flags=_FLAGS, pretends=True)


def driver_of(connection: Any) -> Driver:
    """Return the driver behind a connection."""
    return TEST if connection.getType().upper() == "TEST" else QEMU
