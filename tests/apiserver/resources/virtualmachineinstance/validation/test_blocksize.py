"""Rules of the sizes of blocks."""

import pytest

from tests.apiserver.resources.virtualmachineinstance.validation.specs import (
    FORBIDDEN,
    INVALID,
    Case,
    Object,
    expect,
    expect_right,
)

SIZE, FIELD = "domain.devices.disks.0.blockSize", "domain.devices.disks[0].blockSize"
BUS = "domain.devices.disks.0.disk.bus"


def custom(logical: int, physical: int, **more: int) -> Object:
    return {f"{SIZE}.custom": {"logical": logical, "physical": physical, **more}}


CASES: list[Case] = [
    (custom(256, 4096), f"{FIELD}.custom.logical", INVALID, "a power of two from 512 to 2097152"),
    (custom(512, 4194304), f"{FIELD}.custom.physical", INVALID, "a power of two"),
    (custom(1000, 4096), f"{FIELD}.custom.logical", INVALID, "a power of two"),
    (custom(512, 5000), f"{FIELD}.custom.physical", INVALID, "a power of two"),
    ({f"{SIZE}.custom": {"logical": 512}}, f"{FIELD}.custom.physical", INVALID, "a power of two"),
    (custom(4096, 512), f"{FIELD}.custom.logical", INVALID, "at most the physical size, 512"),
    ({**custom(4096, 4096), BUS: "sata"}, f"{FIELD}.custom.logical", INVALID, "logical blocks of 512"),
    (
        custom(4096, 4096, discardGranularity=6000),
        f"{FIELD}.custom.discardGranularity",
        INVALID,
        "a multiple of the logical size, 4096",
    ),
    ({**custom(512, 512), f"{SIZE}.matchVolume": {}}, FIELD, FORBIDDEN, "remove one"),
    ({**custom(512, 512), f"{SIZE}.matchVolume": {"enabled": True}}, FIELD, FORBIDDEN, "custom and matchVolume"),
]


@pytest.mark.parametrize("case", CASES)
def test_sizes_that_cannot_be_are_refused(case: Case) -> None:
    expect(case)


RIGHT: list[Object] = [
    custom(512, 2097152),
    custom(4096, 4096, discardGranularity=8192),
    custom(512, 4096, discardGranularity=0),
    {**custom(512, 4096), BUS: "sata"},
    {**custom(512, 512), f"{SIZE}.matchVolume": {"enabled": False}},
    {f"{SIZE}.matchVolume": {}},
]


@pytest.mark.parametrize("edits", RIGHT)
def test_sizes_that_can_be_are_accepted(edits: Object) -> None:
    expect_right(edits)
