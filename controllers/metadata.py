"""Reading and changing metadata: owners, finalizers, deletion; and patches that undo nobody's work."""

from client.store import Object

INSTANCE_FINALIZER = "kubevirt.io/foregroundDeleteVirtualMachine"
"""On an instance until its domain is gone."""
MACHINE_FINALIZER = "kubevirt.io/virtualMachineControllerFinalize"
"""On a machine until its instance is gone, and on that instance until its end is recorded."""


def is_terminating(obj: Object) -> bool:
    """Return True when the object's deletion was asked for."""
    return "deletionTimestamp" in obj["metadata"]


def has_finalizer(obj: Object, finalizer: str) -> bool:
    """Return True when ``finalizer`` holds the object."""
    return finalizer in obj["metadata"].get("finalizers", ())


def is_final(instance: Object) -> bool:
    """Return True when the guest has ended for good."""
    return phase_of(instance) in ("Succeeded", "Failed")


def phase_of(instance: Object) -> str:
    """Return the phase; unset is the empty string."""
    return instance.get("status", {}).get("phase", "")


def node_of(instance: Object) -> str:
    """Return the node that the instance is bound to, or the empty string."""
    return instance.get("status", {}).get("nodeName", "")


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
    somebody else wrote meanwhile. Values are replaced whole; nested objects that lose fields are not expected.
    """
    old = obj.get("status", {})
    changes: Object = {name: value for name, value in status.items() if name not in old or old[name] != value}
    changes |= dict.fromkeys(old.keys() - status.keys())
    return {"metadata": _version(obj), "status": changes} if changes else None


def _finalizers(obj: Object, finalizers: list[str]) -> Object:
    return {"metadata": {**_version(obj), "finalizers": finalizers}}


def _version(obj: Object) -> Object:
    return {"resourceVersion": obj["metadata"]["resourceVersion"]}
