"""Rules of interfaces."""

import pytest

from kube.configuration import Configuration
from tests.apiserver.resources.virtualmachineinstance.validation.specs import (
    FORBIDDEN,
    INVALID,
    REQUIRED,
    UNSUPPORTED,
    Case,
    Object,
    expect,
    expect_right,
)

NIC, FIELD = "domain.devices.interfaces.0", "domain.devices.interfaces[0]"
SECOND = {"networks.1": {"name": "b", "multus": {"networkName": "lan"}}}
NIC_1, FIELD_1 = "domain.devices.interfaces.1", "domain.devices.interfaces[1]"


def by(**method: object) -> Object:
    """The first interface reaches the pod network so."""
    return {NIC: {"name": "default", **method}}


def beside(**said: object) -> Object:
    """A second interface, on a network of Multus."""
    return SECOND | {NIC_1: {"name": "b", **said}}


CASES: list[Case] = [
    (by(), FIELD, REQUIRED, "masquerade: {}"),
    (by(masquerade={}, bridge={}), FIELD, FORBIDDEN, "masquerade and bridge exclude each other"),
    (by(masquerade={}, slirp={}), FIELD, FORBIDDEN, "remove one"),
    (beside(sriov={}, binding={"name": "slirp"}), FIELD_1, FORBIDDEN, "sriov and binding"),
    (by(macvtap={}), f"{FIELD}.macvtap", FORBIDDEN, "binding: {name: macvtap}"),
    (by(passt={}), f"{FIELD}.passt", FORBIDDEN, "no longer a way of its own"),
    (by(binding={"name": "magic"}), f"{FIELD}.binding.name", UNSUPPORTED, "slirp"),
    (beside(masquerade={}), f"{FIELD_1}.masquerade", FORBIDDEN, "leads to the pod network only"),
    (beside(passtBinding={}), f"{FIELD_1}.passtBinding", FORBIDDEN, "use bridge: {}"),
    ({f"{NIC}.model": "ne1000"}, f"{FIELD}.model", UNSUPPORTED, "e1000e"),
    ({f"{NIC}.macAddress": "de:ad-00-00-be-af"}, f"{FIELD}.macAddress", INVALID, "colons"),
    ({f"{NIC}.macAddress": "02:00"}, f"{FIELD}.macAddress", INVALID, "six pairs"),
    ({f"{NIC}.macAddress": "02:00:00:00:00:00:00:01"}, f"{FIELD}.macAddress", INVALID, "six pairs"),
    ({f"{NIC}.macAddress": "02:00:00:00:00:0g"}, f"{FIELD}.macAddress", INVALID, "six pairs"),
    ({f"{NIC}.macAddress": "01:00:5e:00:00:01"}, f"{FIELD}.macAddress", INVALID, "group"),
    ({f"{NIC}.macAddress": "02:00:00:00:00:00"}, f"{FIELD}.macAddress", INVALID, "use another one"),
    ({f"{NIC}.state": "asleep"}, f"{FIELD}.state", UNSUPPORTED, "absent"),
    ({f"{NIC}.state": "absent"}, f"{FIELD}.state", FORBIDDEN, "default network stays"),
    (by(bridge={}, state="absent"), f"{FIELD}.state", FORBIDDEN, "default network stays"),
    (beside(binding={"name": "slirp"}, state="absent"), f"{FIELD_1}.state", FORBIDDEN, "with bridge: {}"),
    (beside(sriov={}, state="down"), f"{FIELD_1}.state", FORBIDDEN, "SR-IOV"),
    (beside(sriov={}, state="up"), f"{FIELD_1}.state", FORBIDDEN, "remove this field"),
    ({f"{NIC}.pciAddress": "x"}, f"{FIELD}.pciAddress", INVALID, "0000:81:01.0"),
    ({f"{NIC}.acpiIndex": -1}, f"{FIELD}.acpiIndex", INVALID, "between 1 and 16383"),
    ({f"{NIC}.acpiIndex": 16384}, f"{FIELD}.acpiIndex", INVALID, "between 1 and 16383"),
    (
        {"networks.0.name": "my.net", NIC: {"name": "my.net", "masquerade": {}}},
        f"{FIELD}.name",
        INVALID,
        "letters, digits, '-' and '_' only",
    ),
]


@pytest.mark.parametrize("case", CASES)
def test_an_interface_that_cannot_be_is_refused(case: Case) -> None:
    expect(case)


RIGHT: list[Object] = [
    by(bridge={}),
    by(passtBinding={}),
    by(slirp={}),
    by(binding={"name": "slirp"}, macAddress="DE:AD:00:00:BE:AF", state="down"),
    by(masquerade={}, macAddress="de-ad-00-00-be-af", state="up", acpiIndex=16383, pciAddress="0000:02:00.0"),
    by(masquerade={}, macAddress="dead.0000.beaf", model="igb", acpiIndex=0, state=""),
    by(bridge={}, macAddress="02:00:00:00:00:00"),
    beside(sriov={}),
    beside(bridge={}, state="absent"),
    beside(binding={"name": "macvtap"}),
    {"networks.0.name": "my_net", NIC: {"name": "my_net", "masquerade": {}}},
]


@pytest.mark.parametrize("edits", RIGHT)
def test_an_interface_that_can_be_is_accepted(edits: Object) -> None:
    expect_right(edits)


def test_two_interfaces_may_have_one_address_as_they_are_on_two_networks() -> None:
    mac = "02:ad:00:00:be:af"
    expect_right({f"{NIC}.macAddress": mac, **beside(bridge={}, macAddress=mac)})


def test_a_binding_that_the_administrator_has_registered_is_accepted() -> None:
    expect_right(by(binding={"name": "magic"}), Configuration({"network": {"binding": {"magic": {}}}}))


def test_a_bridge_to_the_pod_network_is_refused_where_it_is_not_permitted() -> None:
    strict = Configuration({"network": {"permitBridgeInterfaceOnPodNetwork": False}})
    expect((by(bridge={}), f"{FIELD}.bridge", FORBIDDEN, "permitBridgeInterfaceOnPodNetwork"), strict)
    expect_right(beside(bridge={}), strict)


def test_passt_is_refused_when_its_gate_is_off() -> None:
    off = Configuration({"developerConfiguration": {"disabledFeatureGates": ["PasstBinding"]}})
    expect((by(passtBinding={}), f"{FIELD}.passtBinding", FORBIDDEN, "the feature gate PasstBinding is off"), off)
