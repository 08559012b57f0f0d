"""Objects are created only in namespaces that exist and are not on their way out.

Source: the admission plugin NamespaceLifecycle. It asks before the write; here the commit asks again. So nothing that
takes long to be created comes into a namespace after that has been emptied, and stays for ever.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager

from apiserver.machinery import errors
from apiserver.machinery.resource import Object, Resource
from apiserver.registry.codec import hub_object
from apiserver.storage.contract import Along, Key, NotFoundError, Record, StorageError, Store

NAMESPACES = "namespaces"


class _TerminatingError(StorageError):
    """The namespace of what is being created is on its way out."""


async def require_active_namespace(store: Store, namespace: str, resource: Resource, obj: Object) -> None:
    """Raise 404 when the namespace of a new object does not exist, 403 when it is terminating."""
    try:
        found = await store.get(Key(NAMESPACES, "", namespace))
    except NotFoundError as missing:
        raise errors.not_found("", NAMESPACES, namespace) from missing
    if _is_terminating(found):
        raise _terminating(namespace, resource, obj)


@contextmanager
def in_active_namespace(resource: Resource, new: Object) -> Generator[Sequence[Along]]:
    """Give what makes a commit of ``new`` fail as :func:`require_active_namespace` does, and raise that."""
    namespace = new["metadata"].get("namespace", "")
    key = Key(NAMESPACES, "", namespace)
    try:
        yield [Along(key, _refuse_terminating, needed=True)] if resource.namespaced else []
    except _TerminatingError as late:
        raise _terminating(namespace, resource, new) from late
    except NotFoundError as missing:
        if missing.key != key:
            raise
        raise errors.not_found("", NAMESPACES, namespace) from missing


def _refuse_terminating(namespace: Record) -> None:
    if _is_terminating(namespace):
        raise _TerminatingError


def _is_terminating(namespace: Record) -> bool:
    return "deletionTimestamp" in hub_object(namespace)["metadata"]


def _terminating(namespace: str, resource: Resource, obj: Object) -> errors.StatusError:
    refused = errors.forbidden_object(
        resource.group,
        resource.plural,
        _name(obj),
        f"unable to create new content in namespace {namespace} because it is being terminated",
    )
    message = f"namespace {namespace} is being terminated"
    refused.details["causes"] = [{"reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace"}]
    return refused


def _name(obj: Object) -> str:
    """Return what a refusal calls an object that has not been judged yet."""
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict):
        return "Unknown"
    return str(metadata.get("name") or metadata.get("generateName") or "Unknown")
