"""Devices of the node that a guest gets as its own, and the resource claims behind some of them."""

from collections.abc import Iterator

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object
from apiserver.resources.gates import gate_errors
from apiserver.resources.virtualmachineinstance.validation.values import switched_on
from kube.configuration import Configuration
from kube.names import label_problem, subdomain_problem

CLAIM_GATES = {"gpus": "GPUsWithDRA", "hostDevices": "HostDevicesWithDRA"}
"""What a claim for a device of either kind is behind."""
_CLAIM = ("claimName", "requestName")
_REFERENCES = ("resourceClaimName", "resourceClaimTemplateName")


def sources(spec: Object, path: str) -> Iterator[FieldError]:
    """A device is one that the node offers by a name, or one that is claimed."""
    for device, field in _devices(spec, path):
        if not _is_claimed(device):
            if not device.get("deviceName"):
                detail = "name what the node offers, such as nvidia.com/TU104GL_Tesla_T4, or a claim and its request"
                yield FieldError.required(f"{field}.deviceName", detail)
        elif device.get("deviceName"):
            yield FieldError.forbidden(field, "deviceName and a claim exclude each other; remove one")


def one_way(spec: Object, path: str) -> Iterator[FieldError]:
    """GPUs all come in the same way."""
    gpus = spec["domain"]["devices"].get("gpus", ())
    if len({_is_claimed(gpu) for gpu in gpus}) > 1:
        detail = "some are claimed and others named by deviceName; a guest's GPUs come in one of the two ways"
        yield FieldError.forbidden(f"{path}.domain.devices.gpus", detail)


def displays(spec: Object, path: str) -> Iterator[FieldError]:
    """One virtual GPU at most shows the firmware's picture; display and ramFB are on unless said otherwise."""
    shown = [
        i for i, gpu in enumerate(spec["domain"]["devices"].get("gpus", ())) if _shows(gpu.get("virtualGPUOptions", {}))
    ]
    for i in shown[1:]:
        field = f"{path}.domain.devices.gpus[{i}].virtualGPUOptions.display.ramFB"
        yield FieldError.forbidden(field, f"only one GPU can have it, and gpus[{shown[0]}] does; set enabled: false")


def claims(spec: Object, path: str) -> Iterator[FieldError]:
    """A claim has a name of its own, and refers to one claim or one template."""
    seen: set[str] = set()
    for i, claim in enumerate(spec.get("resourceClaims", ())):
        field, name = f"{path}.resourceClaims[{i}]", claim["name"]
        if not name:
            yield FieldError.required(f"{field}.name", "name the claim as devices refer to it")
        elif name in seen:
            yield FieldError.duplicate(f"{field}.name", name)
        elif problem := label_problem(name):
            yield FieldError.invalid(f"{field}.name", name, problem)
        seen.add(name)
        given = [key for key in _REFERENCES if key in claim]
        if not given:
            yield FieldError.required(field, f"give {' or '.join(_REFERENCES)}")
        elif len(given) > 1:
            yield FieldError.forbidden(field, f"{' and '.join(given)} exclude each other; remove one")
        for key in given:
            if problem := subdomain_problem(claim[key]):
                yield FieldError.invalid(f"{field}.{key}", claim[key], problem)


def requests(spec: Object, path: str) -> Iterator[FieldError]:
    """What is claimed names a request of a claim that is listed, and nothing else claims the same."""
    listed = {claim["name"] for claim in spec.get("resourceClaims", ())}
    seen: dict[tuple[str, str], str] = {}
    for claimed, field in _claimed(spec, path):
        claim, request = (claimed.get(key) or "" for key in _CLAIM)
        if not claim:
            yield FieldError.required(f"{field}.claimName", f"name a claim of {path}.resourceClaims")
        elif claim not in listed:
            detail = f'Not found: "{claim}": add it to {path}.resourceClaims'
            yield FieldError("FieldValueNotFound", f"{field}.claimName", detail)
        if not request:
            yield FieldError.required(f"{field}.requestName", "name a request of the claim")
        elif claim and (claim, request) in seen:
            detail = f"Duplicate value: {seen[claim, request]} claims the same; name another request"
            yield FieldError("FieldValueDuplicate", f"{field}.requestName", detail)
        seen.setdefault((claim, request), field)


def gates(spec: Object, path: str, configuration: Configuration) -> Iterator[FieldError]:
    """Host devices, and claims for devices, are behind gates."""
    devices = spec["domain"]["devices"]
    if devices.get("hostDevices"):
        yield from gate_errors(configuration, "HostDevices", f"{path}.domain.devices.hostDevices")
    for kind, gate in CLAIM_GATES.items():
        if any(_is_claimed(device) for device in devices.get(kind, ())):
            yield from gate_errors(configuration, gate, f"{path}.domain.devices.{kind}")


def _devices(spec: Object, path: str) -> Iterator[tuple[Object, str]]:
    for kind in CLAIM_GATES:
        for i, device in enumerate(spec["domain"]["devices"].get(kind, ())):
            yield device, f"{path}.domain.devices.{kind}[{i}]"


def _claimed(spec: Object, path: str) -> Iterator[tuple[Object, str]]:
    """Yield everything that a claim is asked for: devices, and networks."""
    for device, field in _devices(spec, path):
        if _is_claimed(device) and not device.get("deviceName"):
            yield device, field
    for i, network in enumerate(spec.get("networks", ())):
        if "resourceClaim" in network:
            yield network["resourceClaim"], f"{path}.networks[{i}].resourceClaim"


def _is_claimed(device: Object) -> bool:
    return any(key in device for key in _CLAIM)


def _shows(options: Object) -> bool:
    display = options.get("display")
    return display is not None and switched_on(display) and switched_on(display.get("ramFB", {}))


RULES = (sources, one_way, displays, claims, requests)
CONFIGURED = (gates,)
