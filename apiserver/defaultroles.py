"""Makes the default roles and bindings when a server starts, and adds to them what a newer release has.

Source: ``k8s.io/kubernetes/pkg/registry/rbac/reconciliation``: what an administrator added stays, what was taken away
comes back, and an object annotated ``rbac.authorization.kubernetes.io/autoupdate: "false"`` is left alone.
"""

import asyncio
from collections.abc import Awaitable, Callable
from copy import deepcopy
from functools import partial

from apiserver.auth.policy import AUTOUPDATE, CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES
from apiserver.auth.roles import GROUP
from apiserver.auth.rules import Rule, not_covered
from apiserver.http.api import Api
from apiserver.machinery.errors import StatusError
from apiserver.machinery.resource import Object, Resource
from apiserver.registry import deleting, reading, writing
from apiserver.registry.codec import hub_object
from apiserver.registry.options import DeleteOptions, WriteOptions

ATTEMPTS = 5
"""How often a change is tried again that another replica, or an administrator, came before."""


async def ensure_default_roles(api: Api, write: Callable[[], WriteOptions]) -> None:
    """Bring all defaults to what this release has; ``write`` gives the options to do so. Raises StatusError."""
    for plural, defaults in (("clusterroles", CLUSTER_ROLES), ("clusterrolebindings", CLUSTER_ROLE_BINDINGS)):
        resource = api.resources[GROUP, plural]
        # Together: storage commits them as a group.
        await asyncio.gather(*(_until_settled(partial(_ensure, api, resource, default, write)) for default in defaults))


async def _until_settled(change: Callable[[], Awaitable[None]]) -> None:
    for attempt in range(ATTEMPTS):
        try:
            await change()
        except StatusError as refused:
            if refused.reason not in {"Conflict", "AlreadyExists", "NotFound"} or attempt == ATTEMPTS - 1:
                raise
        else:
            return


async def _ensure(api: Api, resource: Resource, default: Object, write: Callable[[], WriteOptions]) -> None:
    name = default["metadata"]["name"]
    try:
        found = hub_object(await reading.get(resource, api.store, "", name))
    except StatusError as absent:
        if absent.reason != "NotFound":
            raise
        await writing.create(resource, api.store, "", deepcopy(default), write())
        return
    wanted = merged(found, default)
    if wanted is None:
        return
    if wanted.get("roleRef") != found.get("roleRef"):
        await deleting.delete(resource, api.store, "", name, DeleteOptions(), write())
        await writing.create(resource, api.store, "", deepcopy(default), write())
        return
    await writing.update(resource, api.store, "", name, wanted, write(), _may_create)


async def _may_create(_: Object) -> None:
    """Allow what has gone in the meantime to be made again."""


def merged(found: Object, default: Object) -> Object | None:
    """Return what is ``found`` with what it lacks of the ``default``, or None where it lacks nothing."""
    if (found["metadata"].get("annotations") or {}).get(AUTOUPDATE) == "false":
        return None
    wanted = deepcopy(found)
    for field in ("labels", "annotations"):
        wanted["metadata"][field] = (found["metadata"].get(field) or {}) | default["metadata"][field]
    if "rules" in default:
        held = list(map(Rule.of, found.get("rules") or ()))
        lacking = [each.policy() for each in not_covered(map(Rule.of, default["rules"]), held)]
        wanted["rules"] = [*(found.get("rules") or ()), *lacking]
    if "aggregationRule" in default:
        wanted.setdefault("aggregationRule", default["aggregationRule"])
    if "roleRef" in default:
        wanted["roleRef"] = default["roleRef"]
        present = found.get("subjects") or []
        wanted["subjects"] = [*present, *(each for each in default["subjects"] if each not in present)]
    return None if wanted == found else wanted
