"""Firmware, boot loader, a kernel that is started directly, and the order to boot from."""

import uuid
from collections.abc import Iterator

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object
from apiserver.resources.virtualmachineinstance.validation.images import image_problems
from apiserver.resources.virtualmachineinstance.validation.values import absolute_path_problems


def identity(spec: Object, path: str) -> Iterator[FieldError]:
    """The machine's UUID is one."""
    value = spec["domain"].get("firmware", {}).get("uuid")
    if not value:
        return
    try:
        canonical = str(uuid.UUID(value)) == value.lower()
    except ValueError:
        canonical = False
    if not canonical:
        detail = "must be a UUID such as 5d307ca9-b3ef-428c-8861-06e72d69f223"
        yield FieldError.invalid(f"{path}.domain.firmware.uuid", value, detail)


def has_smm(spec: Object) -> bool:
    """Return True when the guest has system management mode."""
    smm = spec["domain"].get("features", {}).get("smm")
    return smm is not None and smm.get("enabled", True)


def bootloader(spec: Object, path: str) -> Iterator[FieldError]:
    """There is one boot loader."""
    loader = spec["domain"].get("firmware", {}).get("bootloader", {})
    if "bios" in loader and "efi" in loader:
        field = f"{path}.domain.firmware.bootloader"
        yield FieldError.forbidden(field, "bios and efi exclude each other; remove one")


def secure_boot(spec: Object, path: str) -> Iterator[FieldError]:
    """Secure boot has what it needs."""
    loader = spec["domain"].get("firmware", {}).get("bootloader", {})
    # TDX keeps the keys of secure boot where no guest can write: nothing is left for SMM to protect.
    protected = has_smm(spec) or "tdx" in spec["domain"].get("launchSecurity", {})
    if "efi" in loader and loader["efi"].get("secureBoot", True) and not protected:
        detail = "secure boot needs domain.features.smm.enabled: true; add that, or set secureBoot to false"
        field = f"{path}.domain.firmware.bootloader.efi.secureBoot"
        yield FieldError.invalid(field, loader["efi"].get("secureBoot"), detail)


def acpi_tables(spec: Object, path: str) -> Iterator[FieldError]:
    """Tables for ACPI are in volumes that are Secrets."""
    tables = spec["domain"].get("firmware", {}).get("acpi")
    if tables is None:
        return
    field = f"{path}.domain.firmware.acpi"
    names = [name for name in ("slicNameRef", "msdmNameRef") if tables.get(name)]
    if not names:
        yield FieldError.required(field, "name a volume in slicNameRef, msdmNameRef or both")
    volumes = {volume["name"]: volume for volume in spec.get("volumes", ())}
    for name in names:
        volume = volumes.get(tables[name])
        if volume is None:
            detail = f"there is no volume of this name in {path}.volumes"
            yield FieldError.invalid(f"{field}.{name}", tables[name], detail)
        elif "secret" not in volume:
            yield FieldError.invalid(f"{field}.{name}", tables[name], "must be a volume whose source is a secret")


def kernel_boot(spec: Object, path: str) -> Iterator[FieldError]:
    """A kernel to start comes from an image and a place in it."""
    boot = spec["domain"].get("firmware", {}).get("kernelBoot", {})
    field = f"{path}.domain.firmware.kernelBoot"
    container = boot.get("container")
    if container is None:
        if boot.get("kernelArgs"):
            yield FieldError.required(f"{field}.container", "kernelArgs are for a kernel out of a container image")
        return
    yield from image_problems(container["image"], f"{field}.container.image")
    paths = [name for name in ("kernelPath", "initrdPath") if container.get(name)]
    if not paths:
        yield FieldError.required(f"{field}.container.kernelPath", "give kernelPath, initrdPath or both")
    for name in paths:
        yield from absolute_path_problems(container[name], f"{field}.container.{name}")


def boot_order(spec: Object, path: str) -> Iterator[FieldError]:
    """Every place in the boot order exists once."""
    taken: dict[int, str] = {}
    for kind in ("disks", "interfaces"):
        for i, device in enumerate(spec["domain"]["devices"].get(kind, ())):
            field = f"{path}.domain.devices.{kind}[{i}].bootOrder"
            order = device.get("bootOrder")
            if order is None:
                continue
            if order < 1:
                yield FieldError.invalid(field, order, "must be at least 1")
            elif order in taken:
                yield FieldError.invalid(
                    field, order, f"is the boot order of {taken[order]}, too; each place is for one"
                )
            taken.setdefault(order, device["name"])


RULES = (identity, bootloader, secure_boot, acpi_tables, kernel_boot, boot_order)
