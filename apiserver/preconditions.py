"""What a server that is part of a Kubernetes cluster may do there, and refusing to start without it.

A server that lacks a right would look alive and answer half of all requests wrongly: so it says what is missing and
ends. The roles in ``deploy/`` hold exactly these rights.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar

import structlog

from apiserver.auth import clustertrust
from apiserver.auth.clustertrust import ClusterTrust, ClusterTrustError
from apiserver.registry.clusterobjects import READ, READ_OF_IMPORTER
from client.api import Client
from client.errors import ApiError
from client.kinds import CONFIG_MAP
from client.rights import Right, missing

T = TypeVar("T")

RETRY_SECONDS = 5.0

log = structlog.get_logger(__name__)


class HalfConfiguredError(Exception):
    """The server cannot do its work in this cluster; the message says what is missing."""


def needed(*, importer: bool) -> Iterator[Right]:
    """Yield every right; ``importer`` says that the containerized data importer serves its kinds itself."""
    yield Right("create", "authentication.k8s.io", "tokenreviews")
    yield Right("create", "authorization.k8s.io", "subjectaccessreviews")
    for verb in ("get", "list", "watch"):
        yield Right(verb, "", "configmaps", clustertrust.NAMESPACE, clustertrust.NAME)
        for kind in (*READ, *(READ_OF_IMPORTER if importer else ())):
            yield Right(verb, kind.group, kind.plural)


async def require_rights(client: Client, rights: Sequence[Right]) -> None:
    """Return when the cluster allows all ``rights``; wait for it to answer. Raises HalfConfiguredError."""
    if lacking := await _answered(lambda: missing(client, rights)):
        raise HalfConfiguredError(
            f"the cluster does not allow this server to {', '.join(lacking)}: "
            "apply the roles and bindings of deploy/, or run `virtplane install` again"
        )


async def require_front_proxy(client: Client) -> None:
    """Return when the cluster says who its front proxy is; wait for it to answer. Raises HalfConfiguredError."""
    where = f"ConfigMap {clustertrust.NAMESPACE}/{clustertrust.NAME}"
    why = "kube-apiserver publishes it when it is started with --requestheader-client-ca-file"
    try:
        found = await _answered(lambda: client.get(CONFIG_MAP, clustertrust.NAME, clustertrust.NAMESPACE))
        trust = ClusterTrust.of(found.get("data") or {})
    except ApiError as missing:
        raise HalfConfiguredError(f"{where} is not there: {why}") from missing
    except ClusterTrustError as wrong:
        raise HalfConfiguredError(f"{where} cannot be used: {wrong}") from wrong
    if trust.proxy is None:
        raise HalfConfiguredError(f"{where} names no front proxy: {why}")


async def _answered(ask: Callable[[], Awaitable[T]]) -> T:
    """Return what the cluster answers, however long it takes to do so. Raises HalfConfiguredError, ApiError for 404."""
    while True:
        try:
            return await ask()
        except ApiError as error:
            if error.not_found:
                raise
            if error.code in (401, 403):
                raise HalfConfiguredError(
                    f"the cluster does not let this server in ({error.message}): "
                    "the kubeconfig, or the pod's ServiceAccount, must be one that it knows"
                ) from error
            log.warning("waiting for the cluster's API server", why=str(error))
        await asyncio.sleep(RETRY_SECONDS)
