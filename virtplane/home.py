"""The directory of an installation: what is where, and making it fit to run."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from virtplane.settings import Settings


@dataclass(frozen=True, slots=True)
class Home:
    """Where everything is. Directories are made for their owner only, and then left as they are.

    QEMU may run as another user and then gets the right to pass through by access lists, which a later change of
    mode would take from it.
    """

    directory: Path

    @classmethod
    def of(cls, settings: Settings) -> "Home":
        """Return the directory that ``settings`` name."""
        return cls(settings.directory)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.directory / "kubeconfig"

    @property
    def pki(self) -> Path:
        """Keys and certificates."""
        return self.directory / "pki"

    @property
    def encryption_keys(self) -> Path:
        """The keys that encrypt Secrets in the database."""
        return self.pki / "encryption.keys"

    @property
    def logs(self) -> Path:
        """One file a process."""
        return self.directory / "logs"

    @property
    def state(self) -> Path:
        """What ``virtplane up`` notes about what it runs."""
        return self.directory / "run" / "up.json"

    @property
    def lock(self) -> Path:
        """Locked by ``virtplane up`` for as long as it runs."""
        return self.directory / "run" / "up.lock"

    def lock_of(self, role: str) -> Path:
        """Locked by the process of this role for as long as it runs."""
        return self.lock.with_name(f"{role}.lock")

    @property
    def libvirt(self) -> Path:
        """The private libvirtd's."""
        return self.directory / "libvirt"

    @property
    def agent(self) -> Path:
        """The node agent's, with the guests' files."""
        return self.directory / "agent"

    @property
    def kvm_verdict(self) -> Path:
        """Whether KVM works, as found out before; shared with the agent."""
        return self.agent / "kvm.json"

    @property
    def images(self) -> Path:
        """The store of container images."""
        return self.directory / "images"

    def kubeconfig_of(self, role: str) -> Path:
        """The kubeconfig of the ``controllers`` or the ``agent``."""
        return self.pki / f"{role}.kubeconfig"

    def log_of(self, name: str) -> Path:
        """The log of the process called ``name``."""
        return self.logs / f"{name}.log"

    def make(self) -> None:
        """Make the directories that are missing. Raises OSError."""
        for each in (self.directory, self.logs, self.state.parent, self.agent):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)


def server_url(settings: Settings) -> str:
    """Return where clients on this host reach the server."""
    try:
        address = ipaddress.ip_address(settings.address)
    except ValueError:
        return f"https://{settings.address}:{settings.port}"
    if address.is_unspecified:
        address = ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
    host = str(address) if address.version == 4 else f"[{address}]"
    return f"https://{host}:{settings.port}"
