"""The kinds that the server serves: one module a kind, and this list of them."""

from collections.abc import Callable

from apiserver.machinery.resource import Resource
from apiserver.machinery.schema import Catalogue
from apiserver.resources import configmap, event, lease, namespace, node, secret
from apiserver.resources.virtualmachine import definition as virtualmachine
from apiserver.resources.virtualmachineinstance import definition as virtualmachineinstance

_DEFINITIONS: tuple[Callable[[Catalogue], Resource], ...] = (
    configmap.resource,
    event.resource,
    lease.resource,
    namespace.resource,
    node.resource,
    secret.resource,
    virtualmachine.resource,
    virtualmachineinstance.resource,
)


def resources(catalogue: Catalogue) -> tuple[Resource, ...]:
    """Return every served resource, with the schemas that ``catalogue`` holds."""
    return tuple(define(catalogue) for define in _DEFINITIONS)
