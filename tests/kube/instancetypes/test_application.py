"""An instance type decides how large a guest is, and says so where the guest says it too."""

from copy import deepcopy
from typing import Any

import pytest

from kube.instancetypes.application import apply
from kube.instancetypes.fields import field, put

Object = dict[str, Any]
SMALL: Object = {"cpu": {"guest": 2}, "memory": {"guest": "1Gi"}}


def template(at: str = "", value: Any = None) -> Object:
    made: Object = {"spec": {"domain": {"devices": {}}}}
    if at:
        put(made, at, value)
    return made


def made(instancetype: Object, subject: Object) -> Object:
    assert apply(instancetype, None, subject) == []
    return subject["spec"]


def test_processors_and_memory_come_from_the_instance_type() -> None:
    spec = made(SMALL, template())
    assert spec["domain"]["cpu"] == {"sockets": 2, "cores": 1, "threads": 1}
    assert spec["domain"]["memory"] == {"guest": "1Gi"}
    assert "resources" not in spec["domain"]


EITHER = pytest.mark.parametrize(
    ("path", "value", "at"),
    [
        ("cpu.model", "Haswell", "spec.domain.cpu.model"),
        ("cpu.dedicatedCPUPlacement", True, "spec.domain.cpu.dedicatedCpuPlacement"),
        ("cpu.isolateEmulatorThread", True, "spec.domain.cpu.isolateEmulatorThread"),
        ("cpu.numa", {"guestMappingPassthrough": {}}, "spec.domain.cpu.numa"),
        ("cpu.realtime", {"mask": "0-1"}, "spec.domain.cpu.realtime"),
        ("memory.hugepages", {"pageSize": "2Mi"}, "spec.domain.memory.hugepages"),
        ("memory.maxGuest", "4Gi", "spec.domain.memory.maxGuest"),
        ("ioThreadsPolicy", "auto", "spec.domain.ioThreadsPolicy"),
        ("ioThreads.supplementalPoolThreadCount", 2, "spec.domain.ioThreads.supplementalPoolThreadCount"),
        ("launchSecurity", {"sev": {}}, "spec.domain.launchSecurity"),
        ("gpus", [{"name": "gpu", "deviceName": "vendor.com/gpu"}], "spec.domain.devices.gpus"),
        ("hostDevices", [{"name": "nic", "deviceName": "vendor.com/nic"}], "spec.domain.devices.hostDevices"),
        ("nodeSelector", {"zone": "a"}, "spec.nodeSelector"),
        ("schedulerName", "other", "spec.schedulerName"),
    ],
)


@EITHER
def test_what_an_instance_type_may_decide_goes_where_instances_have_it(path: str, value: Any, at: str) -> None:
    instancetype = deepcopy(SMALL)
    put(instancetype, path, value)
    assert field({"spec": made(instancetype, template())}, at) == value


@EITHER
def test_either_of_the_two_may_say_it(path: str, value: Any, at: str) -> None:
    instancetype, subject = deepcopy(SMALL), template(at, value)
    before = deepcopy(subject)
    put(instancetype, path, value)
    assert apply(instancetype, None, subject) == [at]
    assert subject == before
    assert field({"spec": made(SMALL, subject)}, at) == value


@pytest.mark.parametrize(
    "at",
    [
        "spec.domain.cpu.sockets",
        "spec.domain.cpu.cores",
        "spec.domain.cpu.threads",
        "spec.domain.memory.guest",
        "spec.domain.resources.requests.cpu",
        "spec.domain.resources.requests.memory",
        "spec.domain.resources.limits.cpu",
        "spec.domain.resources.limits.memory",
    ],
)
def test_what_every_instance_type_decides_conflicts(at: str) -> None:
    assert apply(SMALL, None, template(at, 1)) == [at]


def test_the_most_sockets_of_the_instance_type_win() -> None:
    instancetype = {**SMALL, "cpu": {"guest": 1, "maxSockets": 4}}
    assert made(instancetype, template("spec.domain.cpu.maxSockets", 2))["domain"]["cpu"]["maxSockets"] == 4


def test_a_switch_that_is_off_conflicts_with_nothing() -> None:
    instancetype = {**SMALL, "cpu": {"guest": 1, "dedicatedCPUPlacement": True}}
    spec = made(instancetype, template("spec.domain.cpu.dedicatedCpuPlacement", value=False))
    assert spec["domain"]["cpu"]["dedicatedCpuPlacement"] is True


def test_overcommitted_memory_is_requested_in_part() -> None:
    spec = made({**SMALL, "memory": {"guest": "1Gi", "overcommitPercent": 25}}, template())
    assert spec["domain"]["resources"] == {"requests": {"memory": "768Mi"}}


def test_annotations_are_added_and_conflict_only_where_they_differ() -> None:
    instancetype = {**SMALL, "annotations": {"a": "1", "b": "2"}}
    subject = template("metadata.annotations", {"a": "1"})
    assert apply(instancetype, None, subject) == []
    assert subject["metadata"]["annotations"] == {"a": "1", "b": "2"}
    different = template("metadata.annotations", {"b": "3"})
    assert apply(instancetype, None, different) == ["metadata.annotations[b]"]


def test_all_conflicts_are_told_at_once() -> None:
    subject = template("spec.domain.cpu.cores", 2)
    put(subject, "spec.domain.memory.guest", "2Gi")
    assert apply(SMALL, None, subject) == ["spec.domain.cpu.cores", "spec.domain.memory.guest"]


def test_what_is_applied_is_a_copy() -> None:
    instancetype = {**SMALL, "nodeSelector": {"zone": "a"}}
    made(instancetype, template())["nodeSelector"]["zone"] = "b"
    assert instancetype["nodeSelector"] == {"zone": "a"}
