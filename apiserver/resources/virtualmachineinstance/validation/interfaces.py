"""A guest's interfaces, and how each reaches its network."""

import re
from collections.abc import Iterator

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object
from apiserver.resources.gates import gate_errors
from apiserver.resources.virtualmachineinstance.bindings import METHODS
from apiserver.resources.virtualmachineinstance.validation.values import one_of, pci_address_problems
from kube.configuration import Configuration

BINDINGS = ("slirp", "passt", "macvtap")
"""The named bindings that need no entry in the configuration; older versions have fields for them."""
DISCONTINUED = ("macvtap", "passt")
"""Fields of older versions that v1 keeps, and KubeVirt refuses."""
MODELS = ("virtio", "e1000", "e1000e", "igb", "ne2k_pci", "pcnet", "rtl8139")
STATES = ("up", "down", "absent")
MOST_ACPI_INDEX = 16383
"""QEMU's limit."""
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_PAIR = "[0-9a-f]{2}"
# What Go's net.ParseMAC takes of six bytes, which KubeVirt asks.
_MAC = re.compile(rf"{_PAIR}(?::{_PAIR}){{5}}|{_PAIR}(?:-{_PAIR}){{5}}|[0-9a-f]{{4}}(?:\.[0-9a-f]{{4}}){{2}}")
_RESERVED_MAC = "020000000000"


def methods(spec: Object, path: str) -> Iterator[FieldError]:
    """An interface reaches its network in exactly one way."""
    interfaces, field = listed_interfaces(spec, path)
    for i, interface in enumerate(interfaces):
        given = [method for method in METHODS if method in interface]
        if not given:
            detail = "say how the interface reaches its network, such as by masquerade: {} or bridge: {}"
            yield FieldError.required(f"{field}[{i}]", detail)
        elif len(given) > 1:
            yield FieldError.forbidden(f"{field}[{i}]", f"{' and '.join(given)} exclude each other; remove one")
        for method in DISCONTINUED:
            if method in interface:
                detail = f"{method} is no longer a way of its own; use binding: {{name: {method}}}, or masquerade: {{}}"
                yield FieldError.forbidden(f"{field}[{i}].{method}", detail)


def registered(spec: Object, path: str, configuration: Configuration) -> Iterator[FieldError]:
    """A binding is one that the administrator has registered, or known anyway."""
    interfaces, field = listed_interfaces(spec, path)
    known = (*BINDINGS, *(name for name in configuration.network_bindings if name not in BINDINGS))
    for i, interface in enumerate(interfaces):
        name = interface.get("binding", {}).get("name")
        if name is not None and name not in known:
            yield FieldError.not_supported(f"{field}[{i}].binding.name", name, known)


def reach(spec: Object, path: str, configuration: Configuration) -> Iterator[FieldError]:
    """Some ways lead to the pod network only, and to that a bridge only where it is permitted."""
    interfaces, field = listed_interfaces(spec, path)
    networks = {each["name"]: each for each in spec.get("networks", ())}
    for i, interface in enumerate(interfaces):
        network = networks.get(interface["name"])
        for method in ("masquerade", "passtBinding"):
            if method in interface and network is not None and "pod" not in network:
                detail = f"{method} leads to the pod network only; use bridge: {{}}, or pod: {{}} as the network"
                yield FieldError.forbidden(f"{field}[{i}].{method}", detail)
        if "passtBinding" in interface:
            yield from gate_errors(configuration, "PasstBinding", f"{field}[{i}].passtBinding")
        if "bridge" in interface and "pod" in (network or {}) and not configuration.permits_bridge_on_pod_network:
            detail = (
                "a bridge to the pod network is not permitted; use masquerade: {}, or set "
                "network.permitBridgeInterfaceOnPodNetwork in the KubeVirt object's spec.configuration"
            )
            yield FieldError.forbidden(f"{field}[{i}].bridge", detail)


def addresses(spec: Object, path: str) -> Iterator[FieldError]:
    """A hardware address is one that an interface can have."""
    interfaces, field = listed_interfaces(spec, path)
    for i, interface in enumerate(interfaces):
        given, at = interface.get("macAddress", ""), f"{field}[{i}].macAddress"
        if not given:
            continue
        wrong = list(address_errors(given, at))
        yield from wrong
        if not wrong and _digits(given) == _RESERVED_MAC and "masquerade" in interface:
            yield FieldError.invalid(at, given, "is the gateway's address; use another one")


def address_errors(given: str, path: str) -> Iterator[FieldError]:
    """Yield an error unless ``given`` is a hardware address that an interface can have."""
    if not _MAC.fullmatch(given.lower()):
        detail = "must be six pairs of hexadecimal digits with colons between them, such as 02:ad:00:00:be:af"
        yield FieldError.invalid(path, given, detail)
    elif int(_digits(given)[:2], 16) & 1:
        detail = "is the address of a group; the second digit must be even, such as in 02:ad:00:00:be:af"
        yield FieldError.invalid(path, given, detail)


def _digits(address: str) -> str:
    return re.sub("[:.-]", "", address.lower())


def settings(spec: Object, path: str) -> Iterator[FieldError]:
    """An interface is a card that QEMU has, in a place that there is."""
    interfaces, field = listed_interfaces(spec, path)
    for i, interface in enumerate(interfaces):
        at = f"{field}[{i}]"
        if not _NAME.fullmatch(interface["name"]):
            yield FieldError.invalid(f"{at}.name", interface["name"], "must have letters, digits, '-' and '_' only")
        yield from one_of(interface, "model", MODELS, at)
        yield from pci_address_problems(interface.get("pciAddress"), f"{at}.pciAddress")
        index = interface.get("acpiIndex") or 1  # 0 is the same as not set
        if not 1 <= index <= MOST_ACPI_INDEX:
            yield FieldError.invalid(f"{at}.acpiIndex", index, f"must be between 1 and {MOST_ACPI_INDEX}")


def states(spec: Object, path: str) -> Iterator[FieldError]:
    """A link can be down and an interface be taken out, where that is possible."""
    interfaces, field = listed_interfaces(spec, path)
    default = next((each["name"] for each in spec.get("networks", ()) if is_default(each)), None)
    for i, interface in enumerate(interfaces):
        state, at = interface.get("state"), f"{field}[{i}].state"
        yield from one_of(interface, "state", STATES, f"{field}[{i}]")
        if state in ("up", "down") and "sriov" in interface:
            yield FieldError.forbidden(at, "the link of an SR-IOV device is the node's to set; remove this field")
        if state == "absent" and interface["name"] == default:
            yield FieldError.forbidden(at, "the guest's default network stays; remove this field")
        elif state == "absent" and "bridge" not in interface:
            yield FieldError.forbidden(at, "only an interface with bridge: {} can be taken out; remove this field")


def listed_interfaces(spec: Object, path: str) -> tuple[list[Object], str]:
    """Return the interfaces of ``spec`` and the path of their list."""
    return spec["domain"]["devices"].get("interfaces", []), f"{path}.domain.devices.interfaces"


def is_default(network: Object) -> bool:
    """Return True when the guest's default route leads through ``network``."""
    return "pod" in network or bool(network.get("multus", {}).get("default"))


RULES = (methods, addresses, settings, states)
CONFIGURED = (registered, reach)
