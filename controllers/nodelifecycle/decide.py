"""What a node's lease says about it: pure functions of the node, its lease, its instances and the time.

Source: Kubernetes' node lifecycle controller (the 40 s grace period, ``NodeStatusUnknown``) and KubeVirt's node
controller (the label and the reason ``NodeUnresponsive``). Guests are left alone: a node that cannot be reached may
still run them.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from kube.conditions import get_condition, set_condition
from kube.instances import is_final, phase_of
from kube.nodes import SCHEDULABLE_LABEL
from kube.objects import Object

GRACE = timedelta(seconds=40)
PRECISION = timedelta(seconds=1)
"""Revocations are noted in whole seconds."""
UNRESPONSIVE = "NodeUnresponsive"
UNRESPONSIVE_ANNOTATION = "virtplane.io/unresponsive-since"
"""Remembers that it was this controller who took the label away, so that it may give it back."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A renewal of a node's lease, and when this controller saw it.

    Clocks of different hosts are not compared, and what was not renewed while no controller looked is not held
    against the node: what counts is when the lease was seen to change.
    """

    renewal: str
    at: datetime
    follows: bool
    """Whether it followed another that was seen, which shows that the node lives; the first shows nothing."""


def sighting(before: Sighting | None, node: Object, lease: Object | None, now: datetime) -> Sighting:
    """Return the newest renewal of the node, with the moment ``now`` when it was not seen ``before``."""
    renewal = (lease or {}).get("spec", {}).get("renewTime") or node["metadata"]["uid"]
    if before is not None and before.renewal == renewal:
        return before
    return Sighting(renewal, now, follows=before is not None)


def time_left(seen: Sighting, now: datetime, revoked: datetime | None = None) -> float:
    """Return the seconds until the node counts as not responding; not positive when it does already.

    One that has not been heard of since it was ``revoked`` cannot be, so nobody waits for it.
    """
    if revoked is not None and seen.at - PRECISION < revoked:
        return 0
    return (seen.at + GRACE - now).total_seconds()


def lost_node_status(node: Object, now: datetime) -> Object:
    """Return the status of a node that does not respond."""
    status = node.get("status", {})
    new = {
        "type": "Ready",
        "status": "Unknown",
        "reason": "NodeStatusUnknown",
        "message": "The node agent stopped renewing the node's lease.",
    }
    before = get_condition(status.get("conditions", ()), "Ready")
    if before is not None and before["status"] == "Unknown":
        return status
    return _with_condition(node, new, now)


def lost_node_metadata(node: Object, stamp: str) -> Object | None:
    """Return the merge patch that keeps instances away from the node, or None when there is nothing to change."""
    metadata = node["metadata"]
    if metadata.get("labels", {}).get(SCHEDULABLE_LABEL) != "true":
        return None
    return _patch(node, label="false", since=stamp)


def found_node_metadata(node: Object) -> Object | None:
    """Return the merge patch that lets instances onto a node that is back, or None when there is nothing to change."""
    if UNRESPONSIVE_ANNOTATION not in node["metadata"].get("annotations", {}):
        return None
    return _patch(node, label="true", since=None)


def lost_instance_status(instance: Object, now: datetime) -> Object | None:
    """Return the status of an instance whose node does not respond, or None when it is to stay as it is."""
    if is_final(instance) or _blames_node(instance):
        return None
    message = "The node does not respond; the guest may still be running."
    new = {"type": "Ready", "status": "False", "reason": UNRESPONSIVE, "message": message}
    return _with_condition(instance, new, now)


def found_instance_status(instance: Object, now: datetime) -> Object | None:
    """Return the status of an instance whose node is back, or None; its agent corrects what it knows better."""
    if phase_of(instance) != "Running" or not _blames_node(instance):
        return None
    return _with_condition(instance, {"type": "Ready", "status": "True"}, now)


def _blames_node(instance: Object) -> bool:
    ready = get_condition(instance.get("status", {}).get("conditions", ()), "Ready")
    return ready is not None and ready.get("reason") == UNRESPONSIVE


def _with_condition(obj: Object, new: Object, now: datetime) -> Object:
    status = obj.get("status", {})
    return {**status, "conditions": set_condition(status.get("conditions", ()), new, now)}


def _patch(node: Object, *, label: str, since: str | None) -> Object:
    return {
        "metadata": {
            "resourceVersion": node["metadata"]["resourceVersion"],
            "labels": {SCHEDULABLE_LABEL: label},
            "annotations": {UNRESPONSIVE_ANNOTATION: since},
        }
    }
