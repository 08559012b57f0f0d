"""The files of certificates of a server that is part of a Kubernetes cluster: they come from Secrets there."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import structlog

from apiserver.preconditions import needed, require_rights
from certs.bootstrap import Pki
from certs.held import Held
from certs.names import service_names
from certs.objects import CONSUMERS
from certs.purposes import AGENT_CLIENT, API, SERVER, STREAMS
from client.api import Client
from client.rights import Right
from client.running import alongside, until
from kube.installation import NAMESPACE, SERVICE
from virtplane.certificates import CertificateFiles, Consumer
from virtplane.errors import VirtplaneError
from virtplane.home import Home
from virtplane.settings import Settings

LEAVES, PURPOSES = (API, AGENT_CLIENT), (SERVER, STREAMS)
RIGHTS = (
    *(Right(verb, "", "secrets", NAMESPACE, leaf.secret) for leaf in LEAVES for verb in ("list", "watch")),
    *(
        Right(verb, "", "configmaps", NAMESPACE, name)
        for name in (*(each.authority for each in PURPOSES), CONSUMERS)
        for verb in ("list", "watch")
    ),
    Right("create", "", "configmaps", NAMESPACE),
    Right("patch", "", "configmaps", NAMESPACE, CONSUMERS),
)
"""What the server may do in the namespace of the installation, for its certificates."""
TELL_SECONDS = 10.0
PATIENCE_SECONDS = 240.0
"""How long the controllers may take to issue the first certificates: less than the kubelet waits for the server."""

log = structlog.get_logger(__name__)


class CertificatesMissingError(VirtplaneError):
    """The server has nothing to serve with; the message says who should have seen to it."""


@asynccontextmanager
async def member_certificates(settings: Settings, stop: asyncio.Event) -> AsyncGenerator[Pki]:
    """Wait until all files are there, and keep them in step with the Secrets for as long as the context lasts.

    Ends the wait when ``stop`` is set; sets that when the files can be kept no longer. Raises KubeconfigError,
    HalfConfiguredError and CertificatesMissingError.
    """
    pki, changed, loop = Pki(Home.of(settings).pki), asyncio.Event(), asyncio.get_running_loop()
    pki.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    consumer = Consumer(
        name=settings.node_name,
        held=Held(pki=pki, leaves=LEAVES, purposes=PURPOSES),
        needed=lambda: {API: service_names(SERVICE, NAMESPACE), AGENT_CLIENT: ()},
    )
    async with Client.from_kubeconfig(settings.cluster, "virtplane-server") as client:
        rights = [*needed(importer=settings.data_volumes == "off"), *RIGHTS]
        await until(stop, require_rights(client, rights))
        files = CertificateFiles(client, consumer, lambda: loop.call_soon_threadsafe(changed.set) and None)
        async with alongside(stop, files.run()):
            await until(stop, _complete(pki, changed))
            yield pki


async def _complete(pki: Pki, changed: asyncio.Event) -> None:
    waited = 0.0
    while missing := _missing(pki):
        if waited >= PATIENCE_SECONDS:
            raise CertificatesMissingError(
                f"nobody has issued {', '.join(missing)} in {PATIENCE_SECONDS:g} seconds: the controllers do that; "
                f"see whether they run (kubectl -n {NAMESPACE} get pods) and what they log"
            )
        log.info("waiting for certificates, which the controllers issue", secrets=missing)
        changed.clear()
        try:
            await asyncio.wait_for(changed.wait(), TELL_SECONDS)
        except TimeoutError:
            waited += TELL_SECONDS


def _missing(pki: Pki) -> list[str]:
    leaves = [leaf.secret for leaf in LEAVES if not pki.pair(leaf.file).exists()]
    return leaves + [purpose.authority for purpose in PURPOSES if not pki.bundle(purpose).exists()]
