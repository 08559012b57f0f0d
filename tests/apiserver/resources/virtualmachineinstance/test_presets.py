"""An instance gets the hardware of the presets for its labels where it says nothing of its own."""

from copy import deepcopy
from typing import Any

import pytest

from apiserver.machinery.resource import Caller
from apiserver.resources.cluster import Cluster
from apiserver.resources.virtualmachineinstance.presets import apply_presets, preset_errors
from apiserver.resources.virtualmachineinstance.strategy import VirtualMachineInstanceStrategy
from tests.apiserver.resources.surroundings import Remembered

Object = dict[str, Any]


def preset(name: str, domain: Object, *, namespace: str = "ns", **selector: Any) -> Object:
    spec = {"selector": selector or {"matchLabels": {"size": "small"}}, "domain": {"devices": {}, **domain}}
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


def instance(domain: Object | None = None, **annotations: str) -> Object:
    metadata = {"name": "vmi", "namespace": "ns", "labels": {"size": "small"}, "annotations": dict(annotations)}
    return {"metadata": metadata, "spec": {"domain": {"devices": {}, **(domain or {})}}}


def stored(*presets: Object) -> Remembered:
    return Remembered(virtualmachineinstancepresets__kubevirt__io=list(presets))


CPU = {"cpu": {"cores": 2}}
MARK = "virtualmachinepreset.kubevirt.io/"
EXCLUDE = "virtualmachineinstancepresets.admission.kubevirt.io/exclude"
GIVEN: list[tuple[Object, Object, Object]] = [
    # (what the preset has, what the instance says, what it has then)
    (CPU, {}, CPU),
    ({"firmware": {"serial": "s"}}, {}, {"firmware": {"serial": "s"}}),
    ({"features": {"smm": {}}}, {}, {"features": {"smm": {}}}),
    ({"ioThreadsPolicy": "auto"}, {}, {"ioThreadsPolicy": "auto"}),
    ({"clock": {"utc": {}, "timer": {"rtc": {}}}}, {}, {"clock": {"utc": {}, "timer": {"rtc": {}}}}),
    ({"devices": {"watchdog": {"name": "w"}}}, {}, {"devices": {"watchdog": {"name": "w"}}}),
    (
        {"resources": {"requests": {"memory": "1Gi"}}},
        {"resources": {"limits": {"memory": "2Gi"}}},
        {"resources": {"requests": {"memory": "1Gi"}, "limits": {"memory": "2Gi"}}},
    ),
    ({**CPU, "features": {"smm": {}}}, {"features": {"apic": {}}}, {**CPU, "features": {"apic": {}}}),
    (CPU, CPU, CPU),
]


@pytest.mark.parametrize(("has", "says", "then"), GIVEN)
def test_what_an_instance_does_not_say_a_preset_does(has: Object, says: Object, then: Object) -> None:
    new = instance(deepcopy(says))
    apply_presets(new, stored(preset("p", has)))
    assert new["spec"]["domain"] == {"devices": {}, **then}
    assert new["metadata"]["annotations"] == {f"{MARK}p": "kubevirt.io/v1"}


LEFT_ALONE = [
    (preset("p", CPU), instance({"cpu": {"cores": 4}})),
    (preset("p", CPU, matchLabels={"size": "large"}), instance()),
    (preset("p", CPU, namespace="other"), instance()),
    (preset("p", CPU), instance(**{EXCLUDE: "true"})),
    (preset("p", {"memory": {"guest": "1Gi"}}), instance()),
]


@pytest.mark.parametrize(("given", "new"), LEFT_ALONE)
def test_an_instance_that_no_preset_is_for_stays_as_it_is(given: Object, new: Object) -> None:
    before = deepcopy(new)
    apply_presets(new, stored(given))
    assert new == before


def test_a_preset_for_all_is_for_all() -> None:
    new = instance()
    apply_presets(new, stored(preset("p", CPU, matchExpressions=[])))
    assert new["spec"]["domain"]["cpu"] == CPU["cpu"]


def test_presets_that_agree_or_differ_in_place_are_all_given() -> None:
    new = instance()
    apply_presets(new, stored(preset("a", CPU), preset("b", {**CPU, "ioThreadsPolicy": "auto"})))
    assert new["spec"]["domain"] == {"devices": {}, **CPU, "ioThreadsPolicy": "auto"}
    assert new["metadata"]["annotations"].keys() == {f"{MARK}a", f"{MARK}b"}


CONFLICTS = [
    ({"cpu": {"cores": 4}}, "cpu"),
    ({**CPU, "resources": {"requests": {"memory": "2Gi", "cpu": 1}}}, "resources.requests.memory"),
    ({**CPU, "clock": {"timezone": "Europe/Berlin"}}, "clock.timezone"),
    ({**CPU, "devices": {"watchdog": {"name": "v"}}}, "devices.watchdog"),
]


@pytest.mark.parametrize(("other", "place"), CONFLICTS)
def test_presets_that_contradict_each_other_are_refused_and_not_given(other: Object, place: str) -> None:
    one: Object = {
        **CPU,
        "resources": {"requests": {"memory": "1Gi"}},
        "clock": {"timezone": "UTC"},
        "devices": {"watchdog": {"name": "w"}},
    }
    presets, new = stored(preset("one", one), preset("two", other)), instance()
    apply_presets(new, presets)
    assert new == instance()
    (found,) = preset_errors(new, presets)
    assert (found.field, found.reason) == ("metadata.labels", "FieldValueForbidden")
    assert f"one and two want different {place};" in found.message


def test_whoever_gets_a_preset_is_told_that_there_should_be_none() -> None:
    rules, new = (
        VirtualMachineInstanceStrategy(Cluster(stored(preset("p", CPU)))),
        instance({"memory": {"guest": "1Gi"}}),
    )
    assert list(rules.warnings(new)) == []
    rules.prepare_for_create(new, Caller("jane"))
    assert new["spec"]["domain"]["cpu"]["cores"] == 2
    assert [*rules.validate(new, Caller("jane"))] == []
    assert any("use instancetypes" in told for told in rules.warnings(new))
