"""Rules of volumes that a guest mounts."""

import pytest

from tests.apiserver.resources.virtualmachineinstance.validation.specs import (
    FORBIDDEN,
    INVALID,
    Case,
    Object,
    expect,
    expect_right,
    gates,
)

ON = gates("ContainerPathVolumes", "EnableVirtioFsStorageVolumes")
MOUNTED = {"domain.devices.filesystems": [{"name": "share", "virtiofs": {}}]}


def share(**source: object) -> Object:
    return MOUNTED | {"volumes.2": {"name": "share", **source}}


def directory(path: str) -> Object:
    return share(containerPath={"path": path})


NOT_MOUNTED = {"volumes.2": {"name": "share", "containerPath": {"path": "/data"}}}
AS_DISK = directory("/data") | {"domain.devices.disks.2": {"name": "share", "disk": {}}}

CASES: list[Case] = [
    (NOT_MOUNTED, "volumes[2].containerPath", FORBIDDEN, "list share in domain.devices.filesystems"),
    (AS_DISK, "volumes[2].containerPath", FORBIDDEN, "and only there"),
    (directory("/var/run/kubevirt/x"), "volumes[2].containerPath.path", INVALID, "choose one outside"),
    (directory("/var/run/libvirt"), "volumes[2].containerPath.path", INVALID, "/var/run/libvirt"),
]


@pytest.mark.parametrize("case", CASES)
def test_a_directory_that_cannot_be_mounted_is_refused(case: Case) -> None:
    expect(case, ON)


GATED = [
    (directory("/data"), "volumes[2].containerPath", FORBIDDEN, "the feature gate ContainerPathVolumes is off"),
    (
        share(persistentVolumeClaim={"claimName": "a"}),
        "domain.devices.filesystems[0]",
        FORBIDDEN,
        "the feature gate EnableVirtioFsStorageVolumes is off",
    ),
    (
        share(dataVolume={"name": "a"}),
        "domain.devices.filesystems[0]",
        FORBIDDEN,
        "EnableVirtioFsStorageVolumes",
    ),
]


@pytest.mark.parametrize("case", GATED)
def test_mounts_behind_a_gate_are_refused_until_it_is_on(case: Case) -> None:
    expect(case)
    expect_right(case[0], ON)


@pytest.mark.parametrize(
    "source", [{"configMap": {"name": "a"}}, {"secret": {"secretName": "a"}}, {"downwardAPI": {"fields": []}}]
)
def test_what_configures_a_guest_is_mounted_without_a_gate(source: Object) -> None:
    expect_right(share(**source))
