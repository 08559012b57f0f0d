"""Rules of devices of the node, and of claims for them."""

import pytest

from kube.configuration import Configuration
from tests.apiserver.resources.virtualmachineinstance.validation.specs import (
    DUPLICATE,
    FORBIDDEN,
    INVALID,
    NOT_FOUND,
    REQUIRED,
    Case,
    Object,
    expect,
    expect_right,
    gates,
)

GPUS, HOST = "domain.devices.gpus", "domain.devices.hostDevices"
ON = gates("HostDevices", "NetworkDevicesWithDRA")
TESLA = {"name": "a", "deviceName": "nvidia.com/TU104GL_Tesla_T4"}
CLAIMS = {"resourceClaims": [{"name": "c", "resourceClaimName": "cards"}]}


def claimed(claim: str = "c", request: str = "r", name: str = "a") -> Object:
    return {"name": name, "claimName": claim, "requestName": request}


def shown(**display: object) -> Object:
    return TESLA | {"virtualGPUOptions": {"display": display}}


def claims(*listed: Object) -> Object:
    return {"resourceClaims": list(listed)}


NETWORK = {
    "networks.1": {"name": "b", "resourceClaim": {"claimName": "c", "requestName": "r"}},
    "domain.devices.interfaces.1": {"name": "b", "sriov": {}},
}

CASES: list[Case] = [
    ({GPUS: [{"name": "a"}]}, f"{GPUS}[0].deviceName", REQUIRED, "or a claim and its request"),
    ({HOST: [{"name": "a", "deviceName": ""}]}, f"{HOST}[0].deviceName", REQUIRED, "name what the node offers"),
    (CLAIMS | {GPUS: [TESLA | claimed()]}, f"{GPUS}[0]", FORBIDDEN, "exclude each other"),
    (CLAIMS | {HOST: [TESLA | claimed()]}, f"{HOST}[0]", FORBIDDEN, "exclude each other"),
    (CLAIMS | {GPUS: [TESLA, claimed(name="b")]}, GPUS, FORBIDDEN, "in one of the two ways"),
    ({GPUS: [shown(), shown()]}, f"{GPUS}[1].virtualGPUOptions.display.ramFB", FORBIDDEN, "gpus[0] does"),
    (
        {GPUS: [TESLA, shown(enabled=True), shown(ramFB={})]},
        f"{GPUS}[2].virtualGPUOptions.display.ramFB",
        FORBIDDEN,
        "set enabled: false",
    ),
    (CLAIMS | {GPUS: [claimed("")]}, f"{GPUS}[0].claimName", REQUIRED, "spec.resourceClaims"),
    (CLAIMS | {GPUS: [claimed(request="")]}, f"{GPUS}[0].requestName", REQUIRED, "a request of the claim"),
    ({GPUS: [claimed()]}, f"{GPUS}[0].claimName", NOT_FOUND, "add it to spec.resourceClaims"),
    (CLAIMS | {HOST: [claimed("d")]}, f"{HOST}[0].claimName", NOT_FOUND, '"d"'),
    (
        CLAIMS | {GPUS: [claimed(), claimed(name="b")]},
        f"{GPUS}[1].requestName",
        DUPLICATE,
        "gpus[0] claims the same",
    ),
    (
        CLAIMS | {GPUS: [claimed()], HOST: [claimed(name="b")]},
        f"{HOST}[0].requestName",
        DUPLICATE,
        "gpus[0] claims the same",
    ),
    (
        CLAIMS | NETWORK | {HOST: [claimed()]},
        "networks[1].resourceClaim.requestName",
        DUPLICATE,
        "hostDevices[0] claims the same",
    ),
    (NETWORK, "networks[1].resourceClaim.claimName", NOT_FOUND, '"c"'),
    (claims({"name": "", "resourceClaimName": "a"}), "resourceClaims[0].name", REQUIRED, "as devices refer to it"),
    (claims({"name": "A", "resourceClaimName": "a"}), "resourceClaims[0].name", INVALID, "lower case"),
    (
        claims(*CLAIMS["resourceClaims"], {"name": "c", "resourceClaimName": "b"}),
        "resourceClaims[1].name",
        DUPLICATE,
        "c",
    ),
    (claims({"name": "c"}), "resourceClaims[0]", REQUIRED, "resourceClaimName or resourceClaimTemplateName"),
    (
        claims({"name": "c", "resourceClaimName": "a", "resourceClaimTemplateName": "b"}),
        "resourceClaims[0]",
        FORBIDDEN,
        "remove one",
    ),
    (claims({"name": "c", "resourceClaimName": "a b"}), "resourceClaims[0].resourceClaimName", INVALID, "subdomain"),
    (
        claims({"name": "c", "resourceClaimTemplateName": ""}),
        "resourceClaims[0].resourceClaimTemplateName",
        INVALID,
        "subdomain",
    ),
]


@pytest.mark.parametrize("case", CASES)
def test_a_device_that_cannot_be_passed_on_is_refused(case: Case) -> None:
    expect(case, ON)


RIGHT: list[Object] = [
    {GPUS: [TESLA, TESLA | {"name": "b"}], HOST: [{"name": "c", "deviceName": "intel.com/qat"}]},
    {GPUS: [shown(), shown(enabled=False), shown(ramFB={"enabled": False}), TESLA | {"virtualGPUOptions": {}}]},
    CLAIMS | {GPUS: [claimed(), claimed(request="r2", name="b")]},
    CLAIMS | {HOST: [TESLA, claimed(name="b")]},
    claims({"name": "c", "resourceClaimTemplateName": "a.b"}),
    CLAIMS | NETWORK,
]


@pytest.mark.parametrize("edits", RIGHT)
def test_a_device_that_can_be_passed_on_is_accepted(edits: Object) -> None:
    expect_right(edits, ON)


def test_host_devices_are_refused_until_their_gate_is_on() -> None:
    expect(({HOST: [TESLA]}, HOST, FORBIDDEN, "the feature gate HostDevices is off"))


@pytest.mark.parametrize(("kind", "gate"), [("gpus", "GPUsWithDRA"), ("hostDevices", "HostDevicesWithDRA")])
def test_claimed_devices_are_refused_when_their_gate_is_off(kind: str, gate: str) -> None:
    off = Configuration({"developerConfiguration": {"featureGates": ["HostDevices"], "disabledFeatureGates": [gate]}})
    field = f"domain.devices.{kind}"
    expect((CLAIMS | {field: [claimed()]}, field, FORBIDDEN, f"the feature gate {gate} is off"), off)
    expect_right({field: [TESLA]}, off)


def test_claimed_networks_are_refused_until_their_gate_is_on() -> None:
    expect((CLAIMS | NETWORK, "networks[1].resourceClaim", FORBIDDEN, "the feature gate NetworkDevicesWithDRA is off"))
