"""QEMU's user gets exactly the way it needs, and nobody else gets anything."""

import os
import platform
import subprocess
from pathlib import Path

import pytest

from nodeagent.hypervisor.passage import PassageError, let_pass, let_use, let_write, qemu_user
from tests.libvirt_host import LibvirtHost

STRANGER, OTHER_STRANGER = 54321, 54322  # nobody's uids
AS_ROOT = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]  # only root can look with another user's eyes

GUEST = f"""
<domain type='qemu'>
  <name>passes</name>
  <memory unit='MiB'>32</memory>
  <os><type arch='{platform.machine()}'>hvm</type></os>
  <devices>
    <disk type='file'><driver name='qemu' type='raw'/><source file='{{disk}}'/><target dev='vda' bus='virtio'/></disk>
    <memballoon model='none'/>
  </devices>
</domain>"""


def can(uid: int, *command: str) -> bool:
    """Whether a command succeeds as another user: the kernel's own judgement."""
    user = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    return subprocess.run([*AS_ROOT, *user, *command], capture_output=True, check=False).returncode == 0


def acl(path: Path) -> list[str]:
    return subprocess.check_output(["getfacl", "--omit-header", "--absolute-names", path], text=True).split()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that everybody may read, in directories that nobody may pass."""
    directory = tmp_path / "root" / ".virtplane"
    directory.mkdir(parents=True)
    for each in (tmp_path, tmp_path / "root", directory):
        each.chmod(0o700)
    (directory / "disk").write_text("blocks")
    (directory / "disk").chmod(0o644)
    return directory / "disk"


async def test_the_user_reaches_files_and_nothing_else_opens(file: Path) -> None:
    await let_pass(file.parent, STRANGER)
    assert can(STRANGER, "cat", str(file))
    assert not can(STRANGER, "ls", str(file.parent))
    assert not can(STRANGER, "touch", str(file.with_name("new")))
    assert not can(OTHER_STRANGER, "cat", str(file))
    assert acl(file.parent) == ["user::rwx", f"user:{STRANGER}:--x", "group::---", "mask::--x", "other::---"]


async def test_the_way_opens_again_after_a_chmod_that_closed_it(file: Path) -> None:
    await let_pass(file.parent, STRANGER)
    file.parent.chmod(0o700)  # sets the mask of the list to nothing
    assert not can(STRANGER, "cat", str(file))
    await let_pass(file.parent, STRANGER)
    assert can(STRANGER, "cat", str(file))


async def test_what_a_chmod_took_from_others_stays_taken(file: Path) -> None:
    subprocess.run(["setfacl", "-m", f"u:{OTHER_STRANGER}:rw", file.parent], check=True)
    file.parent.chmod(0o700)
    await let_pass(file.parent, STRANGER)
    assert can(STRANGER, "cat", str(file))
    assert "mask::--x" in acl(file.parent)


async def test_the_group_keeps_what_it_has(file: Path) -> None:
    file.parent.chmod(0o750)
    await let_pass(file.parent, STRANGER)
    assert "group::r-x" in acl(file.parent)
    assert "mask::r-x" in acl(file.parent)


async def test_a_way_over_a_symbolic_link_is_opened_on_both_sides(file: Path, tmp_path: Path) -> None:
    links = tmp_path / "links"
    links.mkdir(mode=0o700)
    (links / "home").symlink_to(file.parent)
    await let_pass(links / "home", STRANGER)
    assert can(STRANGER, "cat", str(links / "home" / "disk"))


async def test_where_the_modes_suffice_nothing_is_changed(file: Path) -> None:
    file.parent.chmod(0o711)
    await let_pass(file.parent, STRANGER)
    assert acl(file.parent) == ["user::rwx", "group::--x", "other::--x"]


async def test_a_group_that_may_not_is_refused_though_others_may(file: Path) -> None:
    # As acl(5) says: whoever is in the group is judged by the group's permissions only.
    subprocess.run([*AS_ROOT, "chgrp", "65534", file.parent], check=True)
    file.parent.chmod(0o701)
    await let_pass(file.parent, 65534)  # nobody, in nogroup
    assert "user:nobody:--x" in acl(file.parent)


async def test_root_and_we_ourselves_need_nothing(file: Path) -> None:
    await let_pass(file.parent, 0)
    await let_write(file.parent, os.geteuid())
    assert acl(file.parent) == ["user::rwx", "group::---", "other::---"]


async def test_the_user_may_write_in_one_directory(file: Path) -> None:
    await let_pass(file.parent, STRANGER)
    await let_write(file.parent, STRANGER)
    assert can(STRANGER, "touch", str(file.with_name("serial.log")))
    assert not can(STRANGER, "touch", str(file.parent.with_name("elsewhere")))
    assert not can(OTHER_STRANGER, "ls", str(file.parent))


async def test_who_runs_guests_may_use_their_sockets_and_nobody_else_may(file: Path) -> None:
    for each in (STRANGER, OTHER_STRANGER):
        await let_pass(file.parent, each)
    await let_write(file.parent, STRANGER)
    await let_use(file.parent, OTHER_STRANGER)
    socket, private = str(file.with_name("vnc.sock")), str(file.with_name("serial.log"))
    assert can(STRANGER, "mknod", socket, "p")  # to the kernel, a pipe's list is like a socket's
    assert can(STRANGER, "install", "--mode=600", "/dev/null", private)
    assert can(OTHER_STRANGER, "test", "-w", socket)
    assert not can(OTHER_STRANGER, "cat", private)
    assert not can(STRANGER + 2, "test", "-w", socket)


async def test_asking_for_less_takes_nothing_away(file: Path) -> None:
    await let_write(file.parent, STRANGER)
    file.parent.chmod(0o700)
    await let_pass(file.parent, STRANGER)
    assert f"user:{STRANGER}:rwx" in acl(file.parent)


async def test_without_setfacl_the_directory_and_the_command_are_named(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PassageError) as caught:
        await let_write(file.parent, STRANGER)
    assert f"uid {STRANGER}, which may not write to {file.parent}" in str(caught.value)
    assert f"setfacl -m u:{STRANGER}:rwx {file.parent}" in str(caught.value)
    assert "apt-get install acl" in str(caught.value)


async def test_a_filesystem_without_lists_is_an_error() -> None:
    with pytest.raises(PassageError, match="setfacl"):
        await let_write(Path("/proc/self"), STRANGER)


async def test_a_directory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PassageError, match="No such file"):
        await let_pass(tmp_path / "missing", STRANGER)


async def test_a_guest_starts_from_a_disk_in_a_closed_directory(
    file: Path, tmp_path: Path, private_libvirt: LibvirtHost
) -> None:
    uid = qemu_user(private_libvirt.virsh("capabilities")) or os.geteuid()
    file.write_bytes(bytes(1 << 20))
    guest = tmp_path / "guest.xml"
    guest.write_text(GUEST.format(disk=file))
    await let_pass(file.parent, uid)
    private_libvirt.virsh("create", "--paused", str(guest))
    private_libvirt.virsh("destroy", "passes")


def test_the_user_comes_from_libvirts_base_label() -> None:
    labels = "<baselabel type='kvm'>+64055:+108</baselabel><baselabel type='qemu'>+64055:+108</baselabel>"
    apparmor = "<secmodel><model>apparmor</model><doi>0</doi></secmodel>"
    dac = f"<secmodel><model>dac</model><doi>0</doi>{labels}</secmodel>"
    assert qemu_user(f"<capabilities><host>{apparmor}{dac}</host></capabilities>") == 64055
    assert qemu_user(f"<capabilities><host>{apparmor}</host></capabilities>") is None
