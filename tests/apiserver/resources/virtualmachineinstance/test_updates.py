"""What can be plugged in and out changes while a guest runs; what it started with does not."""

from copy import deepcopy
from typing import Any

import pytest

from apiserver.machinery.resource import Caller
from apiserver.resources.virtualmachineinstance.updates import validate_change
from kube.configuration import Configuration
from tests.apiserver.resources.virtualmachineinstance.validation.specs import (
    DUPLICATE,
    FORBIDDEN,
    INVALID,
    REQUIRED,
    gates,
)

Object = dict[str, Any]

SYSTEM = Caller("controllers", system=True)
UTILITY = gates("UtilityVolumes")
CLAIM = {"persistentVolumeClaim": {"claimName": "c"}}
DISKS = {"root": {"bus": "virtio"}, "plugged": {"bus": "scsi"}}


def instance() -> Object:
    """One that started with a disk, and was given another one since."""
    return {
        "spec": {
            "domain": {
                "cpu": {"sockets": 1, "maxSockets": 4},
                "memory": {"guest": "1Gi", "maxGuest": "4Gi"},
                "devices": {"disks": [{"name": name, "disk": dict(disk)} for name, disk in DISKS.items()]},
            },
            "volumes": [{"name": "root", "containerDisk": {"image": "i"}}, {"name": "plugged", **CLAIM}],
        },
        "status": {"volumeStatus": [{"name": "root"}, {"name": "plugged", "hotplugVolume": {}}]},
    }


def changed(
    *,
    domain: Object | None = None,
    drop: str = "",
    volumes: list[Object] | None = None,
    disks: list[Object] | None = None,
    edit: dict[str, Object] | None = None,
    **spec: Any,
) -> Object:
    """The instance with more or fewer volumes and disks, and with some that are edited, by name."""
    new = instance()["spec"]
    for owner, key, more in ((new, "volumes", volumes), (new["domain"]["devices"], "disks", disks)):
        owner[key] = [each for each in owner[key] if each["name"] != drop] + (more or [])
    for volume in new["volumes"]:
        volume.update((edit or {}).get(volume["name"], {}))
    for part, values in (domain or {}).items():
        new["domain"][part].update(values)
    return {"spec": {**new, **spec}}


DISK = {"name": "new", "disk": {"bus": "virtio"}}
NEW = {"name": "new", **CLAIM}
CASES: list[tuple[Object, str, str, str]] = [
    (changed(domain={"cpu": {"maxSockets": 8}}), "spec.domain.cpu.maxSockets", FORBIDDEN, "when the guest starts"),
    (
        changed(domain={"memory": {"maxGuest": "8Gi"}}),
        "spec.domain.memory.maxGuest",
        FORBIDDEN,
        "when the guest starts",
    ),
    (changed(drop="root"), "spec.volumes", FORBIDDEN, "root cannot be unplugged"),
    (changed(edit={"root": {"containerDisk": {"image": "j"}}}), "spec.volumes[0]", FORBIDDEN, "started with it"),
    (
        changed(edit={"plugged": {"persistentVolumeClaim": {"claimName": "d"}}}),
        "spec.volumes[1]",
        FORBIDDEN,
        "unplug it",
    ),
    (changed(volumes=[NEW]), "spec.volumes[2].name", INVALID, "no disk of this name"),
    (changed(disks=[DISK]), "spec.domain.devices.disks[2].name", INVALID, "no volume of this name"),
    (
        changed(volumes=[{"name": "new", "emptyDisk": {"capacity": "1Gi"}}], disks=[DISK]),
        "spec.volumes[2].name",
        INVALID,
        "persistentVolumeClaim",
    ),
    (
        changed(volumes=[NEW], disks=[{"name": "new", "disk": {"bus": "sata"}}]),
        "spec.volumes[2].name",
        INVALID,
        "a disk that is plugged in needs bus virtio or scsi",
    ),
    (
        changed(volumes=[NEW], disks=[{"name": "new", "lun": {"bus": "virtio"}}]),
        "spec.volumes[2].name",
        INVALID,
        "a lun that is plugged in needs bus scsi",
    ),
    (changed(volumes=[NEW], disks=[{"name": "new", "cdrom": {}}]), "spec.volumes[2].name", INVALID, "a disk or a lun"),
    # for the system's own use
    (changed(utilityVolumes=[{"name": "u"}]), "spec.utilityVolumes[0].claimName", REQUIRED, "PersistentVolumeClaim"),
    (changed(utilityVolumes=[{"name": "", "claimName": "c"}]), "spec.utilityVolumes[0].name", REQUIRED, ""),
    (changed(utilityVolumes=[{"name": "root", "claimName": "c"}]), "spec.utilityVolumes[0].name", DUPLICATE, "root"),
    (
        changed(utilityVolumes=[{"name": "u", "claimName": "c"}, {"name": "u", "claimName": "d"}]),
        "spec.utilityVolumes[1].name",
        DUPLICATE,
        "u",
    ),
]


