"""The kinds that the server serves: one module a kind, and this list of them."""

from collections.abc import Callable, Iterable

from apiserver.machinery.action import Action
from apiserver.machinery.resource import Resource, Stored
from apiserver.machinery.schema import Catalogue
from apiserver.resources import (
    configmap,
    controllerrevision,
    datasource,
    datavolume,
    event,
    eventsk8s,
    lease,
    limitrange,
    migrationpolicy,
    namespace,
    node,
    persistentvolume,
    persistentvolumeclaim,
    pod,
    podtemplate,
    priorityclass,
    resourcequota,
    secret,
    serviceaccount,
    storageclass,
    tokenrequest,
    virtualmachineclone,
    virtualmachineexport,
    virtualmachineinstancemigration,
    virtualmachineinstancepreset,
    virtualmachineinstancereplicaset,
    virtualmachinepool,
    virtualmachinerestore,
    virtualmachinesnapshot,
    virtualmachinesnapshotcontent,
)
from apiserver.resources.certificatesigningrequest import definition as certificatesigningrequest
from apiserver.resources.certificatesigningrequest.strategy import MayUseSigner
from apiserver.resources.cluster import Cluster
from apiserver.resources.instancetype import instancetypes, preferences
from apiserver.resources.kubevirt import definition as kubevirt
from apiserver.resources.rbac import Check, bindings, roles
from apiserver.resources.reviews import access, identity
from apiserver.resources.virtualmachine import actions as virtualmachine_actions
from apiserver.resources.virtualmachine import definition as virtualmachine
from apiserver.resources.virtualmachineinstance import definition as virtualmachineinstance
from apiserver.resources.virtualmachineinstance import streams

_DEFINITIONS: tuple[Callable[[Catalogue], Resource], ...] = (
    configmap.resource,
    event.resource,
    limitrange.resource,
    namespace.resource,
    node.resource,
    persistentvolume.resource,
    pod.resource,
    podtemplate.resource,
    resourcequota.resource,
    secret.resource,
    serviceaccount.resource,
    controllerrevision.resource,
    lease.resource,
    eventsk8s.resource,
    *access.DEFINITIONS,
    *identity.DEFINITIONS,
    storageclass.resource,
    virtualmachinesnapshotcontent.resource,
    virtualmachineinstancepreset.resource,
    instancetypes.namespaced,
    instancetypes.cluster,
    preferences.namespaced,
    preferences.cluster,
)
_DATA_VOLUMES: tuple[Callable[[Catalogue], Resource], ...] = (
    datavolume.resource,
    datasource.resource,
)
"""Kinds of the containerized data importer, which serves them itself where it is installed."""
_GRANTING: tuple[Callable[[Catalogue, Check], Resource], ...] = (
    bindings.cluster_role_binding,
    roles.cluster_role,
    bindings.role_binding,
    roles.role,
)
"""Kinds that give rights away."""
_CONFIGURED: tuple[Callable[[Catalogue, Cluster], Resource], ...] = (
    persistentvolumeclaim.resource,
    priorityclass.resource,
    kubevirt.resource,
    virtualmachine.resource,
    virtualmachineinstance.resource,
    virtualmachineinstancereplicaset.resource,
    virtualmachineinstancemigration.resource,
    virtualmachinesnapshot.resource,
    virtualmachinerestore.resource,
    virtualmachineclone.resource,
    virtualmachineexport.resource,
    virtualmachinepool.resource,
    migrationpolicy.resource,
)
"""Kinds whose rules depend on how the cluster is configured, or on other objects."""


def resources(
    catalogue: Catalogue,
    stored: Stored,
    *,
    data_volumes: bool = True,
    check_grants: Check = lambda *_: None,
    may_use_signer: MayUseSigner = lambda *_: True,
) -> tuple[Resource, ...]:
    """Return every served resource, with the schemas that ``catalogue`` holds; rules see what is ``stored``.

    ``data_volumes`` is False where somebody else serves ``cdi.kubevirt.io``. ``check_grants`` refuses roles and
    bindings that give away more than their writer has; without it all may be given. ``may_use_signer`` tells who
    approves and signs requests for certificates; without it all do.
    """
    cluster = Cluster(stored)
    plain = (define(catalogue) for define in (*_DEFINITIONS, *(_DATA_VOLUMES if data_volumes else ())))
    granting = (define(catalogue, check_grants) for define in _GRANTING)
    requests = certificatesigningrequest.resource(catalogue, may_use_signer)
    return (*plain, *granting, requests, *(define(catalogue, cluster) for define in _CONFIGURED))


def actions(
    served: Iterable[Resource], stored: Stored, catalogue: Catalogue, issue: tokenrequest.Issue | None = None
) -> tuple[Action, ...]:
    """Return what can be done with objects of the ``served`` kinds beyond reading and writing them.

    ``issue`` makes tokens of ServiceAccounts; None where somebody else does.
    """
    kinds, cluster = {(each.group, each.plural): each for each in served}, Cluster(stored)
    tokens = () if issue is None else (tokenrequest.action(kinds["", "serviceaccounts"], catalogue, stored, issue),)
    return (
        *tokens,
        *virtualmachine_actions.actions(kinds["kubevirt.io", "virtualmachines"], cluster),
        *streams.actions(kinds["kubevirt.io", "virtualmachineinstances"], cluster),
    )
