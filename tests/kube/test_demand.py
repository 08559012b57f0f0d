"""What an instance takes of a node."""

from decimal import Decimal
from typing import Any

import pytest

from kube.configuration import Configuration
from kube.demand import limits, requests

GI = Decimal(2**30)


def instance(**domain: Any) -> dict[str, Any]:
    return {"spec": {"domain": domain}}


@pytest.mark.parametrize(
    ("domain", "requested", "limited"),
    [
        ({"memory": {"guest": "1Gi"}}, ("0.1", GI), ("1", GI)),
        ({"memory": {"guest": "1Gi"}, "cpu": {"sockets": 2, "cores": 2, "threads": 2}}, ("0.8", GI), ("8", GI)),
        ({"memory": {"guest": "1Gi"}, "cpu": {"cores": 4, "dedicatedCpuPlacement": True}}, ("4", GI), ("4", GI)),
        (
            {"memory": {"guest": "1Gi"}, "resources": {"requests": {"cpu": "500m", "memory": "2Gi"}}},
            ("0.5", 2 * GI),
            ("1", 2 * GI),
        ),
        (
            {"memory": {"guest": "1Gi"}, "resources": {"limits": {"cpu": "3", "memory": "4Gi"}}},
            ("0.1", GI),
            ("3", 4 * GI),
        ),
        ({}, ("0.1", 0), ("1", 0)),
    ],
    ids=["its guest", "all its CPUs", "dedicated CPUs", "its requests", "its limits", "nothing said"],
)
def test_what_is_said_counts_and_else_the_hardware(
    domain: dict[str, Any], requested: tuple[str, Decimal], limited: tuple[str, Decimal]
) -> None:
    assert requests(instance(**domain)) == {"cpu": Decimal(requested[0]), "memory": requested[1]}
    assert limits(instance(**domain)) == {"cpu": Decimal(limited[0]), "memory": limited[1]}


OVERCOMMITTED = Configuration({"developerConfiguration": {"memoryOvercommit": 200, "cpuAllocationRatio": 4}})


@pytest.mark.parametrize(
    ("domain", "cpu", "memory"),
    [
        ({"memory": {"guest": "1Gi"}, "cpu": {"cores": 2}}, "0.5", GI / 2),
        ({"memory": {"guest": "1Gi", "hugepages": {"pageSize": "2Mi"}}}, "0.25", GI),
        ({"memory": {"guest": "1Gi"}, "resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}, "1", GI),
        ({"memory": {"guest": "1Gi"}, "cpu": {"cores": 2, "dedicatedCpuPlacement": True}}, "2", GI / 2),
    ],
    ids=["its guest", "huge pages", "its requests", "dedicated CPUs"],
)
def test_the_configuration_says_how_much_less_than_the_hardware_is_set_aside(
    domain: dict[str, Any], cpu: str, memory: Decimal
) -> None:
    assert requests(instance(**domain), OVERCOMMITTED) == {"cpu": Decimal(cpu), "memory": memory}
