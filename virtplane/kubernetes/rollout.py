"""Whether what Kubernetes runs is as it was asked for, and if not, why: pure."""

from collections.abc import Iterator

from client.kinds import API_SERVICE, DAEMON_SET, DEPLOYMENT
from kube.conditions import get_condition, is_true
from kube.objects import Object

_STARTING = {"ContainerCreating", "PodInitializing"}
"""Why a container waits that is about to run."""


def unready(obj: Object) -> str | None:
    """Return what a Deployment, a DaemonSet or an APIService waits for, or None once it is ready.

    Source: ``kubectl rollout status`` (``k8s.io/kubectl/pkg/polymorphichelpers/rollout_status.go``).
    """
    status = obj.get("status", {})
    if obj["kind"] == API_SERVICE.kind:
        return _unavailable(status)
    if status.get("observedGeneration", 0) < obj["metadata"].get("generation", 0):
        return "nobody has begun with it"
    if obj["kind"] == DEPLOYMENT.kind:
        return _deployment(obj["spec"].get("replicas", 1), status)
    if obj["kind"] == DAEMON_SET.kind:
        wanted = status.get("desiredNumberScheduled", 0)
        return _behind(wanted, status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0))
    raise ValueError(f"{obj['kind']} is nothing that rolls out")


def troubles(pod: Object) -> Iterator[str]:
    """Yield why a pod does not run, as far as it is more than that it has only just been made."""
    status = pod.get("status", {})
    scheduled = get_condition(status.get("conditions", ()), "PodScheduled")
    if scheduled is not None and scheduled["status"] == "False":
        yield _told(scheduled)
    for container in status.get("containerStatuses", ()):
        waiting = container.get("state", {}).get("waiting")
        if waiting is None or waiting.get("reason") in _STARTING:
            continue
        ended = container.get("lastState", {}).get("terminated", {})
        yield _told({**waiting, "message": ended.get("message") or waiting.get("message", "")})


def _deployment(wanted: int, status: Object) -> str | None:
    progressing = get_condition(status.get("conditions", ()), "Progressing")
    if progressing is not None and progressing.get("reason") == "ProgressDeadlineExceeded":
        return _told(progressing)
    updated = status.get("updatedReplicas", 0)
    if (old := status.get("replicas", 0) - updated) > 0 and updated >= wanted:
        return f"{old} of the version before are still ending"
    return _behind(wanted, updated, status.get("availableReplicas", 0))


def _behind(wanted: int, updated: int, available: int) -> str | None:
    if updated < wanted:
        return f"{updated} of {wanted} are of this version"
    return f"{available} of {wanted} are available" if available < wanted else None


def _unavailable(status: Object) -> str | None:
    conditions = status.get("conditions", ())
    if is_true(conditions, "Available"):
        return None
    found = get_condition(conditions, "Available")
    return "nobody has looked at it" if found is None else _told(found)


def _told(said: Object) -> str:
    return ": ".join(filter(None, (said.get("reason"), (said.get("message") or "").strip())))
