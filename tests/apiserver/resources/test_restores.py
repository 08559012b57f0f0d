"""Restores of machines: one at a time, and not everything to everywhere."""

from typing import Any

import pytest

from apiserver.machinery.resource import Object
from tests.apiserver.resources.examples import (
    ABSENT,
    USER,
    edited,
    served,
)

SNAPSHOT, RESTORE = "VirtualMachineSnapshot", "VirtualMachineRestore"


@pytest.mark.parametrize(
    ("status", "refused"), [(ABSENT, True), (None, True), ({"complete": False}, True), ({"complete": True}, False)]
)
def test_a_machine_is_restored_once_at_a_time(status: Any, refused: bool) -> None:
    other = edited(RESTORE, {"metadata.name": "other"} if status is ABSENT else {"status": status})
    strategy = served(virtualmachinerestores__snapshot__kubevirt__io=[other])[RESTORE].strategy
    found = [each.field for each in strategy.validate(edited(RESTORE, {}), USER)]
    assert found == (["spec.target"] if refused else [])
    elsewhere = edited(RESTORE, {"spec.target.name": "db"})
    assert list(strategy.validate(elsewhere, USER)) == []


TPM = {"devices": {"tpm": {"persistent": True}}}
NO_TPM = {"devices": {"tpm": {"persistent": True, "enabled": False}}}
EFI = {"devices": {}, "firmware": {"bootloader": {"efi": {"persistent": True}}}}


@pytest.mark.parametrize(
    ("domain", "target", "refused"),
    [
        (TPM, None, True),
        (EFI, {"uid": "another", "name": "web"}, True),
        (TPM, {"uid": "source", "name": "web"}, False),
        (NO_TPM, None, False),
        ({"devices": {}}, None, False),
    ],
)
def test_what_a_guest_keeps_in_its_machine_is_restored_to_that_machine_only(
    domain: Object, target: Object | None, refused: bool
) -> None:
    status = {"sourceUID": "source", "virtualMachineSnapshotContentName": "content"}
    machine = {"spec": {"template": {"spec": {"domain": domain}}}}
    content = {
        "metadata": {"name": "content", "namespace": "default"},
        "spec": {"source": {"virtualMachine": machine}},
    }
    strategy = served(
        virtualmachines__kubevirt__io=[] if target is None else [{"metadata": {**target, "namespace": "default"}}],
        virtualmachinesnapshots__snapshot__kubevirt__io=[edited(SNAPSHOT, {"status": status})],
        virtualmachinesnapshotcontents__snapshot__kubevirt__io=[content],
    )[RESTORE].strategy
    assert [each.field for each in strategy.validate(edited(RESTORE, {}), USER)] == (["spec.target"] if refused else [])
