"""A libvirtd of our own, for hosts where none answers; and looking for the host's.

It keeps everything below one directory, so that several run side by side. As root it runs in a mount namespace in
which that directory's parts lie over libvirt's usual places, as libvirtd can be told of few other ones; QEMU runs as
libvirt's user there. As an ordinary user it is libvirt's session mode, moved by the XDG variables.

Guests are processes of their own: they outlive libvirtd, and the next one, with the same directory, finds them again.
"""

import asyncio
import base64
import contextlib
import grp
import hashlib
import os
import platform
import pwd
import shutil
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from certs.files import replace_file
from virtplane.errors import VirtplaneError

ANSWER_SECONDS = 5
"""How long a libvirtd may take to answer before we count it as absent."""

_POLL_SECONDS = 0.05
_LONGEST_SOCKET_PATH = 107  # unix(7): sun_path has 108 bytes, and one ends it

# What lies over what in libvirtd's mount namespace.
_PLACES = {
    "run": Path("/run/libvirt"),
    "lib": Path("/var/lib/libvirt"),
    "etc": Path("/etc/libvirt"),
    "log": Path("/var/log/libvirt"),
    "cache": Path("/var/cache/libvirt"),
}
_KVM = Path("/dev/kvm")

# Pairs of SOURCE TARGET up to "--", then the command that sees them so.
_BIND_AND_RUN = 'set -e; while [ "$1" != -- ]; do mount --bind -- "$1" "$2"; shift 2; done; shift; exec "$@"'

_SYSTEM_SOCKET = "run/libvirt-sock"
_SESSION_SOCKET = "run/libvirt/libvirt-sock"
# In session mode QEMU's own sockets lie below our directory too; libvirt cuts a guest's name to 20 characters there.
_LONGEST_SESSION_SOCKET = f"libvirt/qemu/channel/target/domain-9999-{'n' * 20}/org.qemu.guest_agent.0"

_LIBVIRTD_CONF = """\
# Written by virtplane at every start; changes are lost.
host_uuid = "{host_uuid}"
# Whoever can open the sockets is root or the owner of this directory already.
unix_sock_ro_perms = "0700"
unix_sock_rw_perms = "0700"
unix_sock_admin_perms = "0700"
auth_unix_ro = "none"
auth_unix_rw = "none"
log_outputs = "3:stderr"
"""

_QEMU_CONF = """\
# Written by virtplane at every start; changes are lost.
# Guests write their consoles' logs themselves: virtlogd is one more daemon, and nobody starts it here.
stdio_handler = "file"
# AppArmor's and SELinux's rules for guests name the host's directories for images, and ours are elsewhere. What
# separates guests from the host is QEMU's own user.
security_driver = "none"
"""

_QEMU_CONF_SYSTEM = """\
user = "{user}"
group = "{group}"
# Files that a guest uses become QEMU's while it runs.
dynamic_ownership = 1
# Libvirt's mount namespace per guest moves mounts that it may not move inside of ours.
namespaces = [ ]
# Control groups for guests are systemd's to hand out, and there may be no systemd.
cgroup_controllers = [ ]
"""


class LibvirtMissingError(VirtplaneError):
    """No libvirt can be used on this host; the message says what to install or start."""


class LibvirtDirectoryError(VirtplaneError):
    """A private libvirtd cannot live in this directory; the message says where it can."""


def _default_runtime() -> Path | None:
    if os.geteuid() == 0:
        return Path("/run")
    return Path(given) if (given := os.environ.get("XDG_RUNTIME_DIR")) else None


