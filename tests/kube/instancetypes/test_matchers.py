"""What a machine names is found: live, or as it was when the machine began to use it."""

from typing import Any

import pytest

from kube.instancetypes.matchers import INSTANCETYPE, PREFERENCE, MissingError, UnknownKindError, chosen

Object = dict[str, Any]
GROUP = "instancetype.kubevirt.io"


class Objects:
    """Objects by kind, namespace and name."""

    def __init__(self, *found: tuple[str, str, str, Object]) -> None:
        self._found = {tuple(place): obj for *place, obj in found}

    def one(self, kind: str, namespace: str, name: str) -> Object | None:
        return self._found.get((kind, namespace, name))


AS_IT_WAS: Object = {"cpu": {"guest": 1}, "memory": {"guest": "1Gi"}}


def revision(of: str, spec: Any) -> Object:
    return {"metadata": {"name": "kept", "labels": {f"{GROUP}/object-name": of}}, "data": {"spec": spec}}


OBJECTS = Objects(
    (f"virtualmachineclusterinstancetypes.{GROUP}", "", "u1", {"spec": "cluster"}),
    (f"virtualmachineinstancetypes.{GROUP}", "default", "u1", {"spec": "namespace"}),
    (f"virtualmachineclusterpreferences.{GROUP}", "", "linux", {"spec": "preference"}),
    ("controllerrevisions.apps", "default", "old", revision("u1", AS_IT_WAS)),
    ("controllerrevisions.apps", "default", "other", revision("u2", "of another")),
)


def machine(which: str, matcher: Object | None, remembered: str = "") -> Object:
    status = {f"{which}Ref": {"controllerRevisionRef": {"name": remembered}}} if remembered else {}
    spec = {} if matcher is None else {which: matcher}
    return {"metadata": {"name": "vm", "namespace": "default"}, "spec": spec, "status": status}


@pytest.mark.parametrize(
    ("matcher", "remembered", "found"),
    [
        (None, "", None),
        ({"name": "u1"}, "", "cluster"),
        ({"name": "u1", "kind": "VirtualMachineClusterInstancetype"}, "", "cluster"),
        ({"name": "u1", "kind": "virtualmachineinstancetypes"}, "", "namespace"),
        ({"name": "u1", "kind": "VirtualMachineInstancetype"}, "", "namespace"),
        ({"name": "u1", "revisionName": "old"}, "", AS_IT_WAS),
        ({"name": "u1"}, "old", AS_IT_WAS),
        ({"name": "u1"}, "other", "cluster"),
        ({"name": "u1"}, "gone", "cluster"),
    ],
)
def test_an_instance_type_is_found(matcher: Object | None, remembered: str, found: Any) -> None:
    assert chosen(machine(INSTANCETYPE, matcher, remembered), INSTANCETYPE, OBJECTS) == found


def test_a_preference_is_found() -> None:
    assert chosen(machine(PREFERENCE, {"name": "linux"}), PREFERENCE, OBJECTS) == "preference"


@pytest.mark.parametrize(
    ("matcher", "told"),
    [
        ({"name": "u9"}, "VirtualMachineClusterInstancetype u9 does not exist"),
        ({"name": "u1", "revisionName": "gone"}, "ControllerRevision gone of instancetype u1 does not exist"),
    ],
)
def test_what_is_missing_is_named(matcher: Object, told: str) -> None:
    with pytest.raises(MissingError, match=told):
        chosen(machine(INSTANCETYPE, matcher), INSTANCETYPE, OBJECTS)


@pytest.mark.parametrize("spec", [None, "cpu", {"template": {}}, {"cpu": {"guest": 1}}, {"cpu": 1, "memory": []}])
def test_a_revision_of_something_else_is_no_instance_type(spec: Any) -> None:
    objects = Objects(("controllerrevisions.apps", "default", "other", revision("u1", spec)))
    with pytest.raises(MissingError, match="ControllerRevision kept keeps no instancetype"):
        chosen(machine(INSTANCETYPE, {"name": "u1", "revisionName": "other"}), INSTANCETYPE, objects)


def test_a_preference_is_no_instance_type() -> None:
    with pytest.raises(UnknownKindError, match="use VirtualMachineClusterInstancetype or VirtualMachineInstancetype"):
        chosen(machine(INSTANCETYPE, {"name": "x", "kind": "VirtualMachinePreference"}), INSTANCETYPE, OBJECTS)


def test_what_a_revision_says_in_an_older_version_is_said_anew() -> None:
    kept = {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": "VirtualMachineClusterPreference",
        "spec": {
            "cpu": {"preferredCPUTopology": "preferThreads"},
            "firmware": {"preferredUseEfi": True, "preferredUseSecureBoot": True},
        },
    }
    older = Objects(("controllerrevisions.apps", "default", "older", {"metadata": {}, "data": kept}))
    found = chosen(machine(PREFERENCE, {"name": "linux", "revisionName": "older"}), PREFERENCE, older)
    assert found == {"cpu": {"preferredCPUTopology": "threads"}, "firmware": {"preferredEfi": {"secureBoot": True}}}
