"""Rules of devices that are neither disks nor interfaces."""

import pytest

from tests.apiserver.resources.virtualmachineinstance.validation.specs import (
    DUPLICATE,
    FORBIDDEN,
    REQUIRED,
    UNSUPPORTED,
    Case,
    Object,
    expect,
    expect_right,
    gates,
)

DEV = "domain.devices"
TABLET = {"name": "a", "type": "tablet"}
ARM = {"architecture": "arm64", f"{DEV}.disks": [], "volumes": []}
S390X = {"architecture": "s390x"}

CASES: list[Case] = [
    ({f"{DEV}.inputs": [{"name": "", "type": "tablet"}]}, f"{DEV}.inputs[0].name", REQUIRED, ""),
    ({f"{DEV}.inputs": [{"name": "a", "type": "mouse"}]}, f"{DEV}.inputs[0].type", UNSUPPORTED, "tablet"),
    ({f"{DEV}.inputs": [{"name": "a", "type": ""}]}, f"{DEV}.inputs[0].type", UNSUPPORTED, "tablet"),
    ({f"{DEV}.inputs": [TABLET | {"bus": "ps2"}]}, f"{DEV}.inputs[0].bus", UNSUPPORTED, "usb"),
    ({f"{DEV}.inputs": [TABLET, TABLET]}, f"{DEV}.inputs[1].name", DUPLICATE, "a"),
    ({f"{DEV}.watchdog": {"name": "", "i6300esb": {}}}, f"{DEV}.watchdog.name", REQUIRED, ""),
    (
        {f"{DEV}.watchdog": {"name": "w", "i6300esb": {"action": "explode"}}},
        f"{DEV}.watchdog.i6300esb.action",
        UNSUPPORTED,
        "reset",
    ),
    (
        {f"{DEV}.watchdog": {"name": "w", "diag288": {}}},
        f"{DEV}.watchdog.diag288",
        FORBIDDEN,
        "no diag288 on amd64; use i6300esb",
    ),
    (
        S390X | {f"{DEV}.watchdog": {"name": "w", "i6300esb": {"action": "reset"}}},
        f"{DEV}.watchdog.i6300esb",
        FORBIDDEN,
        "no i6300esb on s390x; use diag288",
    ),
    (
        S390X | {f"{DEV}.watchdog": {"name": "w", "diag288": {"action": "bark"}}},
        f"{DEV}.watchdog.diag288.action",
        UNSUPPORTED,
        "poweroff",
    ),
    (ARM | {f"{DEV}.watchdog": {"name": "w"}}, f"{DEV}.watchdog", FORBIDDEN, "no watchdog on arm64"),
    ({f"{DEV}.sound": {"name": ""}}, f"{DEV}.sound.name", REQUIRED, ""),
    ({f"{DEV}.sound": {"name": "s", "model": "sb16"}}, f"{DEV}.sound.model", UNSUPPORTED, "ich9"),
    ({f"{DEV}.video": {"type": "qxl"}}, f"{DEV}.video.type", UNSUPPORTED, "bochs"),
    ({f"{DEV}.video": {}}, f"{DEV}.video.type", UNSUPPORTED, "virtio"),
    (ARM | {f"{DEV}.video": {"type": "vga"}}, f"{DEV}.video.type", UNSUPPORTED, '"virtio", "ramfb"'),
    (S390X | {f"{DEV}.video": {"type": "ramfb"}}, f"{DEV}.video.type", UNSUPPORTED, '"virtio"'),
    (
        {f"{DEV}.video": {"type": "vga"}, f"{DEV}.autoattachGraphicsDevice": False},
        f"{DEV}.video",
        FORBIDDEN,
        "remove one of the two",
    ),
    ({f"{DEV}.panicDevices": [{}, {"model": "loud"}]}, f"{DEV}.panicDevices[1].model", UNSUPPORTED, "pvpanic"),
    (S390X | {f"{DEV}.panicDevices": [{"model": "isa"}]}, f"{DEV}.panicDevices", FORBIDDEN, "its own way"),
]


@pytest.mark.parametrize("case", CASES)
def test_a_device_that_cannot_be_is_refused(case: Case) -> None:
    expect(case)


RIGHT: list[Object] = [
    {f"{DEV}.inputs": [TABLET, {"name": "b", "type": "tablet", "bus": "virtio"}]},
    {f"{DEV}.watchdog": {"name": "w"}},
    {f"{DEV}.watchdog": {"name": "w", "i6300esb": {"action": "poweroff"}}},
    S390X | {f"{DEV}.watchdog": {"name": "w", "diag288": {"action": "shutdown"}}},
    {f"{DEV}.sound": {"name": "s", "model": "ac97"}},
    {f"{DEV}.video": {"type": "bochs"}, f"{DEV}.autoattachGraphicsDevice": True},
    ARM | {f"{DEV}.video": {"type": "ramfb"}},
    S390X | {f"{DEV}.video": {"type": "virtio"}},
    {f"{DEV}.panicDevices": [{"model": "hyperv"}, {"model": "isa"}, {"model": "pvpanic"}]},
    {f"{DEV}.autoattachVSOCK": False},
]


@pytest.mark.parametrize("edits", RIGHT)
def test_a_device_that_can_be_is_accepted(edits: Object) -> None:
    expect_right(edits)


@pytest.mark.parametrize(
    ("edits", "field", "gate"),
    [
        ({f"{DEV}.autoattachVSOCK": True}, f"{DEV}.autoattachVSOCK", "VSOCK"),
        ({f"{DEV}.downwardMetrics": {}}, f"{DEV}.downwardMetrics", "DownwardMetrics"),
    ],
)
def test_a_device_behind_a_gate_is_refused_until_it_is_on(edits: Object, field: str, gate: str) -> None:
    expect((edits, field, FORBIDDEN, f"the feature gate {gate} is off"))
    expect_right(edits, gates(gate))
