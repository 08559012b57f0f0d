"""Whether KVM really runs guests here, found out by running one.

A /dev/kvm that opens promises little: nested in another hypervisor it may make a virtual machine and then abort QEMU,
hang in the guest's firmware, or crawl. So a guest of one boot sector is started, with the machine type and the CPU
that real guests get, and must say within seconds that it ran. Only a host that is x86_64 has this probe; on others the
kernel's own answer about its KVM interface is believed.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import platform
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

PROBE_SECONDS = 5
"""A sound host needs 0.2 s; the rest is for one that is busy."""

DEVICE = Path("/dev/kvm")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

# https://docs.kernel.org/virt/kvm/api.html: KVM_GET_API_VERSION, whose answer has been 12 since Linux 2.6.22.
_GET_API_VERSION = 0xAE00
_API_VERSION = 12

# mov dx, 0xf4; mov al, 42; out dx, al; then halt for ever. isa-debug-exit makes it the exit code 42 * 2 + 1.
_BOOT_SECTOR = bytes.fromhex("baf400 b02a ee f4 ebfd").ljust(510, b"\0") + b"\x55\xaa"
_RAN = 42 * 2 + 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether KVM runs guests, and why we think so, in words for a user."""

    works: bool
    why: str


async def kvm_works(cache: Path) -> Verdict:
    """Whether guests run under KVM for this process's user.

    What a probe found is kept in ``cache`` until the host boots again or QEMU changes; delete the file to look again.
    What is seen without a probe (no device, no permission, no QEMU) is looked at every time.
    """
    arch = platform.machine()
    if (trouble := await asyncio.to_thread(_obstacle, DEVICE)) is not None:
        return Verdict(works=False, why=trouble)
    if arch != "x86_64":
        return await asyncio.to_thread(_ask_kernel, DEVICE)
    qemu = shutil.which(f"qemu-system-{arch}")
    if qemu is None:
        why = f"qemu-system-{arch} is not installed: on Debian, run apt-get install qemu-system-x86"
        return Verdict(works=False, why=why)
    key = await asyncio.to_thread(_key, qemu)
    if (known := await asyncio.to_thread(_recall, cache, key)) is not None:
        return known
    verdict = await probe(qemu, "kvm")
    await asyncio.to_thread(_remember, cache, key, verdict)
    return verdict


async def probe(qemu: str, accelerator: str, seconds: float = PROBE_SECONDS) -> Verdict:
    """Run the boot sector in ``qemu``, a program's path, with an accelerator of QEMU's, for at most ``seconds``."""
    with tempfile.TemporaryDirectory(prefix="virtplane-kvm-") as directory:
        sector = Path(directory, "boot")
        await asyncio.to_thread(sector.write_bytes, _BOOT_SECTOR)
        process = await asyncio.create_subprocess_exec(
            qemu,
            *_arguments(sector, accelerator),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(seconds):
                _, complaint = await process.communicate()
        except TimeoutError:
            return Verdict(works=False, why=f"a guest under KVM did not get through its firmware within {seconds:g} s")
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    if process.returncode == _RAN:
        return Verdict(works=True, why="a guest ran under KVM")
    said = complaint.decode(errors="replace").strip().rpartition("\n")[2] or f"exit code {process.returncode}"
    return Verdict(works=False, why=f"QEMU could not run a guest under KVM: {said}")


def _arguments(sector: Path, accelerator: str) -> list[str]:
    machine = ["-accel", accelerator, "-machine", "q35", "-cpu", "max", "-m", "32"]
    nothing_else = ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
    # A floppy: the firmware reads no hard disk of a single sector.
    drive = f"id=boot,if=none,format=raw,readonly=on,file={str(sector).replace(',', ',,')}"
    floppy = ["-device", "isa-fdc", "-drive", drive, "-device", "floppy,drive=boot"]
    return [*machine, *nothing_else, *floppy, "-device", "isa-debug-exit,iobase=0xf4,iosize=1"]


def _obstacle(device: Path) -> str | None:
    """What keeps this user from KVM altogether, in words; None when it may be tried."""
    if not device.exists():
        return (
            f"{device} does not exist: virtualization is switched off in the machine's firmware, "
            "not passed on by the hypervisor around it, or the module kvm_intel or kvm_amd is not loaded"
        )
    if not os.access(device, os.R_OK | os.W_OK):
        return f"this user may not open {device}: add it to the group kvm (usermod -aG kvm USER) and log in again"
    return None


def _ask_kernel(device: Path) -> Verdict:
    try:
        with device.open("rb", buffering=0) as kvm:
            version = fcntl.ioctl(kvm, _GET_API_VERSION)
    except OSError as error:
        return Verdict(works=False, why=f"{device} does not answer: {error.strerror}")
    if version != _API_VERSION:
        return Verdict(works=False, why=f"{device} speaks version {version} of its interface, not {_API_VERSION}")
    return Verdict(
        works=True, why=f"the kernel offers KVM; no guest was tried, as on {platform.machine()} there is no probe"
    )


def _key(qemu: str) -> dict[str, Any]:
    """What a verdict depends on. QEMU's file stands for its version: asking it would cost more than it tells."""
    program = Path(qemu).resolve()
    facts = program.stat()
    return {
        "boot": _BOOT_ID.read_text().strip(),
        "qemu": [str(program), facts.st_size, facts.st_mtime_ns],
        "uid": os.geteuid(),
    }


def _recall(cache: Path, key: dict[str, Any]) -> Verdict | None:
    # A file that is missing, cut off or not ours is as good as none: the probe is cheap.
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        content = json.loads(cache.read_text())
        if content["key"] == key:
            return Verdict(**content["verdict"])
    return None


def _remember(cache: Path, key: dict[str, Any], verdict: Verdict) -> None:
    cache.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = cache.with_name(f".{cache.name}.{os.getpid()}")
    unfinished.write_text(json.dumps({"key": key, "verdict": asdict(verdict)}))
    unfinished.replace(cache)
