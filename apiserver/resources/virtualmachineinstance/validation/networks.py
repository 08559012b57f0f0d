"""A guest's interfaces and what they are attached to."""

import re
from collections import Counter
from collections.abc import Iterator

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object
from apiserver.resources.virtualmachineinstance.bindings import METHODS
from apiserver.resources.virtualmachineinstance.validation.values import duplicates, one_of, pci_address_problems

BINDINGS = ("slirp",)
"""The named bindings that node agents know."""
MODELS = ("virtio", "e1000", "e1000e", "igb", "ne2k_pci", "pcnet", "rtl8139")
MOST_ACPI_INDEX = 16383
"""QEMU's limit."""
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_MAC = re.compile(r"[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}")
_RESERVED_MAC = "02:00:00:00:00:00"
_PORT_NAME = re.compile(r"(?=.*[a-z])[a-z0-9](?:-?[a-z0-9]){0,14}")
_LONGEST_PORT_NAME = 15


def pairing(spec: Object, path: str) -> Iterator[FieldError]:
    """Every interface has a network of its name, and every network an interface."""
    interfaces, field = _interfaces(spec, path)
    networks = spec.get("networks", [])
    yield from duplicates(interfaces, field)
    yield from duplicates(networks, f"{path}.networks")
    wanted = {each["name"] for each in networks}
    used = {each["name"] for each in interfaces}
    for i, each in enumerate(interfaces):
        if each["name"] not in wanted:
            yield FieldError.invalid(
                f"{field}[{i}].name", each["name"], f"there is no network of this name in {path}.networks"
            )
    for i, each in enumerate(networks):
        if each["name"] not in used:
            yield FieldError.invalid(
                f"{path}.networks[{i}].name", each["name"], f"there is no interface of this name in {field}"
            )


def kinds(spec: Object, path: str) -> Iterator[FieldError]:
    """A network is one of a kind that there is, the pod network at most once."""
    pods = 0
    for i, network in enumerate(spec.get("networks", ())):
        field = f"{path}.networks[{i}]"
        if "pod" not in network:
            yield FieldError.required(f"{field}.pod", "say which network this is; the only kind is pod: {}")
            continue
        pods += 1
        if pods > 1:
            yield FieldError.forbidden(f"{field}.pod", "only one interface can be on the pod network")


def methods(spec: Object, path: str) -> Iterator[FieldError]:
    """An interface reaches its network in exactly one way, which is available."""
    interfaces, field = _interfaces(spec, path)
    for i, interface in enumerate(interfaces):
        given = [method for method in METHODS if method in interface]
        if not given:
            detail = "say how the interface reaches its network: masquerade: {} or binding: {name: slirp}"
            yield FieldError.required(f"{field}[{i}]", detail)
        elif len(given) > 1:
            yield FieldError.forbidden(f"{field}[{i}]", f"{' and '.join(given)} exclude each other; remove one")
        for method in ("macvtap", "passt"):
            if method in interface:
                detail = f"{method} is not available; use masquerade: {{}} or binding: {{name: slirp}}"
                yield FieldError.forbidden(f"{field}[{i}].{method}", detail)
        name = interface.get("binding", {}).get("name")
        if name is not None and name not in BINDINGS:
            yield FieldError.not_supported(f"{field}[{i}].binding.name", name, BINDINGS)


def addresses(spec: Object, path: str) -> Iterator[FieldError]:
    """A hardware address is one that a single interface can have."""
    interfaces, field = _interfaces(spec, path)
    seen: Counter[str] = Counter()
    for i, interface in enumerate(interfaces):
        mac = interface.get("macAddress", "").lower()
        if not mac:
            continue
        at = f"{field}[{i}].macAddress"
        if not _MAC.fullmatch(mac):
            detail = "must be six pairs of hexadecimal digits with colons between them, such as 02:ad:00:00:be:af"
            yield FieldError.invalid(at, interface["macAddress"], detail)
        elif int(mac[:2], 16) & 1:
            detail = "is the address of a group; the second digit must be even, such as in 02:ad:00:00:be:af"
            yield FieldError.invalid(at, interface["macAddress"], detail)
        elif mac == _RESERVED_MAC:
            yield FieldError.invalid(at, interface["macAddress"], "is reserved; use another address")
        if seen[mac]:
            yield FieldError.duplicate(at, interface["macAddress"])
        seen[mac] += 1


def settings(spec: Object, path: str) -> Iterator[FieldError]:
    """An interface is a card that QEMU has, in a place that there is."""
    interfaces, field = _interfaces(spec, path)
    for i, interface in enumerate(interfaces):
        at = f"{field}[{i}]"
        if not _NAME.fullmatch(interface["name"]):
            yield FieldError.invalid(f"{at}.name", interface["name"], "must have letters, digits, '-' and '_' only")
        yield from one_of(interface, "model", MODELS, at)
        yield from one_of(interface, "state", ("up", "down"), at)
        yield from pci_address_problems(interface.get("pciAddress"), f"{at}.pciAddress")
        index = interface.get("acpiIndex", 1)
        if not 1 <= index <= MOST_ACPI_INDEX:
            yield FieldError.invalid(f"{at}.acpiIndex", index, f"must be between 1 and {MOST_ACPI_INDEX}")


def ports(spec: Object, path: str) -> Iterator[FieldError]:
    """A port is one, is listed once, and has a name of its own if any."""
    interfaces, field = _interfaces(spec, path)
    for i, interface in enumerate(interfaces):
        seen: Counter[object] = Counter()
        for j, port in enumerate(interface.get("ports", ())):
            at = f"{field}[{i}].ports[{j}]"
            yield from one_of(port, "protocol", ("TCP", "UDP"), at)
            if not 1 <= port["port"] <= 65535:
                yield FieldError.invalid(f"{at}.port", port["port"], "must be between 1 and 65535")
            name = port.get("name")
            if name and (len(name) > _LONGEST_PORT_NAME or not _PORT_NAME.fullmatch(name)):
                detail = "must have at most 15 lower-case letters, digits and single '-', with a letter among them"
                yield FieldError.invalid(f"{at}.name", name, detail)
            if name and seen[name]:
                yield FieldError.duplicate(f"{at}.name", name)
            number = (port.get("protocol") or "TCP", port["port"])
            if seen[number]:
                yield FieldError.duplicate(at, port["port"])
            seen.update([number, name])


def _interfaces(spec: Object, path: str) -> tuple[list[Object], str]:
    return spec["domain"]["devices"].get("interfaces", []), f"{path}.domain.devices.interfaces"


RULES = (pairing, kinds, methods, addresses, settings, ports)
