"""Reading and changing metadata: owners, finalizers, deletion; and patches that undo nobody's work."""

from kube.objects import Object

FOREGROUND_FINALIZER = "foregroundDeletion"
"""On an object that is deleted once the dependents that block it are gone (``metav1.FinalizerDeleteDependents``)."""
ORPHAN_FINALIZER = "orphan"
"""On an object that is deleted once its dependents no longer name it as their owner (``FinalizerOrphanDependents``)."""


def is_terminating(obj: Object) -> bool:
    """Return True when the object's deletion was asked for."""
    return "deletionTimestamp" in obj["metadata"]


def has_finalizer(obj: Object, finalizer: str) -> bool:
    """Return True when ``finalizer`` holds the object."""
    return finalizer in obj["metadata"].get("finalizers", ())


def controller_of(obj: Object) -> Object | None:
    """Return the owner reference of the controller that manages the object, or None."""
    owners = obj["metadata"].get("ownerReferences", ())
    return next((each for each in owners if each.get("controller")), None)


def adding_finalizer(obj: Object, finalizer: str) -> Object:
    """Return the merge patch that adds ``finalizer``; a conflict when the object changed meanwhile."""
    return _finalizers(obj, [*obj["metadata"].get("finalizers", ()), finalizer])


def removing_finalizer(obj: Object, finalizer: str) -> Object:
    """Return the merge patch that removes ``finalizer``; a conflict when the object changed meanwhile."""
    return _finalizers(obj, [each for each in obj["metadata"].get("finalizers", ()) if each != finalizer])


def status_patch(obj: Object, status: Object) -> Object | None:
    """Return the merge patch that makes ``obj``'s status equal ``status``, or None when it already is.

    It names the resource version that it was computed from, so that it fails with a conflict rather than undo what
    somebody else wrote meanwhile.
    """
    changes = _merge_patch(obj.get("status", {}), status)
    return {"metadata": _version(obj), "status": changes} if changes else None


def _merge_patch(old: Object, new: Object) -> Object:
    """Return the JSON merge patch (RFC 7396) from ``old`` to ``new``: lists whole, null for what goes."""
    patch: Object = dict.fromkeys(old.keys() - new.keys())
    for name, value in new.items():
        before = old.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            if nested := _merge_patch(before, value):
                patch[name] = nested
        elif name not in old or before != value:
            patch[name] = value
    return patch


def _finalizers(obj: Object, finalizers: list[str]) -> Object:
    return {"metadata": {**_version(obj), "finalizers": finalizers}}


def _version(obj: Object) -> Object:
    return {"resourceVersion": obj["metadata"]["resourceVersion"]}