@dataclass(frozen=True, slots=True)
class PrivateLibvirtd:
    """One libvirtd that keeps everything below ``directory``, an absolute path.

    ``kvm`` says whether KVM runs guests here. ``privileged`` says whether libvirtd will run as root. ``runtime`` is
    where a short name of a long directory can be put: sockets have short paths only.
    """

    directory: Path
    kvm: bool = field(kw_only=True)
    privileged: bool = field(kw_only=True, default_factory=lambda: os.geteuid() == 0)
    runtime: Path | None = field(kw_only=True, default_factory=_default_runtime)

    @property
    def uri(self) -> str:
        """How to connect to it. Raises LibvirtDirectoryError."""
        mode, socket = ("system", _SYSTEM_SOCKET) if self.privileged else ("session", _SESSION_SOCKET)
        return f"qemu+unix:///{mode}?socket={quote(str(self._reach() / socket))}"

    def prepare(self) -> None:
        """Make the directories and write the configuration, where they are not right already.

        Raises:
            LibvirtDirectoryError: The directory's path is too long, or below libvirt's own.
            LibvirtMissingError: Libvirt's package is not there, or only in part.
        """
        reach = self._reach()
        # Its own mode closes the directory; below it, QEMU and dnsmasq find their way as users of their own.
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if reach != self.directory:
            _link(reach, self.directory)
        conf = _LIBVIRTD_CONF.format(host_uuid=self._host_uuid())
        if not self.privileged:
            for each in ("libvirt", "run", "cache", "data"):
                (self.directory / each).mkdir(mode=0o700, exist_ok=True)
            self._configure("libvirt", conf, _QEMU_CONF)
            return
        self._refuse_hidden()
        for name, place in _PLACES.items():
            _make_open(self.directory / name)
            place.mkdir(mode=0o755, parents=True, exist_ok=True)
        user, group = _qemu_account()
        self._configure("etc", conf, _QEMU_CONF + _QEMU_CONF_SYSTEM.format(user=user, group=group))
        _write(self._closed_device, "", 0o000)

    def command(self) -> list[str]:
        """Return the command that runs it in the foreground. Raises LibvirtMissingError and LibvirtDirectoryError."""
        libvirtd = _program("libvirtd")
        if libvirtd is None:
            raise LibvirtMissingError(_advice(["libvirt-daemon-system"]))
        if not self.privileged:
            reach = self._reach()
            # The configuration is the directory itself: every byte counts in the paths of QEMU's sockets below it.
            directories = {"CONFIG_HOME": reach, "RUNTIME_DIR": reach / "run", "CACHE_HOME": reach / "cache"}
            directories["DATA_HOME"] = reach / "data"
            return ["env", *(f"XDG_{name}={each}" for name, each in directories.items()), libvirtd]
        binds = [str(each) for name, place in _PLACES.items() for each in (self.directory / name, place)]
        if not self.kvm and _KVM.exists():
            # Libvirt asks QEMU about KVM again before every start of a guest while QEMU's user can open the device.
            binds += [str(self._closed_device), str(_KVM)]
        # slave: what is mounted on the host later is seen here too, and nothing of ours on the host.
        apart = ["unshare", "--mount", "--propagation", "slave", "--", "sh", "-c", _BIND_AND_RUN, "virtplane-libvirtd"]
        return [*apart, *binds, "--", libvirtd, "--pid-file", str(_PLACES["run"] / "libvirtd.pid")]

    async def wait_ready(self, timeout: float) -> None:  # noqa: ASYNC109 -- a limit that the caller's message names
        """Return when it answers. Raises TimeoutError after ``timeout`` seconds, and LibvirtDirectoryError."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            if await _virsh(self.uri, "uri", seconds=min(left, ANSWER_SECONDS)) is not None:
                return
            await asyncio.sleep(_POLL_SECONDS)
        raise TimeoutError(f"the private libvirtd in {self.directory} does not answer after {timeout:g} s")

    async def release(self) -> None:
        """Take down its networks when no guest runs: only guests need them, and they would outlive libvirtd."""
        if await self._ask("list", "--name") != "":
            return
        for network in (await self._ask("net-list", "--name") or "").split():
            await self._ask("net-destroy", network)

    async def _ask(self, *command: str) -> str | None:
        return await _virsh(self.uri, *command, seconds=ANSWER_SECONDS)

    @property
    def _closed_device(self) -> Path:
        """A file that nobody but root can open: it lies over /dev/kvm, where /dev/null would still open."""
        return self.directory / "no-kvm"

    def _host_uuid(self) -> str:
        """This libvirtd's name for its host, made once: two on one host must not have the same."""
        file = self.directory / "host_uuid"
        if not file.exists():
            _write(file, f"{uuid.uuid4()}\n", 0o600)
        return file.read_text(encoding="ascii").strip()

    def _configure(self, name: str, libvirtd: str, qemu: str) -> None:
        _write(self.directory / name / "libvirtd.conf", libvirtd, 0o644)
        _write(self.directory / name / "qemu.conf", qemu, 0o644)

    def _refuse_hidden(self) -> None:
        directory = self.directory.resolve()
        for place in _PLACES.values():
            if directory.is_relative_to(place):
                raise LibvirtDirectoryError(
                    f"{directory} is below libvirt's own {place}: choose another VIRTPLANE_HOME"
                )

    def _reach(self) -> Path:
        """The directory, or a short name for it where sockets below it would have too long a path."""
        longest = _SYSTEM_SOCKET if self.privileged else _LONGEST_SESSION_SOCKET
        room = _LONGEST_SOCKET_PATH - len(longest) - 1
        if len(os.fsencode(self.directory)) <= room:
            return self.directory
        digest = hashlib.sha256(os.fsencode(self.directory)).digest()
        if self.runtime is not None:
            digits = min(12, room - len(os.fsencode(self.runtime)) - len("/vp"))
            if digits >= 3:
                return self.runtime / ("vp" + base64.b32encode(digest).decode().lower()[:digits])
        raise LibvirtDirectoryError(
            f"{self.directory} is too long a path for the sockets below it: choose a VIRTPLANE_HOME that makes it at "
            f"most {room} bytes long, or set XDG_RUNTIME_DIR to a short directory of your own"
        )


