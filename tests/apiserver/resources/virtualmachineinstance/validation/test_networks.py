"""Rules of networks."""

import pytest

from tests.apiserver.resources.virtualmachineinstance.validation.specs import (
    DUPLICATE,
    FORBIDDEN,
    INVALID,
    REQUIRED,
    Case,
    Object,
    expect,
    expect_right,
    gates,
)

NIC = "domain.devices.interfaces"
CLAIMS = {"resourceClaims": [{"name": "c", "resourceClaimName": "cards"}]}
CLAIM = {"resourceClaim": {"claimName": "c", "requestName": "r"}}


def second(network: Object, **method: Object) -> Object:
    """A second network, and an interface that reaches it by ``method``, or by a bridge."""
    return {"networks.1": {"name": "b", **network}, f"{NIC}.1": {"name": "b", **(method or {"bridge": {}})}}


def multus(name: str = "default/lan", **more: object) -> Object:
    return {"multus": {"networkName": name, **more}}


CASES: list[Case] = [
    ({"networks": []}, f"{NIC}[0].name", INVALID, "no network of this name in spec.networks"),
    ({f"{NIC}": []}, "networks[0].name", INVALID, f"no interface of this name in spec.{NIC}"),
    (second(multus()) | {"networks.2": {"name": "b", **multus()}}, "networks[2].name", DUPLICATE, "b"),
    (second(multus()) | {f"{NIC}.2": {"name": "b", "bridge": {}}}, f"{NIC}[2].name", DUPLICATE, "b"),
    (second({}), "networks[1]", REQUIRED, "pod: {} or multus"),
    (second({"pod": {}}), "networks[1].pod", FORBIDDEN, "networks[0] does already"),
    (second(multus(default=True)), "networks[1].multus.default", FORBIDDEN, "only one network"),
    (
        {"networks.0": {"name": "default", **multus(default=True)}, f"{NIC}.0": {"name": "default", "bridge": {}}}
        | second(multus(default=True)),
        "networks[1].multus.default",
        FORBIDDEN,
        "take its place",
    ),
    (
        {"networks.0": {"name": "default", "pod": {}, **multus()}},
        "networks[0]",
        FORBIDDEN,
        "pod and multus exclude each other",
    ),
    (second(multus("")), "networks[1].multus.networkName", REQUIRED, "default/bridge-1"),
]


@pytest.mark.parametrize("case", CASES)
def test_a_network_that_cannot_be_is_refused(case: Case) -> None:
    expect(case)


CLAIM_CASES: list[Case] = [
    (CLAIMS | second(CLAIM), f"{NIC}[1]", FORBIDDEN, "sriov: {} or a binding"),
    (
        CLAIMS
        | second(CLAIM, sriov={})
        | {"networks.2": {"name": "c", **multus()}, f"{NIC}.2": {"name": "c", "bridge": {}}},
        "networks[1].resourceClaim",
        FORBIDDEN,
        "exclude each other in one guest",
    ),
    (
        CLAIMS | second({"resourceClaim": {"claimName": "c"}}, sriov={}),
        "networks[1].resourceClaim.requestName",
        REQUIRED,
        "a request of the claim",
    ),
]


@pytest.mark.parametrize("case", CLAIM_CASES)
def test_a_claimed_network_that_cannot_be_is_refused(case: Case) -> None:
    expect(case, gates("NetworkDevicesWithDRA"))


RIGHT: list[Object] = [
    {NIC: [], "networks": []},
    second(multus()),
    second(multus("lan", default=False)),
    {
        "networks.0": {"name": "default", **multus(default=True)},
        f"{NIC}.0": {"name": "default", "bridge": {}},
    },
    {"networks.0.pod": {"vmNetworkCIDR": "10.1.0.0/24"}},
    CLAIMS | second(CLAIM, binding={"name": "passt"}),
]


@pytest.mark.parametrize("edits", RIGHT)
def test_a_network_that_can_be_is_accepted(edits: Object) -> None:
    expect_right(edits, gates("NetworkDevicesWithDRA"))
