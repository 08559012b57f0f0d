"""The board: its architecture, its machine type, its firmware."""

import platform

from apiserver.machinery.resource import Object
from kube.configuration import Configuration
from kube.names import new_uuid

AMD64, ARM64, S390X = "amd64", "arm64", "s390x"
ARCHITECTURES = (AMD64, ARM64, S390X)
_NATIVE = {"aarch64": ARM64, "s390x": S390X}.get(platform.machine(), AMD64)
"""The hosts' architecture. The server cannot ask all nodes, so it takes them for machines like its own."""


def fill_machine(spec: Object, configuration: Configuration) -> None:
    """Choose the architecture and its machine type."""
    architecture = spec.get("architecture")
    if not architecture:
        architecture = spec["architecture"] = configuration.default_architecture or _NATIVE
    machine = spec["domain"].setdefault("machine", {})
    if not machine.get("type"):
        machine["type"] = configuration.machine_type(architecture)


def has_pcie(spec: Object) -> bool:
    """Return True for boards whose devices are on PCI Express, where the order of slots matters to a guest."""
    kind = spec["domain"].get("machine", {}).get("type", "")
    return spec.get("architecture", AMD64) in {AMD64, ARM64} and (not kind or "q35" in kind or kind.startswith("virt"))


def firmware(spec: Object) -> None:
    """Give the machine a UUID, and what only has EFI a boot loader."""
    made = spec["domain"].setdefault("firmware", {})
    if not made.get("uuid"):
        made["uuid"] = new_uuid()
    if spec["architecture"] != ARM64:
        return
    loader = made.setdefault("bootloader", {"efi": {}})
    if "efi" in loader:
        loader["efi"].setdefault("secureBoot", False)
