"""Objects are created only in namespaces that exist and are not on their way out (NamespaceLifecycle admission)."""

from apiserver.machinery import errors
from apiserver.registry.codec import hub_object
from apiserver.storage.contract import Key, NotFoundError, Store

NAMESPACES = "namespaces"


async def require_active_namespace(store: Store, name: str) -> None:
    """Raise 404 when the namespace does not exist, 403 when it is terminating."""
    try:
        namespace = hub_object(await store.get(Key(NAMESPACES, "", name)))
    except NotFoundError as missing:
        raise errors.not_found("", NAMESPACES, name) from missing
    if "deletionTimestamp" in namespace["metadata"]:
        raise errors.forbidden(
            f'unable to create new content in namespace "{name}" because it is being terminated',
            resource=NAMESPACES,
            name=name,
        )