async def host_libvirt() -> str | None:
    """The URI of the host's libvirtd, if one answers; none is started by asking.

    It is the system's for root and the group libvirt, and the user's own session for others.
    """
    uri = "qemu:///system" if os.geteuid() == 0 or _in_libvirt_group() else "qemu:///session"
    return uri if await _virsh(uri, "uri", seconds=ANSWER_SECONDS) is not None else None


def require_packages() -> None:
    """Raise LibvirtMissingError, naming the packages, unless this host has all that a private libvirtd needs."""
    if packages := list(dict.fromkeys(_missing_packages())):
        raise LibvirtMissingError(_advice(packages))


def _missing_packages() -> Iterator[str]:
    arch = platform.machine()
    qemu = {"x86_64": "qemu-system-x86", "aarch64": "qemu-system-arm"}.get(arch, "qemu-system")
    needed = {
        "libvirtd": "libvirt-daemon-system",
        "virsh": "libvirt-clients",
        f"qemu-system-{arch}": qemu,
        "qemu-img": "qemu-utils",
    }
    if os.geteuid() == 0:
        needed |= {"dnsmasq": "dnsmasq-base", "iptables": "iptables", "setfacl": "acl"}
        needed |= {"unshare": "util-linux", "mount": "mount"}
    for program, package in needed.items():
        if _program(program) is None:
            yield package


def _advice(packages: list[str]) -> str:
    root = "" if os.geteuid() == 0 else "sudo "
    command = f"{root}apt-get install --no-install-recommends {' '.join(packages)}"
    if shutil.which("apt-get"):
        return f"to run guests, this host lacks {', '.join(packages)}: run {command}"
    return (
        f"to run guests, this host lacks what Debian calls {', '.join(packages)}: install your system's packages of it"
    )


def _program(name: str) -> str | None:
    # Daemons and tools for administrators are not in an ordinary user's PATH.
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


async def _virsh(uri: str, *command: str, seconds: float) -> str | None:
    """What the libvirtd at ``uri`` answers; None when it does not answer, or refuses.

    Virsh asks, as it can be killed and a call of libvirt's cannot.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            "virsh",
            "--quiet",
            "--connect",
            uri,
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            # Connecting to a session starts its daemon otherwise.
            env={**os.environ, "LIBVIRT_AUTOSTART": "0"},
        )
    except FileNotFoundError:
        return None
    try:
        async with asyncio.timeout(seconds):
            answer, _ = await process.communicate()
            return answer.decode().strip() if process.returncode == 0 else None
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _in_libvirt_group() -> bool:
    try:
        return grp.getgrnam("libvirt").gr_gid in {os.getegid(), *os.getgroups()}
    except KeyError:
        return False


def _qemu_account() -> tuple[str, str]:
    """The user and group that libvirt's package made for QEMU: Debian's name, or Fedora's."""
    for name in ("libvirt-qemu", "qemu"):
        # The user's first group may be kvm, whose other members have no business with guests' disks.
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name, grp.getgrnam(name).gr_name
    raise LibvirtMissingError(
        "there is no user libvirt-qemu (or qemu) to run guests as, which libvirt's package makes: "
        + _advice(["libvirt-daemon-system"])
    )


def _link(short: Path, directory: Path) -> None:
    """Make ``short`` a name of ``directory``. Raises LibvirtDirectoryError when it is something else already."""
    try:
        short.symlink_to(directory)
    except FileExistsError:
        if not short.is_symlink() or (short.exists() and short.readlink() != directory):
            raise LibvirtDirectoryError(f"{short} is needed as a short name of {directory}: remove it") from None
        # Ours, or left behind by a directory that is gone.
        short.unlink()
        short.symlink_to(directory)
    except FileNotFoundError:
        raise LibvirtDirectoryError(
            f"{short.parent} does not exist, and {directory} is too long a path for sockets: "
            "choose a shorter VIRTPLANE_HOME, or set XDG_RUNTIME_DIR to a directory of your own"
        ) from None


def _make_open(directory: Path) -> None:
    directory.mkdir(exist_ok=True)
    directory.chmod(0o711)


def _write(path: Path, text: str, mode: int) -> None:
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        replace_file(path, text.encode(), mode)
