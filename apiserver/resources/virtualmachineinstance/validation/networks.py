"""The networks that a guest is attached to, and that each has an interface."""

from collections.abc import Iterator

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object
from apiserver.resources.gates import gate_errors
from apiserver.resources.virtualmachineinstance.validation.interfaces import is_default, listed_interfaces
from apiserver.resources.virtualmachineinstance.validation.values import duplicates
from kube.configuration import Configuration

KINDS = ("pod", "multus", "resourceClaim")


def pairing(spec: Object, path: str) -> Iterator[FieldError]:
    """Every interface has a network of its name, and every network an interface."""
    interfaces, field = listed_interfaces(spec, path)
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
    """A network is of exactly one kind, and one of multus says which."""
    for i, network in enumerate(spec.get("networks", ())):
        field = f"{path}.networks[{i}]"
        given = [kind for kind in KINDS if kind in network]
        if not given:
            yield FieldError.required(field, "say which network this is: pod: {} or multus: {networkName: …}")
        elif len(given) > 1:
            yield FieldError.forbidden(field, f"{' and '.join(given)} exclude each other; remove one")
        if "multus" in network and not network["multus"]["networkName"]:
            detail = "name a NetworkAttachmentDefinition, such as default/bridge-1"
            yield FieldError.required(f"{field}.multus.networkName", detail)


def defaults(spec: Object, path: str) -> Iterator[FieldError]:
    """The guest's default route leads through one network: the pod network, or one of multus in its place."""
    first = None
    for i, network in enumerate(spec.get("networks", ())):
        if not is_default(network):
            continue
        if first is not None:
            field = f"{path}.networks[{i}].{'pod' if 'pod' in network else 'multus.default'}"
            detail = f"only one network can be the pod network or take its place, and networks[{first}] does already"
            yield FieldError.forbidden(field, detail)
        first = i if first is None else first


def claimed(spec: Object, path: str) -> Iterator[FieldError]:
    """The device of a claimed network is passed through or plugged in, and Multus has no part in it."""
    networks = spec.get("networks", ())
    interfaces = {each["name"]: (i, each) for i, each in enumerate(listed_interfaces(spec, path)[0])}
    for i, network in enumerate(networks):
        if "resourceClaim" not in network:
            continue
        if any("multus" in each for each in networks):
            detail = "networks of multus and claimed ones exclude each other in one guest; remove either"
            yield FieldError.forbidden(f"{path}.networks[{i}].resourceClaim", detail)
        at, interface = interfaces.get(network["name"], (0, None))
        if interface is not None and not ("sriov" in interface or "binding" in interface):
            detail = "a claimed network is reached by sriov: {} or a binding"
            yield FieldError.forbidden(f"{path}.domain.devices.interfaces[{at}]", detail)


def gated_claims(spec: Object, path: str, configuration: Configuration) -> Iterator[FieldError]:
    """Claimed networks are behind a gate."""
    for i, network in enumerate(spec.get("networks", ())):
        if "resourceClaim" in network:
            yield from gate_errors(configuration, "NetworkDevicesWithDRA", f"{path}.networks[{i}].resourceClaim")


RULES = (pairing, kinds, defaults, claimed)
CONFIGURED = (gated_claims,)
