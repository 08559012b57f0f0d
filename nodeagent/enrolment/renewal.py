"""What an agent on a host of its own does about trust: follows the bundles, renews its certificates, and says so."""

import asyncio
from datetime import datetime, timedelta

import structlog

from certs.bootstrap import Pki
from certs.objects import STATEMENT_ANNOTATION, Statement, bundled_in
from certs.overlap import renewal, seconds_until
from certs.pair import Pair
from certs.purposes import Leaf
from certs.trust import Kept, signed_by
from client.api import Client
from client.informer import Informer
from client.kinds import CONFIG_MAP, NODE
from client.workqueue import WorkQueue
from kube.certificates import Lifetime, Strategy
from kube.configuration import governing
from kube.installation import NAMESPACE
from kube.timestamps import utc_now
from nodeagent.enrolment.bundles import Bundles
from nodeagent.enrolment.errors import JoinError
from nodeagent.enrolment.requesting import Enrolment, Wanted, obtain

SAY_AGAIN = timedelta(minutes=1)
OBTAIN_SECONDS = 10
"""How long to wait for a certificate before looking at the bundles again; the request stays."""
REFUSED_SECONDS = 60
"""How long to wait after somebody, or the signer, said no."""
_ALL = "all"

log = structlog.get_logger(__name__)


class Renewal:
    """Keeps the files of one agent."""

    def __init__(self, client: Client, pki: Pki, node: str, enrolment: Enrolment, kubevirts: Informer) -> None:
        """``kubevirts`` is run by somebody else."""
        self._client = client
        self._pki = pki
        self._node = node
        self._kubevirts = kubevirts
        self._enrolment = enrolment
        self._bundles = Bundles(pki, enrolment)
        self._said: Statement | None = None
        self._durations: dict[Leaf, timedelta] = {}
        """For how long certificates were to live when the present ones were asked for, or when this began."""
        self._informers = {
            purpose: Informer(
                client, CONFIG_MAP, namespace=NAMESPACE, field_selector=f"metadata.name={purpose.authority}"
            )
            for purpose in enrolment.purposes
        }
        self._queue: WorkQueue[str] = WorkQueue("renewal", self.reconcile, workers=1)
        for informer in (kubevirts, *self._informers.values()):
            informer.add_handler(lambda _old, _new: self._queue.add(_ALL))

    async def run(self) -> None:
        """Keep everything current until cancelled."""
        async with asyncio.TaskGroup() as group:
            for purpose, informer in self._informers.items():
                group.create_task(informer.run(), name=f"informer-{purpose.authority}")
            for informer in (self._kubevirts, *self._informers.values()):
                await informer.synced.wait()
            self._durations = dict.fromkeys(self._enrolment.wanted, self._lifetime().duration)
            self._queue.add(_ALL)
            await self._queue.run()

    async def reconcile(self, _key: str) -> float:
        """Follow the bundles, say so, and renew what is due. Returns the seconds until something is."""
        found = {purpose: each.get(purpose.authority, NAMESPACE) for purpose, each in self._informers.items()}
        await asyncio.to_thread(self._bundles.write, found)
        # At once: what servers show here is signed by a new authority only when that is known to be trusted.
        await self._say()
        due = [await self._renew(leaf, wanted) for leaf, wanted in self._enrolment.wanted.items()]
        await self._say()
        return min(SAY_AGAIN.total_seconds(), *due)

    async def _renew(self, leaf: Leaf, wanted: Wanted) -> float:
        """Get another certificate if one is due. Returns the seconds until one is."""
        if (why := await asyncio.to_thread(self._why_renew, leaf)) is not None:
            log.info("asking for a new certificate", file=leaf.file, why=why)
            duration = self._lifetime().duration
            try:
                async with asyncio.timeout(OBTAIN_SECONDS):
                    await obtain(self._client, self._pki.directory, wanted, _tell)
            except TimeoutError:
                log.info("no certificate yet, will look again", file=leaf.file)
                return 0
            except JoinError as refused:
                log.warning("no certificate, will ask again", file=leaf.file, why=str(refused))
                return REFUSED_SECONDS
            self._durations[leaf] = duration
        return seconds_until(await asyncio.to_thread(self._due, leaf), utc_now())

    def _why_renew(self, leaf: Leaf) -> str | None:
        certificate = Pair.load(self._pki.directory, leaf.file).certificate
        signers = bundled_in(self._informers[leaf.purpose].get(leaf.purpose.authority, NAMESPACE))
        # The present authority comes first.
        if signers and not signed_by(certificate, signers[0]):
            return "its authority was replaced"
        if self._durations[leaf] != self._lifetime().duration:
            return "its duration was changed"
        return "it is time to renew it" if utc_now() >= self._due(leaf) else None

    def _due(self, leaf: Leaf) -> datetime:
        return renewal(Kept(Pair.load(self._pki.directory, leaf.file)), self._lifetime())

    def _lifetime(self) -> Lifetime:
        return Strategy.of(governing(self._kubevirts.all())).server

    async def _say(self) -> None:
        """Tell on the Node what is held, when that has changed or was told a while ago."""
        now = await asyncio.to_thread(self._bundles.statement, self._node, utc_now())
        if self._said is None or self._said.is_due_again(now, SAY_AGAIN):
            patch = {"metadata": {"annotations": {STATEMENT_ANNOTATION: now.json()}}}
            await self._client.patch(NODE, self._node, None, patch)
            self._said = now


def _tell(what: str) -> None:
    log.warning("a certificate is waited for", why=what)
