"""Rules of processors, and of those that belong to one guest alone."""

import pytest

from tests.apiserver.resources.virtualmachineinstance.validation.specs import (
    DUPLICATE,
    FORBIDDEN,
    INVALID,
    REQUIRED,
    UNSUPPORTED,
    Case,
    Object,
    expect,
    expect_right,
)

CPU, RESOURCES, MEMORY = "domain.cpu", "domain.resources", "domain.memory"
OWN = f"{CPU}.dedicatedCpuPlacement"
PASS, FIELD_NUMA = f"{CPU}.numa.guestMappingPassthrough", "domain.cpu.numa.guestMappingPassthrough"
HUGE = {f"{MEMORY}.hugepages": {"pageSize": "2Mi"}}
DEDICATED = {OWN: True, f"{CPU}.cores": 2}
NUMA = {**DEDICATED, **HUGE, PASS: {}}


def resources(*, requests: Object | None = None, limits: Object | None = None) -> Object:
    return {RESOURCES: {"requests": requests or {}, "limits": limits or {}}}


CASES: list[Case] = [
    ({f"{CPU}.cores": -1}, f"{CPU}.cores", INVALID, "at least 1"),
    ({f"{CPU}.sockets": -2}, f"{CPU}.sockets", INVALID, "at least 1"),
    ({CPU: {"sockets": 32, "cores": 8, "threads": 4}}, CPU, INVALID, "is 1024; a guest"),
    ({f"{CPU}.cores": 100000}, CPU, INVALID, "at most 512"),
    (
        {f"{CPU}.features": [{"name": "pcid", "policy": "please"}]},
        f"{CPU}.features[0].policy",
        UNSUPPORTED,
        "require",
    ),
    ({f"{CPU}.features": [{"name": "a"}, {"name": "a"}]}, f"{CPU}.features[1].name", DUPLICATE, "a"),
    ({f"{CPU}.features": [{"name": ""}]}, f"{CPU}.features[0].name", REQUIRED, ""),
    ({f"{CPU}.sockets": 5, f"{CPU}.maxSockets": 4}, f"{CPU}.sockets", INVALID, "at most maxSockets, 4"),
    ({f"{CPU}.threads": -1}, f"{CPU}.threads", INVALID, "at least 1"),
    ({f"{CPU}.features": [{"name": "a", "policy": "Require"}]}, f"{CPU}.features[0].policy", UNSUPPORTED, "require"),
    # dedicated
    ({OWN: True, **resources(requests={"cpu": "1500m"})}, f"{RESOURCES}.requests.cpu", INVALID, "a whole number"),
    ({OWN: True, **resources(limits={"cpu": "0.5"})}, f"{RESOURCES}.limits.cpu", INVALID, "a whole number"),
    ({OWN: True, **resources(requests={"cpu": 1}, limits={"cpu": 2})}, OWN, FORBIDDEN, "must be equal"),
    ({**DEDICATED, **resources(requests={"cpu": 3})}, OWN, FORBIDDEN, "the guest has 2 CPUs"),
    ({**DEDICATED, f"{CPU}.sockets": 2, **resources(limits={"cpu": 2})}, OWN, FORBIDDEN, "the guest has 4 CPUs"),
    ({OWN: True, MEMORY: {}}, f"{RESOURCES}.limits.memory", REQUIRED, "how much memory"),
    ({OWN: True, MEMORY: {}, **resources(requests={"cpu": 1})}, f"{RESOURCES}.limits.memory", REQUIRED, "how much"),
    (
        {**DEDICATED, **resources(requests={"memory": "1Gi"}, limits={"memory": "2Gi"})},
        f"{RESOURCES}.requests.memory",
        INVALID,
        "must equal the limit, 2Gi",
    ),
    ({OWN: True, f"{CPU}.threads": 3}, f"{CPU}.threads", INVALID, "at most 2"),
    (
        {OWN: True, f"{CPU}.threads": 2, "architecture": "arm64", "domain.devices.disks": []},
        f"{CPU}.threads",
        INVALID,
        "at most 1",
    ),
    ({f"{CPU}.isolateEmulatorThread": True}, f"{CPU}.isolateEmulatorThread", FORBIDDEN, "dedicatedCpuPlacement: true"),
    # NUMA
    ({**HUGE, PASS: {}}, FIELD_NUMA, FORBIDDEN, "dedicatedCpuPlacement: true"),
    ({**DEDICATED, PASS: {}}, FIELD_NUMA, FORBIDDEN, "needs domain.memory.hugepages"),
    # realtime
    ({**DEDICATED, f"{CPU}.realtime": {}}, FIELD_NUMA, REQUIRED, "realtime needs this"),
    ({**NUMA, f"{CPU}.realtime": {"mask": "all"}}, f"{CPU}.realtime.mask", INVALID, "0-3,^1"),
    ({**NUMA, f"{CPU}.realtime": {"mask": "0-"}}, f"{CPU}.realtime.mask", INVALID, "list CPUs"),
    ({**NUMA, f"{CPU}.realtime": {"mask": "0,,1"}}, f"{CPU}.realtime.mask", INVALID, "list CPUs"),
]


@pytest.mark.parametrize("case", CASES)
def test_processors_that_cannot_be_are_refused(case: Case) -> None:
    expect(case)


RIGHT: list[Object] = [
    {CPU: {"sockets": 0, "cores": 4, "threads": 2, "features": [{"name": "pcid"}]}},
    {f"{CPU}.sockets": 4, f"{CPU}.maxSockets": 4},
    {f"{CPU}.sockets": 4, f"{CPU}.maxSockets": 0},
    {f"{CPU}.features": [{"name": name, "policy": name} for name in ("force", "require", "optional", "disable")]},
    {f"{CPU}.features": [{"name": "a", "policy": "forbid"}, {"name": "b", "policy": ""}, {"name": "c"}]},
    DEDICATED,
    {**DEDICATED, **resources(requests={"cpu": 2}, limits={"cpu": "2000m"})},
    {**DEDICATED, **resources(limits={"cpu": "2", "memory": "1Gi"}, requests={"memory": "1Gi"})},
    {OWN: True, **resources(requests={"cpu": 3})},
    {OWN: True, f"{CPU}.threads": 2, f"{CPU}.isolateEmulatorThread": True},
    {OWN: True, MEMORY: {"hugepages": {"pageSize": "2Mi"}}},
    {OWN: False, **resources(requests={"cpu": "1500m"}), f"{CPU}.threads": 4},
    NUMA,
    {**NUMA, f"{CPU}.realtime": {}},
    {**NUMA, f"{CPU}.realtime": {"mask": "0-3,^1,5"}},
]


@pytest.mark.parametrize("edits", RIGHT)
def test_processors_that_can_be_are_accepted(edits: Object) -> None:
    expect_right(edits)
