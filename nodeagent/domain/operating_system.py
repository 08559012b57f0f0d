"""``<os>``: the machine, its firmware, and a kernel to start directly."""

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from nodeagent.domain.element import element, yes_no
from nodeagent.domain.facts import UnsupportedError
from nodeagent.domain.machine import Machine
from nodeagent.domain.spec import section
from nodeagent.volumes.prepared import PreparedKernel

_PAUSED_MENU_MS = 10_000
_BOOTLOADER = "domain.firmware.bootloader"


def is_efi(domain: dict[str, Any]) -> bool:
    """Whether the guest boots by EFI."""
    return section(domain, "firmware", "bootloader").get("efi") is not None


def operating_system(
    spec: dict[str, Any], *, machine: Machine, firmware: str | None, kernel: PreparedKernel | None, nvram: Path
) -> Element:
    """Return ``<os>``; ``nvram`` is where EFI's variables are kept.

    ``firmware`` is the directory that EFI comes from; None leaves the choice to libvirt.

    Raises:
        UnsupportedError: The firmware asks for what is not there.
    """
    bootloader = section(spec, "domain", "firmware", "bootloader")
    efi = bootloader.get("efi")
    paused = spec.get("startStrategy") == "Paused"
    return element(
        "os",
        element("type", text="hvm", arch=machine.arch, machine=machine.type),
        *(_efi(efi, machine, firmware, nvram) if efi is not None else ()),
        *(_kernel(kernel) if kernel else ()),
        element("bios", useserial="yes") if section(bootloader, "bios").get("useSerial") else None,
        # Who watches a paused start wants to see the firmware's menu.
        element("bootmenu", enable="yes", timeout=_PAUSED_MENU_MS) if paused else None,
        element("smbios", mode="sysinfo"),
        firmware="efi" if efi is not None and firmware is None else None,
    )


def _efi(efi: dict[str, Any], machine: Machine, directory: str | None, nvram: Path) -> tuple[Element, ...]:
    """Let libvirt select the firmware by its features, from what the node has installed, or name its files."""
    if efi.get("persistent"):
        raise UnsupportedError(
            f"{_BOOTLOADER}.efi.persistent", "EFI variables cannot outlive the instance: remove it, or set it to false"
        )
    secure = efi.get("secureBoot", machine.is_x86)
    if secure and not machine.is_pcie:
        raise UnsupportedError(f"{_BOOTLOADER}.efi.secureBoot", f"the machine {machine.type} has none; q35 has")
    if directory is not None:
        return _named(Path(directory), machine, nvram, secure=secure)
    where = element("nvram", text=str(nvram))
    if not machine.is_x86:
        return (where,)  # its firmware comes in one variant only
    features = [element("feature", enabled=yes_no(secure), name=name) for name in ("secure-boot", "enrolled-keys")]
    return element("firmware", *features), where


def _named(directory: Path, machine: Machine, nvram: Path, *, secure: bool) -> tuple[Element, ...]:
    """Name the firmware's files as KubeVirt does (``pkg/virt-launcher/virtwrap/efi``)."""
    family = "OVMF" if machine.is_x86 else "AAVMF"
    variant = ".secboot" if secure and machine.is_x86 else ""
    loader = directory / f"{family}_CODE{variant}.fd"
    variables = directory / f"{family}_VARS{variant}.fd"
    return (
        element("loader", text=str(loader), readonly="yes", secure=yes_no(bool(variant)), type="pflash"),
        element("nvram", text=str(nvram), template=str(variables)),
    )


def _kernel(kernel: PreparedKernel) -> tuple[Element, ...]:
    if kernel.kernel is None:
        if kernel.initrd is None:
            return ()
        raise UnsupportedError("domain.firmware.kernelBoot.container.kernelPath", "an initrd needs a kernel: name it")
    initrd = element("initrd", text=str(kernel.initrd)) if kernel.initrd else None
    cmdline = element("cmdline", text=kernel.arguments) if kernel.arguments else None
    parts = (element("kernel", text=str(kernel.kernel)), initrd, cmdline)
    return tuple(part for part in parts if part is not None)
