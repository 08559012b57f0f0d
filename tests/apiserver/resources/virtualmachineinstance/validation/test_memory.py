"""Rules of memory."""

import pytest

from apiserver.resources.virtualmachineinstance.validation import instance_errors
from kube.configuration import Configuration
from tests.apiserver.resources.virtualmachineinstance.validation.specs import (
    FORBIDDEN,
    INVALID,
    REQUIRED,
    Case,
    Object,
    edited,
    expect,
    expect_right,
    gates,
)

GUEST, RESOURCES, PAGES = "domain.memory.guest", "domain.resources", "domain.memory.hugepages"
SIZE = f"{PAGES}.pageSize"
STAGE = Configuration({"vmRolloutStrategy": "Stage"})

CASES: list[Case] = [
    ({GUEST: "0"}, GUEST, INVALID, "at least 1Mi"),
    ({GUEST: "-64Mi"}, GUEST, INVALID, "at least 1Mi"),
    ({GUEST: "512"}, GUEST, INVALID, "another unit"),
    ({GUEST: 1024}, GUEST, INVALID, "at least 1Mi"),
    ({GUEST: "512MB"}, GUEST, INVALID, "not a quantity"),
    ({GUEST: "17Ti"}, GUEST, INVALID, "at most 16Ti"),
    ({GUEST: "1e300"}, GUEST, INVALID, "at most 16Ti"),
    (
        {f"{RESOURCES}.requests": {"memory": "512Mi"}, f"{RESOURCES}.limits": {"memory": "256Mi"}},
        f"{RESOURCES}.requests.memory",
        INVALID,
        "at most the limit, 256Mi",
    ),
    ({f"{RESOURCES}.requests": {"memory": "1k"}}, f"{RESOURCES}.requests.memory", INVALID, "at least 1M"),
    ({f"{RESOURCES}.requests": {"memory": "99Ti"}}, f"{RESOURCES}.requests.memory", INVALID, "at most 16Ti"),
    ({f"{RESOURCES}.limits": {"memory": "99Ti"}}, f"{RESOURCES}.limits.memory", INVALID, "at most 16Ti"),
    ({f"{RESOURCES}.requests": {"cpu": "many"}}, f"{RESOURCES}.requests.cpu", INVALID, "not a quantity"),
    ({f"{RESOURCES}.requests": {"cpu": "-1"}}, f"{RESOURCES}.requests.cpu", INVALID, "at least 0"),
    (
        {f"{RESOURCES}.requests": {"cpu": "2"}, f"{RESOURCES}.limits": {"cpu": "1500m"}},
        f"{RESOURCES}.requests.cpu",
        INVALID,
        "at most the limit, 1500m",
    ),
    ({GUEST: "1Mi", PAGES: {}}, SIZE, REQUIRED, "such as 2Mi or 1Gi"),
    ({PAGES: {"pageSize": "big"}}, SIZE, INVALID, "not a quantity"),
    ({PAGES: {"pageSize": "0"}}, SIZE, INVALID, "more than 0"),
    ({PAGES: {"pageSize": "-2Mi"}}, SIZE, INVALID, "more than 0"),
    ({GUEST: "128Mi", PAGES: {"pageSize": "1Gi"}}, SIZE, INVALID, "larger than the memory, 128Mi"),
    ({GUEST: "129Mi", PAGES: {"pageSize": "2Mi"}}, SIZE, INVALID, "the memory, 129Mi, must be a multiple"),
    (
        {f"{RESOURCES}.requests": {"memory": "3Mi"}, PAGES: {"pageSize": "2Mi"}},
        SIZE,
        INVALID,
        "3Mi, must be a multiple",
    ),
    (
        {"domain.memory": {"hugepages": {"pageSize": "2Mi"}}, f"{RESOURCES}.limits": {"memory": "5Mi"}},
        SIZE,
        INVALID,
        "5Mi, must be a multiple",
    ),
    ({GUEST: "1Gi", PAGES: {"pageSize": "7e-900"}}, SIZE, INVALID, "1Gi, must be a multiple"),
    (
        {"domain.memory.reservedOverhead": {}},
        "domain.memory.reservedOverhead",
        FORBIDDEN,
        "ReservedOverheadMemlock is off",
    ),
    (
        {f"{RESOURCES}.requests": {"memory": "2Gi"}, f"{RESOURCES}.limits": {"memory": "1Gi"}},
        f"{RESOURCES}.requests.memory",
        INVALID,
        "at most the limit, 1Gi",
    ),
    ({f"{RESOURCES}.limits": {"memory": "-1Gi"}}, f"{RESOURCES}.limits.memory", INVALID, "at least 0"),
]


@pytest.mark.parametrize("case", CASES)
def test_memory_that_cannot_be_is_refused(case: Case) -> None:
    expect(case)


RIGHT: list[Object] = [
    {GUEST: "16Ti"},
    {GUEST: 2**30},
    {GUEST: "1.5Gi", f"{RESOURCES}.requests": {"memory": "1Gi"}},
    {"domain.memory": {}, f"{RESOURCES}.limits": {"memory": "1Gi", "cpu": 2}},
    {GUEST: "128Mi", PAGES: {"pageSize": "2Mi"}},
    {GUEST: "1Gi", PAGES: {"pageSize": "1Gi"}},
    {"domain.memory": {"hugepages": {"pageSize": "2Mi"}}},
    {GUEST: "1Gi", f"{RESOURCES}.limits": {"memory": "512Mi"}},
    {GUEST: "1Gi", f"{RESOURCES}.requests": {"memory": "512Mi"}, f"{RESOURCES}.limits": {"memory": "512Mi"}},
]


@pytest.mark.parametrize("edits", RIGHT)
def test_memory_that_can_be_is_accepted(edits: Object) -> None:
    expect_right(edits)


def test_a_guest_that_cannot_grow_stays_below_its_limit() -> None:
    limited = {GUEST: "1Gi", f"{RESOURCES}.limits": {"memory": "512Mi"}}
    expect((limited, GUEST, INVALID, "at most resources.limits.memory, 512Mi"), STAGE)
    expect_right({GUEST: "512Mi", f"{RESOURCES}.limits": {"memory": "512Mi"}}, STAGE)


def test_overhead_can_be_reserved_while_the_gate_is_on() -> None:
    expect_right({"domain.memory.reservedOverhead": {}}, gates("ReservedOverheadMemlock"))


@pytest.mark.parametrize(
    ("memory", "resources", "told"),
    [
        ({}, {}, True),
        ({"guest": "1Gi"}, {}, False),
        ({"hugepages": {"pageSize": "2Mi"}}, {}, False),
        ({}, {"requests": {"memory": "1Gi"}}, False),
        ({}, {"limits": {"memory": "1Gi"}}, False),
        ({}, {"limits": {"cpu": "1"}}, True),
    ],
)
def test_an_instance_has_memory_said_in_one_way_or_another(memory: Object, resources: Object, told: bool) -> None:
    spec = edited({"domain.memory": memory, RESOURCES: resources})
    found = [(each.field, each.reason) for each in instance_errors(spec, "spec")]
    assert found == ([(f"spec.{GUEST}", REQUIRED)] if told else [])
