"""Ways for QEMU to files below directories that are closed to it.

A libvirt that serves the whole host runs QEMU as a user of its own, and homes such as /root are closed to it. So that
one user is let through, by POSIX access control lists (acl(5)) and by nothing wider: no group, nobody else.
"""

import asyncio
import errno
import os
import pwd
import shlex
import stat
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

SETFACL_SECONDS = 10

# Linux's own encoding of an access control list: uapi/linux/posix_acl_xattr.h and posix_acl.h.
_ATTRIBUTE = "system.posix_acl_access"
_ENTRY = struct.Struct("<HHI")
_OWNER, _USER, _OWNING_GROUP, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20

_PASS, _WRITE = 0o1, 0o7


class PassageError(Exception):
    """QEMU's user cannot be let in; the message names the directory and the command that would do it."""


def qemu_user(capabilities_xml: str) -> int | None:
    """The uid that QEMU runs as, from libvirt's capabilities; None where libvirt says nothing (it is then our own).

    https://libvirt.org/formatcaps.html: the ``dac`` security model has a base label ``+UID:+GID`` per kind of guest.
    """
    root = ET.fromstring(capabilities_xml)  # noqa: S314 -- libvirt's own words, over a connection we trust with root
    for model in root.iterfind("host/secmodel"):
        if model.findtext("model") == "dac":
            for label in model.iterfind("baselabel"):
                uid = (label.text or "").partition(":")[0].removeprefix("+")
                if label.get("type") in {"kvm", "qemu"} and uid.isdecimal():
                    return int(uid)
    return None


async def let_pass(directory: Path, uid: int) -> None:
    """Let a user reach what lies in ``directory`` by its name: search permission on it and on all its ancestors.

    Raises:
        PassageError: It cannot be given.
    """
    if not _passes_anyway(uid):
        await asyncio.to_thread(_let_pass, directory, uid)


async def let_write(directory: Path, uid: int) -> None:
    """Let a user read, make and remove files in one directory. The way to it is ``let_pass``'s.

    Raises:
        PassageError: It cannot be given.
    """
    if not _passes_anyway(uid):
        await asyncio.to_thread(_let, directory, uid, _WRITE)


async def let_use(directory: Path, uid: int) -> None:
    """Let a user use the sockets that others make in one directory from now on, though not their private files.

    Raises:
        PassageError: It cannot be given.
    """
    if uid != 0:
        await asyncio.to_thread(_let_use, directory, uid)


def _let_use(directory: Path, uid: int) -> None:
    # A file's own mode bounds what its list gives: what nobody but its maker may read stays so.
    if (complaint := _set_acl(directory, f"d:u::rwx,d:u:{uid}:rwx,d:g::r-x,d:m::rwx,d:o::r-x")) is not None:
        raise PassageError(f"{_user(uid)} could not be let to the sockets of guests in {directory}: {complaint}")


def _passes_anyway(uid: int) -> bool:
    return uid in {0, os.geteuid()}


def _let_pass(directory: Path, uid: int) -> None:
    for each in _way_to(directory):
        _let(each, uid, _PASS)


def _way_to(directory: Path) -> Iterator[Path]:
    """Every directory that a look-up of ``directory`` goes through, outermost first; symbolic links lead aside."""
    seen: set[Path] = set()
    lexical = directory.absolute()
    for named in (*reversed(lexical.parents), lexical):
        real = named.resolve()
        for each in (*reversed(real.parents), real):
            if each not in seen:
                seen.add(each)
                yield each


