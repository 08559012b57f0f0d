"""What a preference requires must be offered by the instance type or the machine itself."""

from typing import Any

import pytest

from kube.instancetypes.requirements import unmet

Object = dict[str, Any]
LARGE: Object = {"cpu": {"guest": 4}, "memory": {"guest": "4Gi"}}
SMALL: Object = {"cpu": {"guest": 1}, "memory": {"guest": "1Gi"}}
CPU, MEMORY = "template.spec.domain.cpu", "template.spec.domain.memory"


def requiring(topology: str | None = None, **required: Any) -> Object:
    return {"cpu": {"preferredCPUTopology": topology}, "requirements": required}


def spec(**domain: Any) -> Object:
    return {"architecture": "amd64", "domain": domain}


@pytest.mark.parametrize(
    ("instancetype", "preference", "own", "paths"),
    [
        (LARGE, requiring(cpu={"guest": 4}), spec(), []),
        (SMALL, requiring(cpu={"guest": 2}), spec(cpu={"sockets": 8}), ["instancetype"]),
        (None, requiring(cpu={"guest": 2}), spec(cpu={"sockets": 2}), []),
        (None, requiring(cpu={"guest": 2}), spec(), [f"{CPU}.sockets"]),
        (None, requiring(cpu={"guest": 2}), spec(cpu={"cores": 2}), [f"{CPU}.sockets"]),
        (None, requiring("cores", cpu={"guest": 2}), spec(cpu={"cores": 2}), []),
        (None, requiring("threads", cpu={"guest": 2}), spec(cpu={"cores": 2}), [f"{CPU}.threads"]),
        (None, requiring("any", cpu={"guest": 4}), spec(cpu={"cores": 2, "threads": 2}), []),
        (None, requiring("spread", cpu={"guest": 8}), spec(cpu={"sockets": 2}), [f"{CPU}.sockets", f"{CPU}.cores"]),
        (None, requiring("spread", cpu={"guest": 4}), spec(cpu={"sockets": 2, "cores": 2}), []),
        (None, requiring(memory={"guest": "2Gi"}), spec(memory={"guest": "2048Mi"}), []),
        (None, requiring(memory={"guest": "2Gi"}), spec(memory={"guest": "1Gi"}), [MEMORY]),
        (None, requiring(memory={"guest": "2Gi"}), spec(), [MEMORY]),
        (SMALL, requiring(memory={"guest": "2Gi"}), spec(), ["instancetype"]),
        (LARGE, requiring(memory={"guest": "2Gi"}), spec(), []),
        (None, requiring(architecture="arm64"), spec(), ["template.spec.architecture"]),
        (None, requiring(architecture="amd64"), spec(), []),
        (None, None, spec(), []),
        (
            SMALL,
            requiring(cpu={"guest": 2}, memory={"guest": "2Gi"}, architecture="arm64"),
            spec(),
            ["instancetype", "instancetype", "template.spec.architecture"],
        ),
    ],
)
def test_all_that_is_not_met_is_told(
    instancetype: Object | None, preference: Object | None, own: Object, paths: list[str]
) -> None:
    assert [each.path for each in unmet(instancetype, preference, own)] == paths
