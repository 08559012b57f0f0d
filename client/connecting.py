"""Opening a client as a kubeconfig or a pod says, with Kubernetes' own library.

That takes long to load. Whoever may never connect, or has something to do first, imports this only then.
"""

import asyncio
from pathlib import Path
from typing import Any, cast

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.client.rest import RESTClientObject
from kubernetes.aio.config.incluster_config import InClusterConfigLoader

from client.errors import KubeconfigError
from client.tls import FollowingContext

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod has its token and the authority of its cluster."""


async def opened(path: Path | None) -> ApiClient:
    """Return a client as the current context of ``path`` says, or a pod's files where it is None.

    Raises KubeconfigError.
    """
    try:
        if path is None:
            said = await asyncio.to_thread(_of_service_account)
        else:
            said = Configuration()
            await config.load_kube_config(str(path), client_configuration=said, persist_config=False)
        return _following(said)
    except (config.ConfigException, OSError) as unusable:
        where = "the ServiceAccount of this pod" if path is None else f"the kubeconfig {path}"
        raise KubeconfigError(f"{where} cannot be used: {unusable}") from unusable


def of_bearer(server: str, authority: Path, token: str) -> ApiClient:
    """Return a client for the ``server`` that ``authority`` vouches for, as the owner of a bearer token."""
    made = Configuration(host=server)
    made.ssl_ca_cert = str(authority)
    made.api_key["BearerToken"] = f"Bearer {token}"
    return ApiClient(made)


def _of_service_account() -> Configuration:
    """Read what every pod has; the token is read again each minute, as the kubelet renews it."""
    made = Configuration()
    InClusterConfigLoader(str(SERVICE_ACCOUNT / "token"), str(SERVICE_ACCOUNT / "ca.crt")).load_and_set(made)
    return made


def _following(said: Configuration) -> ApiClient:
    """Return a client whose requests use what the files hold then: certificates are renewed under way."""
    if not said.ssl_ca_cert or not said.verify_ssl:
        return ApiClient(said)
    certificate, key = (Path(each) if each else None for each in (said.cert_file, said.key_file))
    context = FollowingContext.of(Path(said.ssl_ca_cert), certificate, key)
    # Ours is the only reading: Kubernetes' own fails while a file is replaced.
    said.cert_file = said.key_file = None
    api = ApiClient(said)
    api.rest_client = FollowingRest(said, context)
    return api


class FollowingRest(RESTClientObject):
    """Kubernetes' transport, in which a request goes over no connection that was made with other certificates.

    Who is asking is found out at each request, so that a connection whose certificate's authority has been replaced is
    of no use any more. Source: ``client-go/transport/cert_rotation.go``, which closes such connections.
    """

    def __init__(self, configuration: Configuration, context: FollowingContext) -> None:
        """``context`` decides whom to trust and what to show."""
        super().__init__(configuration)
        self._context = context

    def _create_pool_manager(self) -> aiohttp.ClientSession:
        return cast("aiohttp.ClientSession", _Session(super()._create_pool_manager(), self._context))


class _Session:
    """What the transport needs of a session."""

    def __init__(self, session: aiohttp.ClientSession, context: FollowingContext) -> None:
        self._session = session
        self._context = context

    async def request(self, **how: Any) -> aiohttp.ClientResponse:
        # The pool tells connections apart by their context; those of an earlier one are soon closed, being idle.
        return await self._session.request(**how, ssl=self._context.follow())

    async def close(self) -> None:
        await self._session.close()
