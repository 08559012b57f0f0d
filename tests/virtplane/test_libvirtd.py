"""A libvirtd of our own: apart from the host and from others like it, and no guest dies with it."""

import asyncio
import os
import platform
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.libvirt_host import LibvirtHost, libvirt_host
from virtplane import libvirtd
from virtplane.libvirtd import LibvirtDirectoryError, LibvirtMissingError, PrivateLibvirtd, host_libvirt

GUEST = f"""
<domain type='qemu'>
  <name>{{name}}</name>
  <memory unit='MiB'>32</memory>
  <os><type arch='{platform.machine()}'>hvm</type></os>
  <devices><memballoon model='none'/></devices>
</domain>"""

NETWORK = """
<network>
  <name>{name}</name>
  <forward mode='nat'/>
  <bridge name='{bridge}'/>
  <ip address='{prefix}.1' netmask='255.255.255.0'><dhcp><range start='{prefix}.2' end='{prefix}.9'/></dhcp></ip>
</network>"""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[LibvirtHost]:
    with libvirt_host(tmp_path / "libvirt") as running:
        yield running


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory with a short path, which pytest's are not."""
    directory = Path(tempfile.mkdtemp(prefix="vp"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


def start_guest(host: LibvirtHost, directory: Path, name: str) -> int:
    """Start a guest that does nothing; return the pid of its QEMU."""
    file = directory / f"{name}.xml"
    file.write_text(GUEST.format(name=name))
    host.virsh("create", "--paused", str(file))
    return next(int(each.read_text()) for each in host.directory.rglob(f"{name}.pid"))


def test_guests_outlive_libvirtd_however_it_ends(host: LibvirtHost, tmp_path: Path) -> None:
    qemu = start_guest(host, tmp_path, "survivor")
    for number in (signal.SIGTERM, signal.SIGKILL):
        host.end(number)
        os.kill(qemu, 0)
        host.start()
        assert host.virsh("domstate", "survivor") == "paused"
    host.virsh("resume", "survivor")
    assert host.virsh("domstate", "survivor") == "running"
    host.virsh("destroy", "survivor")
    with pytest.raises(ProcessLookupError):
        os.kill(qemu, 0)


def test_kvm_is_out_of_sight_where_it_does_not_work(private_libvirt: LibvirtHost) -> None:
    assert "<domain>qemu</domain>" in private_libvirt.virsh("domcapabilities", "--virttype", "qemu")
    with pytest.raises(AssertionError, match="'kvm' is not supported"):
        private_libvirt.virsh("domcapabilities", "--virttype", "kvm")
    if private_libvirt.libvirtd.privileged and Path("/dev/kvm").exists():
        assert private_libvirt.process is not None
        seen = Path(f"/proc/{private_libvirt.process.pid}/root/dev/kvm").stat()
        assert stat.filemode(seen.st_mode) == "----------"


def test_kvm_is_left_in_sight_where_it_works(tmp_path: Path) -> None:
    assert "/dev/kvm" not in PrivateLibvirtd(tmp_path, kvm=True, privileged=True).command()


def test_nobody_but_the_owner_reaches_the_sockets(private_libvirt: LibvirtHost) -> None:
    path = Path(private_libvirt.uri.partition("socket=")[2])
    assert stat.S_IMODE(private_libvirt.directory.stat().st_mode) == 0o700
    sockets = [each for each in path.parent.iterdir() if each.is_socket()]
    assert path in sockets
    assert all(stat.S_IMODE(each.stat().st_mode) & 0o077 == 0 for each in sockets)


def test_two_run_side_by_side_with_a_network_each(
    private_libvirt: LibvirtHost, host: LibvirtHost, tmp_path: Path
) -> None:
    hosts = {"one": private_libvirt, "two": host}
    for number, (name, each) in enumerate(hosts.items()):
        file = tmp_path / f"{name}.xml"
        file.write_text(NETWORK.format(name=name, bridge=f"vptest{number}", prefix=f"10.201.{number}"))
        each.virsh("net-create", str(file))
        start_guest(each, tmp_path, name)
    try:
        host.end(signal.SIGKILL)
        host.start()
        for name, each in hosts.items():
            assert each.virsh("list", "--name") == name
            assert each.virsh("net-list", "--name") == name
    finally:
        private_libvirt.virsh("destroy", "one")
        private_libvirt.virsh("net-destroy", "one")


def test_networks_go_with_the_last_guest(host: LibvirtHost, tmp_path: Path) -> None:
    file = tmp_path / "network.xml"
    file.write_text(NETWORK.format(name="three", bridge="vptest3", prefix="10.201.3"))
    host.virsh("net-create", str(file))
    start_guest(host, tmp_path, "three")
    asyncio.run(host.libvirtd.release())
    assert host.virsh("net-list", "--name") == "three"
    host.virsh("destroy", "three")
    asyncio.run(host.libvirtd.release())
    assert host.virsh("net-list", "--name") == ""


def test_a_second_libvirtd_does_not_start_in_the_same_directory(private_libvirt: LibvirtHost) -> None:
    done = subprocess.run(private_libvirt.libvirtd.command(), capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode != 0
    assert private_libvirt.virsh("list") == ""


def test_an_ordinary_user_has_a_session_of_its_own(short: Path, tmp_path: Path) -> None:
    """As root, libvirtd and its clients are run as another user."""
    directory, runtime = short / "home" / ".virtplane" / "libvirt", short / "r"
    directory.mkdir(parents=True)
    runtime.mkdir()
    libvirtd = PrivateLibvirtd(directory, kvm=False, privileged=False, runtime=runtime)
    libvirtd.prepare()
    wrapper: list[str] = []
    if os.geteuid() == 0:
        subprocess.run(["chown", "--recursive", "nobody:nogroup", short], check=True)
        wrapper = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "env", f"HOME={short}"]
    host = LibvirtHost(libvirtd, wrapper)
    try:
        host.start()
        qemu = start_guest(host, short, "of-an-ordinary-user")
        assert Path("/proc", str(qemu)).owner() == Path(short).owner()
        host.end()
        os.kill(qemu, 0)
        host.start()
        assert host.virsh("domstate", "of-an-ordinary-user") == "paused"
    finally:
        host.clean()


def test_preparing_again_writes_only_what_changed(tmp_path: Path) -> None:
    private = PrivateLibvirtd(tmp_path / "libvirt", kvm=False)
    private.prepare()

    def written() -> dict[Path, int]:
        return {each: each.stat().st_ino for each in private.directory.rglob("*") if each.is_file()}

    before = written()
    private.prepare()
    assert written() == before
    PrivateLibvirtd(tmp_path / "other", kvm=False).prepare()
    assert (tmp_path / "other" / "host_uuid").read_text() != (private.directory / "host_uuid").read_text()
    changed = next(each for each in before if each.name == "qemu.conf")
    changed.write_text("something else")
    private.prepare()
    assert 'stdio_handler = "file"' in changed.read_text()
    assert {each for each, inode in written().items() if inode != before[each]} == {changed}


def test_a_deep_home_has_a_short_name(tmp_path: Path, short: Path) -> None:
    deep = tmp_path / ("deep" * 20) / ("home" * 20)
    private = PrivateLibvirtd(deep, kvm=False, runtime=short)
    private.prepare()
    path = Path(private.uri.partition("socket=")[2])
    assert len(os.fsencode(path)) <= 107
    assert path.parent.parent.resolve() == deep
    with socket.socket(socket.AF_UNIX) as listener:
        path.parent.mkdir(exist_ok=True)
        listener.bind(str(path))
    private.prepare()
    assert PrivateLibvirtd(deep.with_name("other"), kvm=False, runtime=short).uri != private.uri


def test_the_longest_socket_of_a_session_fits() -> None:
    home = Path("/home/someone/.virtplane/libvirt")
    for runtime in (Path("/run/user/1000"), Path("/run/user/65535")):
        private = PrivateLibvirtd(home, kvm=False, privileged=False, runtime=runtime)
        configuration = next(each for each in private.command() if each.startswith("XDG_CONFIG_HOME="))
        longest = configuration.partition("=")[2] + "/libvirt/qemu/channel/target/domain-9999-"
        assert len(longest + "n" * 20 + "/org.qemu.guest_agent.0") <= 107


@pytest.mark.parametrize("runtime", [None, Path("/run/user/1234567890")])
def test_a_path_that_no_name_makes_short_is_an_error(tmp_path: Path, runtime: Path | None) -> None:
    private = PrivateLibvirtd(tmp_path / "libvirt", kvm=False, privileged=False, runtime=runtime)
    with pytest.raises(LibvirtDirectoryError, match="VIRTPLANE_HOME that makes it at most 23 bytes long"):
        private.prepare()
    with pytest.raises(LibvirtDirectoryError, match="XDG_RUNTIME_DIR"):
        _ = private.uri


def test_a_short_name_that_is_taken_is_not_taken_over(tmp_path: Path, short: Path) -> None:
    private = PrivateLibvirtd(tmp_path / ("deep" * 30), kvm=False, runtime=short)
    private.prepare()
    link = next(short.iterdir())
    link.unlink()
    link.symlink_to(tmp_path)
    with pytest.raises(LibvirtDirectoryError, match=f"{link} is needed"):
        private.prepare()
    link.unlink()
    link.symlink_to(tmp_path / "gone")
    private.prepare()
    assert link.resolve() == private.directory


def test_a_home_below_libvirts_own_directories_is_refused() -> None:
    private = PrivateLibvirtd(Path("/var/lib/libvirt/ours"), kvm=False, privileged=True)
    with pytest.raises(LibvirtDirectoryError, match="another VIRTPLANE_HOME"):
        private._refuse_hidden()


async def test_waiting_for_one_that_is_not_there_ends(tmp_path: Path) -> None:
    private = PrivateLibvirtd(tmp_path / "libvirt", kvm=False, runtime=tmp_path)
    with pytest.raises(TimeoutError, match=r"does not answer after 0\.2 s"):
        await private.wait_ready(0.2)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only directory in which programs are found."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory))
    monkeypatch.setattr(libvirtd, "_program", lambda name: shutil.which(name, path=str(directory)))
    return directory


def program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


async def test_the_hosts_libvirt_is_one_that_answers(programs: Path, tmp_path: Path) -> None:
    assert await host_libvirt() is None  # no virsh
    program(programs / "virsh", "exit 1")
    assert await host_libvirt() is None
    program(programs / "virsh", f'echo "$LIBVIRT_AUTOSTART $*" > {tmp_path}/asked')
    found = await host_libvirt()
    assert found in {"qemu:///system", "qemu:///session"}
    assert (tmp_path / "asked").read_text().split() == ["0", "--quiet", "--connect", found, "uri"]


async def test_a_libvirt_that_is_stuck_counts_as_absent(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libvirtd, "ANSWER_SECONDS", 0.3)
    program(programs / "virsh", f"echo $$ > {tmp_path}/pid; exec /bin/sleep 60")
    began = time.monotonic()
    assert await host_libvirt() is None
    assert time.monotonic() - began < 10
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()


def test_what_is_missing_is_named_with_the_command_to_install_it(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libvirtd.platform, "machine", lambda: "x86_64")
    for name in ("libvirtd", "virsh", "dnsmasq", "iptables", "setfacl", "unshare", "mount", "apt-get"):
        program(programs / name, "exit 0")
    with pytest.raises(LibvirtMissingError) as caught:
        libvirtd.require_packages()
    assert "apt-get install --no-install-recommends qemu-system-x86 qemu-utils" in str(caught.value)
    for name in ("qemu-system-x86_64", "qemu-img"):
        program(programs / name, "exit 0")
    libvirtd.require_packages()


def test_without_libvirtd_there_is_no_command(programs: Path, tmp_path: Path) -> None:
    with pytest.raises(LibvirtMissingError, match="libvirt-daemon-system"):
        PrivateLibvirtd(tmp_path / "libvirt", kvm=False).command()
