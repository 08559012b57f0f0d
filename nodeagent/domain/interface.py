"""``<interface>``: how the guest is connected, and by which address."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

from nodeagent.domain.address import pci_address
from nodeagent.domain.alias import interface_alias
from nodeagent.domain.boot import boot
from nodeagent.domain.element import element
from nodeagent.domain.machine import Machine

_MOST_QUEUES = 256  # of a tap device


@dataclass(frozen=True, slots=True)
class NetworkAttachment:
    """By a network of libvirt's, named ``network``."""

    network: str


@dataclass(frozen=True, slots=True)
class UserAttachment:
    """By QEMU's own user-mode network."""


Attached = NetworkAttachment | UserAttachment


def interfaces(
    devices: dict[str, Any], attached: Mapping[str, Attached], *, machine: Machine, vcpus: int, owner: str
) -> list[Element]:
    """Return ``<interface>`` for each interface that is not absent; ``attached`` has all of these by name.

    ``owner`` is the VMI's namespace and name, which an instance has in common with the next one of its VirtualMachine.
    """
    queues = min(vcpus, _MOST_QUEUES) if devices.get("networkInterfaceMultiqueue") else None
    return [
        _interface(
            spec,
            attached[spec["name"]],
            model=_model(spec, machine),
            mac=_colons(spec["macAddress"]) if spec.get("macAddress") else stable_mac(owner, spec["name"]),
            queues=queues if _is_virtio(spec) else None,
            field=f"domain.devices.interfaces[{index}]",
        )
        for index, spec in enumerate(devices.get("interfaces") or [])
        if spec.get("state") != "absent"
    ]


def stable_mac(owner: str, name: str) -> str:
    """Return an address that is the same whenever the guest starts, so that it keeps its lease.

    Not made of the firmware's UUID, which KubeVirt derives from the name alone: it is the same in every namespace.
    02 is the first octet of addresses that are administered locally.
    """
    digest = hashlib.sha256(f"{owner}/{name}".encode()).digest()
    return ":".join(f"{octet:02x}" for octet in (0x02, *digest[:5]))


def _colons(mac: str) -> str:
    """Return an address as libvirt wants it; KubeVirt takes hyphens and groups of four digits, too."""
    digits = "".join(character for character in mac.lower() if character not in ":-.")
    return ":".join(digits[i : i + 2] for i in range(0, len(digits), 2))


def _is_virtio(spec: dict[str, Any]) -> bool:
    return (spec.get("model") or "virtio") == "virtio"


def _model(spec: dict[str, Any], machine: Machine) -> str:
    return machine.virtio if _is_virtio(spec) else spec["model"]


def _interface(
    spec: dict[str, Any], attachment: Attached, *, model: str, mac: str, queues: int | None, field: str
) -> Element:
    order = boot(spec)
    match attachment:
        case NetworkAttachment(network):
            kind, source = "network", element("source", network=network)
            driver = element("driver", queues=queues) if queues else None
        case UserAttachment():  # which has one queue, always
            kind, source, driver = "user", None, None
    return element(
        "interface",
        element("mac", address=mac),
        source,
        element("model", type=model),
        driver,
        element("link", state="down") if spec.get("state") == "down" else None,
        # Network boot only where it is asked for: loading its code takes time, and the firmware's memory.
        None if order is not None else element("rom", enabled="no"),
        order,
        element("acpi", index=spec["acpiIndex"]) if spec.get("acpiIndex") else None,
        interface_alias(spec["name"]),
        pci_address(spec.get("pciAddress"), f"{field}.pciAddress"),
        type=kind,
    )
