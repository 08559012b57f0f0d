"""What becomes of an object, given how its owners stand. Pure.

Source: ``attemptToDeleteItem`` in ``k8s.io/kubernetes/pkg/controller/garbagecollector``; Kubernetes' "Owners and
dependents" and "Cascading deletion".
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from kube.metadata import FOREGROUND_FINALIZER, ORPHAN_FINALIZER, has_finalizer, is_terminating
from kube.objects import Object


class Standing(Enum):
    """How an owner stands."""

    SOLID = "it exists"
    WAITING = "it exists until its dependents are gone"
    ABSENT = "it does not exist: no object has its name, or one with another uid has"
    UNKNOWN = "its kind is not served, or it cannot own the object: nobody can say"


@dataclass(frozen=True, slots=True)
class Keep:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class Disown:
    """Keep the object; take these owners off it, so that those who wait for it wait no longer."""

    uids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the object."""

    propagation_policy: str
    unblock: bool = False
    """First let no owner wait for it any more, which breaks a circle of owners that wait for each other."""


Action = Keep | Disown | Delete


def standing_of(owner: Object, uid: str) -> Standing:
    """Return how the object stands that has the name of the owner with this uid."""
    if owner["metadata"]["uid"] != uid:
        return Standing.ABSENT
    return Standing.WAITING if waits_for_dependents(owner) else Standing.SOLID


def decide(obj: Object, standings: Sequence[Standing], dependents: Iterable[Object]) -> Action:
    """Return what to do with ``obj``, whose owners stand as ``standings`` says, in their order."""
    if not standings or Standing.UNKNOWN in standings:
        return Keep()
    owners = obj["metadata"]["ownerReferences"]
    if Standing.SOLID in standings:
        others = [owner["uid"] for owner, each in zip(owners, standings, strict=True) if each is not Standing.SOLID]
        return Disown(frozenset(others)) if others else Keep()
    known = list(dependents)
    if Standing.WAITING in standings and known:
        return Delete("Foreground", unblock=any(waits_for_dependents(each) for each in known))
    if has_finalizer(obj, ORPHAN_FINALIZER):
        return Delete("Orphan")
    return Delete("Foreground" if has_finalizer(obj, FOREGROUND_FINALIZER) else "Background")


def waits_for_dependents(obj: Object) -> bool:
    """Return True while an object is being deleted in the foreground."""
    return is_terminating(obj) and has_finalizer(obj, FOREGROUND_FINALIZER)


def waits_to_orphan(obj: Object) -> bool:
    """Return True while an object is being deleted and its dependents are to stay."""
    return is_terminating(obj) and has_finalizer(obj, ORPHAN_FINALIZER)


def blocks(obj: Object, uid: str) -> bool:
    """Return True when the owner with this uid waits for ``obj`` in its foreground deletion."""
    owners = obj["metadata"].get("ownerReferences", ())
    return any(owner["uid"] == uid and owner.get("blockOwnerDeletion") for owner in owners)


def unblocked(before: Iterable[Object], after: Iterable[Object]) -> list[Object]:
    """Return the owners in ``before`` that waited for their dependent and, by ``after``, no longer do."""
    blocking = {owner["uid"] for owner in after if owner.get("blockOwnerDeletion")}
    return [owner for owner in before if owner.get("blockOwnerDeletion") and owner["uid"] not in blocking]


def disowning(obj: Object, uids: Iterable[str]) -> Object:
    """Return the merge patch that takes owners off; a conflict when the object changed meanwhile."""
    gone = set(uids)
    return _owners(obj, [owner for owner in obj["metadata"].get("ownerReferences", ()) if owner["uid"] not in gone])


def unblocking(obj: Object) -> Object:
    """Return the merge patch that lets no owner wait for the object; a conflict when the object changed meanwhile."""
    return _owners(obj, [{**owner, "blockOwnerDeletion": False} for owner in obj["metadata"]["ownerReferences"]])


def _owners(obj: Object, owners: list[Object]) -> Object:
    version = {"uid": obj["metadata"]["uid"], "resourceVersion": obj["metadata"]["resourceVersion"]}
    return {"metadata": {**version, "ownerReferences": owners or None}}