@pytest.mark.parametrize(("new", "field", "reason", "part"), CASES)
def test_what_the_guest_started_with_cannot_change(new: Object, field: str, reason: str, part: str) -> None:
    (found,) = validate_change(new, instance(), SYSTEM, UTILITY)
    assert (found.field, found.reason) == (field, reason)
    assert part in found.message


RIGHT = [
    changed(domain={"cpu": {"sockets": 2}, "memory": {"guest": "2Gi"}}),
    changed(drop="plugged"),
    changed(volumes=[NEW], disks=[DISK]),
    changed(volumes=[{"name": "new", "dataVolume": {"name": "d"}}], disks=[{"name": "new", "lun": {"bus": "scsi"}}]),
    changed(volumes=[{"name": "new", "memoryDump": {"claimName": "c"}}]),
    changed(disks=[{"name": "empty", "cdrom": {"bus": "sata"}}]),
    changed(utilityVolumes=[{"name": "u", "claimName": "c"}]),
]


@pytest.mark.parametrize("new", RIGHT)
def test_what_can_be_plugged_in_and_out_can_change(new: Object) -> None:
    assert list(validate_change(new, instance(), SYSTEM, UTILITY)) == []


def test_a_volume_that_moves_to_another_claim_can_change() -> None:
    old = instance()
    old["status"]["migratedVolumes"] = [{"volumeName": "root"}]
    assert list(validate_change(changed(edit={"root": {"containerDisk": {"image": "j"}}}), old, SYSTEM, UTILITY)) == []


def test_until_the_node_tells_all_volumes_are_those_that_the_guest_started_with() -> None:
    old = instance()
    del old["status"]["volumeStatus"]
    (found,) = validate_change(changed(drop="plugged"), old, SYSTEM, UTILITY)
    assert "plugged cannot be unplugged" in found.message


def test_a_utility_volume_does_not_change_while_it_is_plugged_in() -> None:
    old = instance()
    old["spec"]["utilityVolumes"] = [{"name": "u", "claimName": "c"}]
    (found,) = validate_change(changed(utilityVolumes=[{"name": "u", "claimName": "d"}]), old, SYSTEM, UTILITY)
    assert (found.field, "remove it first" in found.message) == ("spec.utilityVolumes[0]", True)


def test_utility_volumes_are_behind_a_gate() -> None:
    (found,) = validate_change(changed(utilityVolumes=[{"name": "u"}]), instance(), SYSTEM, Configuration())
    assert (found.field, "UtilityVolumes is off" in found.message) == ("spec.utilityVolumes", True)


@pytest.mark.parametrize(
    "caller", [Caller("jane"), Caller("system:node:one", frozenset({"system:nodes"}), system=True)]
)
def test_nobody_but_controllers_changes_a_spec(caller: Caller) -> None:
    old = instance()
    (found,) = validate_change(changed(drop="plugged"), old, caller, UTILITY)
    assert (found.field, "change its VirtualMachine instead" in found.message) == ("spec", True)
    assert list(validate_change(deepcopy(old), old, caller, UTILITY)) == []
