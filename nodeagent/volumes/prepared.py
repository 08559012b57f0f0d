"""What preparing volumes yields: files for the domain XML, or an error for the VMI's status."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


class VolumeError(Exception):
    """A volume cannot be prepared.

    Args:
        reason: One CamelCase word for a condition and an Event, such as ErrImagePull.
        message: What was looked for, where, and what to do.
        retryable: Whether the same spec can work later, without anybody changing it.
    """

    def __init__(self, reason: str, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.retryable = retryable


@contextmanager
def refusals_told(what: str) -> Generator[None, None, None]:
    """Make a refusal of the operating system, such as a full disk, a VolumeError that says ``what`` was prepared."""
    try:
        yield
    except OSError as error:
        raise VolumeError("VolumeNotPrepared", f"{what} cannot be prepared: {error}", retryable=True) from error


@dataclass(frozen=True, slots=True)
class PreparedDisk:
    """The file behind the volume ``name``; ``format`` is qcow2 or raw."""

    name: str
    path: Path
    format: str
    readonly: bool = False


@dataclass(frozen=True, slots=True)
class PreparedKernel:
    """The files of a kernel boot; either may be absent."""

    kernel: Path | None
    initrd: Path | None
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class PreparedVolumes:
    """Everything a VMI's volumes became: disks by volume name, and the kernel if it boots from one."""

    disks: dict[str, PreparedDisk] = field(default_factory=dict)
    kernel: PreparedKernel | None = None
