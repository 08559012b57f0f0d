"""What is ready, and what is said of what is not."""

from typing import Any

import pytest

from virtplane.kubernetes.rollout import troubles, unready


def obj(kind: str, status: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"generation": 2}, "spec": spec, "status": {"observedGeneration": 2, **status}}


def condition(kind: str, status: str, reason: str = "", message: str = "") -> dict[str, Any]:
    return {"conditions": [{"type": kind, "status": status, "reason": reason, "message": message}]}


DONE = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
CASES = [
    (obj("Deployment", DONE, replicas=2), None),
    (obj("Deployment", {**DONE, "observedGeneration": 1}, replicas=2), "nobody has begun with it"),
    (obj("Deployment", {"replicas": 2, "updatedReplicas": 1}, replicas=2), "1 of 2 are of this version"),
    (obj("Deployment", {**DONE, "replicas": 3}, replicas=2), "1 of the version before are still ending"),
    (obj("Deployment", {**DONE, "availableReplicas": 1}, replicas=2), "1 of 2 are available"),
    (obj("Deployment", {}, replicas=0), None),
    (
        obj(
            "Deployment", {**DONE, **condition("Progressing", "False", "ProgressDeadlineExceeded", "late")}, replicas=2
        ),
        "ProgressDeadlineExceeded: late",
    ),
    (obj("DaemonSet", {"desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 3}), None),
    (
        obj("DaemonSet", {"desiredNumberScheduled": 3, "updatedNumberScheduled": 1, "numberAvailable": 3}),
        "1 of 3 are of this version",
    ),
    (obj("DaemonSet", {"desiredNumberScheduled": 3, "updatedNumberScheduled": 3}), "0 of 3 are available"),
    (obj("APIService", condition("Available", "True", "Passed")), None),
    (obj("APIService", condition("Available", "False", "MissingEndpoints", "none")), "MissingEndpoints: none"),
    (obj("APIService", {}), "nobody has looked at it"),
]


@pytest.mark.parametrize(("given", "why"), CASES)
def test_what_is_waited_for(given: dict[str, Any], why: str | None) -> None:
    assert unready(given) == why


def container(reason: str, message: str = "", ended: str = "") -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return {"state": state, "lastState": {"terminated": {"message": ended}} if ended else {}}


PODS = [
    ({}, []),
    ({"containerStatuses": [{"state": {"running": {}}}]}, []),
    ({"containerStatuses": [container("ContainerCreating")]}, []),
    ({"containerStatuses": [container("ErrImagePull", "no such image")]}, ["ErrImagePull: no such image"]),
    (
        {"containerStatuses": [container("CrashLoopBackOff", "back-off 10s", "the database cannot be used\n")]},
        ["CrashLoopBackOff: the database cannot be used"],
    ),
    (condition("PodScheduled", "False", "Unschedulable", "0/2 nodes"), ["Unschedulable: 0/2 nodes"]),
    (condition("PodScheduled", "True"), []),
]


@pytest.mark.parametrize(("status", "told"), PODS)
def test_why_a_pod_does_not_run(status: dict[str, Any], told: list[str]) -> None:
    assert list(troubles({"status": status})) == told
