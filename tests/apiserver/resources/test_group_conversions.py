"""What kinds of other groups than kubevirt.io look like in their older versions, and how they change there."""

from typing import Any

import pytest

from apiserver.machinery.cloning import clone
from apiserver.machinery.resource import Conversion, Object
from apiserver.resources import resources
from tests.apiserver.resources.generated import CATALOGUE
from tests.apiserver.resources.surroundings import Remembered

KINDS = {resource.kind: resource for resource in resources(CATALOGUE, Remembered())}
SIZE, PREFERENCE = "VirtualMachineInstancetype", "VirtualMachineClusterPreference"
RESTORE, CLONE = "VirtualMachineRestore", "VirtualMachineClone"

LARGE = {"cpu": {"guest": 2}, "memory": {"guest": "4Gi"}}
TARGET = {"target": {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": "web"}}
RESTORED = {**TARGET, "virtualMachineSnapshotName": "a"}
CLONED = {"source": TARGET["target"]}


def topology(name: str) -> Object:
    return {"cpu": {"preferredCPUTopology": name}}


def efi(**fields: Any) -> Object:
    return {"firmware": {"preferredEfi": fields}}


def firmware(**fields: Any) -> Object:
    return {"firmware": fields}


SAME: list[tuple[str, str, Object, Object]] = [
    (SIZE, "v1alpha2", LARGE, LARGE),
    (SIZE, "v1alpha1", {**LARGE, "ioThreadsPolicy": "auto"}, {**LARGE, "ioThreadsPolicy": "auto"}),
    (PREFERENCE, "v1alpha2", topology("sockets"), topology("preferSockets")),
    (PREFERENCE, "v1alpha1", topology("cores"), topology("preferCores")),
    (PREFERENCE, "v1alpha1", topology("threads"), topology("preferThreads")),
    (PREFERENCE, "v1alpha2", efi(), firmware(preferredUseEfi=True)),
    (PREFERENCE, "v1alpha1", efi(secureBoot=False), firmware(preferredUseEfi=True, preferredUseSecureBoot=False)),
    (PREFERENCE, "v1alpha1", firmware(preferredUseEfi=False), firmware(preferredUseEfi=False)),
    (PREFERENCE, "v1alpha1", firmware(preferredUseSecureBoot=True), firmware(preferredUseSecureBoot=True)),
    (PREFERENCE, "v1alpha2", firmware(preferredUseBios=True), firmware(preferredUseBios=True)),
    (RESTORE, "v1alpha1", {**RESTORED, "targetReadinessPolicy": "WaitGracePeriod"}, RESTORED),
    (CLONE, "v1alpha1", {**CLONED, "newSMBiosSerial": "1"}, {**CLONED, "newSMBiosSerial": "1"}),
]
"""Specs that both versions can say, so that nothing is carried."""

CARRIED: list[tuple[str, str, Object, Object]] = [
    (
        SIZE,
        "v1alpha2",
        {"cpu": {"guest": 2, "maxSockets": 8}, "memory": {"guest": "4Gi", "maxGuest": "8Gi", "overcommitPercent": 5}},
        LARGE,
    ),
    (SIZE, "v1alpha1", {**LARGE, "annotations": {"a": "b"}, "nodeSelector": {"c": "d"}, "schedulerName": "e"}, LARGE),
    (PREFERENCE, "v1alpha2", topology("spread"), {"cpu": {}}),
    (PREFERENCE, "v1alpha1", topology("preferCores"), topology("preferCores")),
    (PREFERENCE, "v1alpha1", topology("any"), {"cpu": {}}),
    (
        PREFERENCE,
        "v1alpha2",
        efi(secureBoot=True, persistent=True),
        firmware(preferredUseEfi=True, preferredUseSecureBoot=True),
    ),
    (PREFERENCE, "v1alpha2", firmware(preferredUseEfi=True), firmware(preferredUseEfi=True)),
    (
        PREFERENCE,
        "v1alpha2",
        {"volumes": {"preferredStorageClassName": "a"}, "annotations": {"a": "b"}},
        {"volumes": {"preferredStorageClassName": "a"}},
    ),
    (PREFERENCE, "v1alpha1", {"volumes": {"preferredStorageClassName": "a"}}, {}),
    (
        PREFERENCE,
        "v1alpha1",
        {"devices": {"preferredDiskBus": "sata", "preferredVideoType": "vga"}},
        {"devices": {"preferredDiskBus": "sata"}},
    ),
    (
        RESTORE,
        "v1alpha1",
        {**RESTORED, "targetReadinessPolicy": "StopTarget", "volumeRestorePolicy": "InPlace"},
        RESTORED,
    ),
    (CLONE, "v1alpha1", {**CLONED, "patches": ["{}"], "volumeNamePolicy": "RandomizeNames"}, CLONED),
]
"""Specs of which the older version can say less, or says it otherwise."""


def conversion(kind: str, version: str) -> Conversion:
    found = KINDS[kind].version(version).conversion
    assert found is not None
    return found


def obj(kind: str, version: str, spec: Object) -> Object:
    api_version = KINDS[kind].api_version(version)
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}, "spec": clone(spec)}


def in_hub(kind: str, spec: Object) -> Object:
    made = obj(kind, KINDS[kind].hub.name, spec)
    assert KINDS[kind].hub.schema.validate(made) == []
    assert KINDS[kind].hub.schema.prune(clone(made)) == []
    return made


@pytest.mark.parametrize(("kind", "version", "hub", "old"), SAME)
def test_what_both_versions_can_say_is_said_in_the_words_of_each(
    kind: str, version: str, hub: Object, old: Object
) -> None:
    assert conversion(kind, version).from_hub(in_hub(kind, hub)) == obj(kind, version, old)
    assert conversion(kind, version).to_hub(obj(kind, version, old)) == in_hub(kind, hub)


@pytest.mark.parametrize(("kind", "version", "hub", "old"), CARRIED)
def test_what_an_older_version_cannot_say_comes_back(kind: str, version: str, hub: Object, old: Object) -> None:
    shown = conversion(kind, version).from_hub(in_hub(kind, hub))
    assert shown["spec"] == old
    schema = KINDS[kind].version(version).schema
    assert schema.validate(shown) == []
    assert schema.prune(clone(shown)) == []
    assert conversion(kind, version).to_hub(shown) == in_hub(kind, hub)


@pytest.mark.parametrize(("kind", "version", "hub", "old"), CARRIED)
def test_a_client_that_drops_annotations_erases_nothing(kind: str, version: str, hub: Object, old: Object) -> None:
    current = in_hub(kind, hub)
    assert conversion(kind, version).to_hub(obj(kind, version, old), current) == current


def test_an_older_client_can_choose_a_topology_in_place_of_one_it_does_not_see() -> None:
    old = conversion(PREFERENCE, "v1alpha1").from_hub(in_hub(PREFERENCE, topology("spread")))
    old["spec"] = topology("preferThreads")
    assert conversion(PREFERENCE, "v1alpha1").to_hub(old)["spec"] == topology("threads")


def test_an_older_client_can_switch_secure_boot_off_and_uefi_with_it() -> None:
    translated = conversion(PREFERENCE, "v1alpha2")
    old = translated.from_hub(in_hub(PREFERENCE, efi(secureBoot=True, persistent=True)))
    old["spec"]["firmware"]["preferredUseSecureBoot"] = False
    assert translated.to_hub(old)["spec"] == efi(secureBoot=False, persistent=True)
    old["spec"]["firmware"] = {"preferredUseBios": True}
    assert translated.to_hub(old)["spec"] == firmware(preferredUseBios=True)