def _let(directory: Path, uid: int, wanted: int) -> None:
    try:
        before = _Access.of(directory)
        if before.allows(uid, wanted):
            return
        complaint = _set_acl(directory, before.adding(uid, wanted))
        if complaint is None and _Access.of(directory).allows(uid, wanted):
            return
    except OSError as error:
        raise PassageError(f"{directory}: {error.strerror}") from error
    letters = _letters(wanted)
    deed = "write to" if wanted == _WRITE else "pass"
    command = f"setfacl -m u:{uid}:{letters} {shlex.quote(str(directory))}"
    tried = f" (tried: {complaint})" if complaint else ""
    raise PassageError(
        f"QEMU runs as {_user(uid)}, which may not {deed} {directory}. "
        f"Let it, as the directory's owner or root: {command}{tried}"
    )


def _set_acl(directory: Path, entries: str) -> str | None:
    """Change a directory's list; return what setfacl complained of."""
    # The mask is given: setfacl's own would bring back what a chmod had taken from other entries.
    command = ["setfacl", "--no-mask", "--modify", entries, "--", str(directory)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SETFACL_SECONDS, check=False)  # noqa: S603 -- its words are ours
    except FileNotFoundError:
        return "setfacl is not installed: on Debian, run apt-get install acl"
    except subprocess.TimeoutExpired:
        return f"setfacl did not end within {SETFACL_SECONDS} s"
    return None if done.returncode == 0 else done.stderr.strip() or f"exit code {done.returncode}"


@dataclass(frozen=True, slots=True)
class _Access:
    """Who may do what with a directory, as its mode and its access control list say together."""

    owner: int
    group: int
    mode: int
    entries: tuple[tuple[int, int, int], ...]
    """Tag, permissions and uid or gid of each entry; without a list, those that the mode stands for."""

    @classmethod
    def of(cls, directory: Path) -> "_Access":
        status = directory.stat()
        mode = stat.S_IMODE(status.st_mode)
        try:
            content = os.getxattr(directory, _ATTRIBUTE)
        except OSError as error:
            if error.errno not in {errno.ENODATA, errno.ENOTSUP}:
                raise
            entries = ((_OWNER, mode >> 6 & 7, 0), (_OWNING_GROUP, mode >> 3 & 7, 0), (_OTHER, mode & 7, 0))
        else:
            entries = tuple(_ENTRY.iter_unpack(content[4:]))
        return cls(status.st_uid, status.st_gid, mode, entries)

    def allows(self, uid: int, wanted: int) -> bool:
        """The access check algorithm of acl(5), for a user who is not root."""
        mask = next((permissions for tag, permissions, _ in self.entries if tag == _MASK), 0o7)
        if uid == self.owner:
            return self._has(wanted, *self._found(_OWNER))
        if named := self._found(_USER, uid):
            return self._has(wanted, *(each & mask for each in named))
        groups = _groups(uid)
        of_groups = [
            permissions & mask
            for tag, permissions, gid in self.entries
            if (tag == _GROUP and gid in groups) or (tag == _OWNING_GROUP and self.group in groups)
        ]
        return self._has(wanted, *(of_groups or self._found(_OTHER)))

    def adding(self, uid: int, wanted: int) -> str:
        """The entries, in setfacl's words, that give ``wanted`` to a user and change nothing for anybody else."""
        # With a list, the mode's group bits are its mask; without one they are the group's, and a mask of them
        # and more leaves the group what it had.
        mask = self.mode >> 3 & 7 | wanted
        permissions = wanted
        for each in self._found(_USER, uid):
            permissions |= each
        return f"u:{uid}:{_letters(permissions)},m::{_letters(mask)}"

    def _found(self, tag: int, number: int | None = None) -> list[int]:
        return [permissions for each, permissions, its in self.entries if each == tag and number in {None, its}]

    @staticmethod
    def _has(wanted: int, *permissions: int) -> bool:
        return any(each & wanted == wanted for each in permissions)


def _letters(permissions: int) -> str:
    return "".join(letter for bit, letter in ((4, "r"), (2, "w"), (1, "x")) if permissions & bit)


def _groups(uid: int) -> set[int]:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return set()
    return set(os.getgrouplist(entry.pw_name, entry.pw_gid))


def _user(uid: int) -> str:
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"
