"""Rules of volumes."""

import pytest

from tests.apiserver.resources.virtualmachineinstance.validation.specs import (
    DUPLICATE,
    FORBIDDEN,
    INVALID,
    PLAIN,
    REQUIRED,
    UNSUPPORTED,
    Case,
    Object,
    expect,
    expect_right,
    gates,
)

VOL, IMAGE = "volumes.0", "volumes.0.containerDisk.image"
HOST_DISK = {"path": "/disks/a.img", "type": "Disk"}
ON_DEMAND = {"path": "/disks/a.img", "type": "DiskOrCreate"}


def source(kind: str, **said: object) -> Object:
    return {VOL: {"name": "root", kind: said}}


def second(kind: str, **said: object) -> Object:
    return source(kind, **said) | {"volumes.2": {"name": "more", kind: said}}


CASES: list[Case] = [
    ({"volumes.2": {"name": "root", "emptyDisk": {"capacity": "1Gi"}}}, "volumes[2].name", DUPLICATE, "root"),
    ({"volumes.2": {"name": "A_b", "emptyDisk": {"capacity": "1Gi"}}}, "volumes[2].name", INVALID, "lower case"),
    ({"volumes.2": {"name": "a" * 64, "ephemeral": {}}}, "volumes[2].name", INVALID, "63 characters"),
    ({VOL: {"name": "root"}}, "volumes[0]", REQUIRED, "containerDisk, cloudInitNoCloud, emptyDisk, hostDisk"),
    ({f"{VOL}.emptyDisk": {"capacity": "1Gi"}}, "volumes[0]", FORBIDDEN, "containerDisk and emptyDisk exclude"),
    ({f"{VOL}.persistentVolumeClaim": {"claimName": "a"}}, "volumes[0]", FORBIDDEN, "has one source"),
    ({IMAGE: ""}, "volumes[0].containerDisk.image", REQUIRED, "debian:12"),
    ({IMAGE: "docker://debian"}, "volumes[0].containerDisk.image", INVALID, "without docker://"),
    ({IMAGE: "Debian:12"}, "volumes[0].containerDisk.image", INVALID, "is no image"),
    ({IMAGE: "a b"}, "volumes[0].containerDisk.image", INVALID, "is no image"),
    ({IMAGE: "oci:layout:x"}, "volumes[0].containerDisk.image", INVALID, "oci:/srv/images/"),
    ({IMAGE: "oci-archive:/a/../b"}, "volumes[0].containerDisk.image", INVALID, "without '..'"),
    ({IMAGE: "a@sha256:12"}, "volumes[0].containerDisk.image", INVALID, "is no image"),
    ({f"{VOL}.containerDisk.path": "disk.img"}, "volumes[0].containerDisk.path", INVALID, "absolute"),
    ({f"{VOL}.containerDisk.path": "/"}, "volumes[0].containerDisk.path", INVALID, "of a file"),
    ({f"{VOL}.containerDisk.path": "/disk//a"}, "volumes[0].containerDisk.path", INVALID, "'//'"),
    (source("emptyDisk", capacity="0"), "volumes[0].emptyDisk.capacity", INVALID, "more than 0"),
    (source("emptyDisk", capacity="a lot"), "volumes[0].emptyDisk.capacity", INVALID, "not a quantity"),
    (source("emptyDisk", capacity="8Ei"), "volumes[0].emptyDisk.capacity", INVALID, "at most 4Ei"),
    (source("hostDisk", **HOST_DISK | {"path": ""}), "volumes[0].hostDisk.path", REQUIRED, "a file"),
    (source("hostDisk", **HOST_DISK | {"path": "a.img"}), "volumes[0].hostDisk.path", INVALID, "absolute path"),
    (source("hostDisk", **HOST_DISK | {"path": "/a\x01"}), "volumes[0].hostDisk.path", INVALID, "control characters"),
    (source("hostDisk", **HOST_DISK | {"path": "/a/../etc"}), "volumes[0].hostDisk.path", INVALID, "without '..'"),
    (source("hostDisk", **HOST_DISK | {"type": "File"}), "volumes[0].hostDisk.type", UNSUPPORTED, "DiskOrCreate"),
    (source("hostDisk", **ON_DEMAND), "volumes[0].hostDisk.capacity", REQUIRED, "10Gi"),
    (source("hostDisk", **HOST_DISK, capacity="1Gi"), "volumes[0].hostDisk.capacity", FORBIDDEN, "DiskOrCreate"),
    (source("hostDisk", **ON_DEMAND, capacity="-1Gi"), "volumes[0].hostDisk.capacity", INVALID, "more than 0"),
    (source("dataVolume", name=""), "volumes[0].dataVolume.name", REQUIRED, "name the DataVolume"),
    (source("configMap"), "volumes[0].configMap.name", REQUIRED, "name the ConfigMap"),
    (source("configMap", name=""), "volumes[0].configMap.name", REQUIRED, "name the ConfigMap"),
    (source("secret"), "volumes[0].secret.secretName", REQUIRED, "name the Secret"),
    (source("serviceAccount"), "volumes[0].serviceAccount.serviceAccountName", REQUIRED, "name the ServiceAccount"),
    (
        second("serviceAccount", serviceAccountName="a"),
        "volumes[2].serviceAccount",
        FORBIDDEN,
        "volumes[0] is one already",
    ),
    (second("memoryDump", claimName="a"), "volumes[2].memoryDump", FORBIDDEN, "one such volume at most"),
    (
        {"utilityVolumes": [{"name": "u", "claimName": "c"}]},
        "utilityVolumes",
        FORBIDDEN,
        "attached to a guest that runs",
    ),
    (source("hostDisk", **HOST_DISK), "volumes[0].hostDisk", FORBIDDEN, "the feature gate HostDisk is off"),
    (source("downwardMetrics"), "volumes[0].downwardMetrics", FORBIDDEN, "the feature gate DownwardMetrics is off"),
]


@pytest.mark.parametrize("case", CASES)
def test_a_volume_that_cannot_be_is_refused(case: Case) -> None:
    expect(case, PLAIN if "gate" in case[3] else gates("HostDisk"))


def test_there_is_one_volume_of_downward_metrics() -> None:
    case = second("downwardMetrics"), "volumes[2].downwardMetrics", FORBIDDEN, "volumes[0] is one already"
    expect(case, gates("DownwardMetrics"))


RIGHT: list[Object] = [
    {IMAGE: "registry.example.com:5000/a/b_c--d@sha256:" + "0" * 64},
    {IMAGE: "[::1]:5000/debian"},
    {IMAGE: "oci:/srv/images/layout:virtplane/busybox:latest"},
    {f"{VOL}.containerDisk.path": "/disk/a..b.img"},
    source("emptyDisk", capacity="4Ei"),
    source("hostDisk", **ON_DEMAND | {"path": "/a/b"}, capacity="1G"),
    source("persistentVolumeClaim", claimName="a", readOnly=True),
    source("dataVolume", name="a", hotpluggable=True),
    source("ephemeral", persistentVolumeClaim={"claimName": "a"}),
    source("configMap", name="a", volumeLabel="cfg"),
    source("secret", secretName="a"),
    source("serviceAccount", serviceAccountName="default"),
    source("downwardAPI", fields=[]),
    source("memoryDump", claimName="a"),
    source("sysprep", configMap={"name": "unattend"}),
    {"utilityVolumes": []},
]


@pytest.mark.parametrize("edits", RIGHT)
def test_a_volume_that_can_be_is_accepted(edits: Object) -> None:
    expect_right(edits, gates("HostDisk"))
