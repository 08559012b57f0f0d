"""The kinds that the server serves: one module a kind, and this list of them."""

from collections.abc import Callable

from apiserver.machinery.resource import Resource, Stored
from apiserver.machinery.schema import Catalogue
from apiserver.resources import (
    configmap,
    controllerrevision,
    event,
    eventsk8s,
    lease,
    limitrange,
    namespace,
    node,
    persistentvolume,
    persistentvolumeclaim,
    pod,
    priorityclass,
    resourcequota,
    secret,
    serviceaccount,
    storageclass,
)
from apiserver.resources.cluster import Cluster
from apiserver.resources.rbac import bindings, roles
from apiserver.resources.virtualmachine import definition as virtualmachine
from apiserver.resources.virtualmachineinstance import definition as virtualmachineinstance

_DEFINITIONS: tuple[Callable[[Catalogue], Resource], ...] = (
    configmap.resource,
    event.resource,
    limitrange.resource,
    namespace.resource,
    node.resource,
    persistentvolumeclaim.resource,
    persistentvolume.resource,
    pod.resource,
    resourcequota.resource,
    secret.resource,
    serviceaccount.resource,
    controllerrevision.resource,
    lease.resource,
    eventsk8s.resource,
    bindings.cluster_role_binding,
    roles.cluster_role,
    bindings.role_binding,
    roles.role,
    priorityclass.resource,
    storageclass.resource,
)
_CONFIGURED: tuple[Callable[[Catalogue, Cluster], Resource], ...] = (
    virtualmachine.resource,
    virtualmachineinstance.resource,
)
"""Kinds whose rules depend on how the cluster is configured, or on other objects."""


def resources(catalogue: Catalogue, stored: Stored) -> tuple[Resource, ...]:
    """Return every served resource, with the schemas that ``catalogue`` holds; rules see what is ``stored``."""
    cluster = Cluster(stored)
    plain = (define(catalogue) for define in _DEFINITIONS)
    return (*plain, *(define(catalogue, cluster) for define in _CONFIGURED))
