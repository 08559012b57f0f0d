"""What is to be plugged into a running guest can be, and is not there in another form."""

from typing import Any

import pytest

from apiserver.machinery.resource import Caller
from apiserver.resources.cluster import Cluster
from apiserver.resources.virtualmachine.strategy import VirtualMachineStrategy
from tests.apiserver.resources.surroundings import PLAIN, Remembered

Object = dict[str, Any]

SYSTEM = Caller("controllers", system=True)
CLAIM = {"persistentVolumeClaim": {"claimName": "c"}}
INVALID, FORBIDDEN = "FieldValueInvalid", "FieldValueForbidden"


def machine(*requests: Object) -> Object:
    spec = {"domain": {"devices": {}}, "volumes": [{"name": "root", **CLAIM}]}
    status = {"volumeRequests": list(requests)}
    return {"metadata": {"name": "vm", "namespace": "ns"}, "spec": {"template": {"spec": spec}}, "status": status}


def add(name: str = "new", *, disk: Object | None = None, source: Object | None = None) -> Object:
    seen = {"disk": {"bus": "virtio"}} if disk is None else disk
    return {"addVolumeOptions": {"name": name, "disk": seen, "volumeSource": source or CLAIM}}


def remove(name: str = "root") -> Object:
    return {"removeVolumeOptions": {"name": name}}


def running(volumes: list[Object] | None = None, **migration: Any) -> Cluster:
    made = {
        "metadata": {"name": "vm", "namespace": "ns"},
        "spec": {"domain": {"devices": {}}, "volumes": volumes or []},
        "status": {"migrationState": migration},
    }
    return Cluster(Remembered(virtualmachineinstances__kubevirt__io=[made]))


AT = "status.volumeRequests[0]"
OTHER = {"dataVolume": {"name": "d"}}
CASES = [
    ([{}], PLAIN, AT, INVALID, "either addVolumeOptions or removeVolumeOptions"),
    ([{**add(), **remove()}], PLAIN, AT, INVALID, "needs either"),
    ([add(), add()], PLAIN, "status.volumeRequests[1].addVolumeOptions.name", "FieldValueDuplicate", "new"),
    ([remove(), remove()], PLAIN, "status.volumeRequests[1].removeVolumeOptions.name", "FieldValueDuplicate", "root"),
    (
        [{"addVolumeOptions": {"name": "new", "volumeSource": CLAIM}}],
        PLAIN,
        f"{AT}.addVolumeOptions.disk",
        "FieldValueRequired",
        "how the guest sees",
    ),
    ([add(disk={"cdrom": {}})], PLAIN, f"{AT}.addVolumeOptions.disk", INVALID, "only a disk or a lun"),
    ([add(disk={"disk": {"bus": "sata"}})], PLAIN, f"{AT}.addVolumeOptions.disk", INVALID, "virtio or scsi"),
    ([add(disk={"disk": {}})], PLAIN, f"{AT}.addVolumeOptions.disk", INVALID, "virtio or scsi"),
    ([add(disk={"lun": {"bus": "virtio"}})], PLAIN, f"{AT}.addVolumeOptions.disk", INVALID, "needs bus scsi"),
    (
        [add(disk={"disk": {"bus": "scsi"}, "dedicatedIOThread": True})],
        PLAIN,
        f"{AT}.addVolumeOptions.disk",
        INVALID,
        "dedicatedIOThread that is plugged in needs bus virtio",
    ),
    ([add("root", source=OTHER)], PLAIN, f"{AT}.addVolumeOptions.name", INVALID, "another volume of this name"),
    (
        [add(source=OTHER)],
        running([{"name": "new", **CLAIM}]),
        f"{AT}.addVolumeOptions.name",
        INVALID,
        "another volume of this name",
    ),
    ([remove()], running(startTimestamp="2026-01-01T00:00:00Z"), "status.volumeRequests", FORBIDDEN, "is moving"),
]


@pytest.mark.parametrize(("requests", "cluster", "field", "reason", "part"), CASES)
def test_what_cannot_be_plugged_in_or_out_is_refused(
    requests: list[Object], cluster: Cluster, field: str, reason: str, part: str
) -> None:
    (found,) = VirtualMachineStrategy(cluster).validate_status_update(machine(*requests), machine(), SYSTEM)
    assert (found.field, found.reason) == (field, reason)
    assert part in found.message


RIGHT = [
    ([add(), remove(), remove("new")], PLAIN),
    ([add("root")], PLAIN),
    ([add(disk={"lun": {"bus": "scsi"}}), add("more", source=OTHER)], running([{"name": "new", **CLAIM}])),
    ([add(disk={"disk": {"bus": "virtio"}, "dedicatedIOThread": True})], PLAIN),
    ([remove()], running(startTimestamp="2026-01-01T00:00:00Z", completed=True)),
    ([], running(startTimestamp="2026-01-01T00:00:00Z")),
]


@pytest.mark.parametrize(("requests", "cluster"), RIGHT)
def test_what_can_be_plugged_in_or_out_is_accepted(requests: list[Object], cluster: Cluster) -> None:
    assert list(VirtualMachineStrategy(cluster).validate_status_update(machine(*requests), machine(), SYSTEM)) == []


def test_a_status_that_asks_for_nothing_else_is_not_judged_again() -> None:
    asked = machine(add(), add())
    assert list(VirtualMachineStrategy(PLAIN).validate_status_update(asked, asked, SYSTEM)) == []
