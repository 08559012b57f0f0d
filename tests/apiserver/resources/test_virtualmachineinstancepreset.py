"""A preset has hardware to give, and says to whom."""

from typing import Any

import pytest

from apiserver.machinery.resource import Caller
from apiserver.resources.virtualmachineinstancepreset import VirtualMachineInstancePresetStrategy

Object = dict[str, Any]

USER, RULES = Caller("jane"), VirtualMachineInstancePresetStrategy()


def preset(domain: Object | None, selector: Object | None = None) -> Object:
    return {"spec": {"selector": selector or {}, **({} if domain is None else {"domain": {"devices": {}, **domain}})}}


def disk(**settings: Any) -> Object:
    return {"devices": {"disks": [{"name": "a", **settings}]}}


BOOT = "spec.domain.firmware"
DISK = "spec.domain.devices.disks[0]"
REFUSED = [
    (preset(None), "spec.domain", "what instances get"),
    (preset({}, {"matchExpressions": [{"key": "a", "operator": "Is"}]}), "spec.selector", "Is"),
    (preset({"firmware": {"bootloader": {"bios": {}, "efi": {}}}}), f"{BOOT}.bootloader", "exclude each other"),
    (preset({"firmware": {"kernelBoot": {"kernelArgs": "quiet"}}}), f"{BOOT}.kernelBoot.container", "kernelArgs"),
    (preset(disk(disk={"bus": "ide"})), f"{DISK}.disk.bus", "virtio"),
    (preset(disk(disk={}, cdrom={})), DISK, "exclude each other"),
    (preset(disk(disk={}, cache="all")), f"{DISK}.cache", "writethrough"),
    (preset(disk(disk={"pciAddress": "x"})), f"{DISK}.disk.pciAddress", "0000:81:01.0"),
]


@pytest.mark.parametrize(("new", "field", "part"), REFUSED)
def test_a_preset_that_nobody_can_use_is_refused(new: Object, field: str, part: str) -> None:
    found = list(RULES.validate(new, USER))
    assert [each.field for each in found][:1] == [field]
    assert part in found[0].message


def test_a_preset_need_not_be_a_whole_machine() -> None:
    for domain in ({}, {"cpu": {"cores": 2}}, {"firmware": {"bootloader": {"efi": {}}}}, disk(disk={"bus": "virtio"})):
        assert list(RULES.validate(preset(domain, {"matchLabels": {"a": "b"}}), USER)) == []
