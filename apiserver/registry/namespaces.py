"""Objects are created only in namespaces that exist and are not on their way out (NamespaceLifecycle admission)."""

from apiserver.machinery import errors
from apiserver.machinery.resource import Object, Resource
from apiserver.registry.codec import hub_object
from apiserver.storage.contract import Key, NotFoundError, Store

NAMESPACES = "namespaces"


async def require_active_namespace(store: Store, namespace: str, resource: Resource, obj: Object) -> None:
    """Raise 404 when the namespace of a new object does not exist, 403 when it is terminating."""
    try:
        found = hub_object(await store.get(Key(NAMESPACES, "", namespace)))
    except NotFoundError as missing:
        raise errors.not_found("", NAMESPACES, namespace) from missing
    if "deletionTimestamp" in found["metadata"]:
        refused = errors.forbidden_object(
            resource.group,
            resource.plural,
            _name(obj),
            f"unable to create new content in namespace {namespace} because it is being terminated",
        )
        message = f"namespace {namespace} is being terminated"
        refused.details["causes"] = [
            {"reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace"}
        ]
        raise refused


def _name(obj: Object) -> str:
    """Return what a refusal calls an object that has not been judged yet."""
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict):
        return "Unknown"
    return str(metadata.get("name") or metadata.get("generateName") or "Unknown")
