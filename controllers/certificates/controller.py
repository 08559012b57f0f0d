"""The certificates controller: gathers what is stored and said, asks what to do next, and makes that one write."""

import asyncio

import structlog

from certs.authority import Life, make_authority
from certs.objects import AUTHORITY, NAMESPACE, bundle_of, secret_of, trust_in
from certs.overlap import IssueLeaf, MakeAuthority, Step, Wait, WriteBundle, next_step, seconds_until
from certs.trust import Kept, Trust
from client.informer import Informer
from client.kinds import CONFIG_MAP, KUBEVIRT, SECRET, Kind
from client.workqueue import WorkQueue
from controllers.context import Context
from kube.certificates import Strategy
from kube.configuration import governing
from kube.objects import Object

log = structlog.get_logger(__name__)

_ALL = "all"
"""The one key: every step depends on everything."""


class CertificatesController:
    """Watches the Secrets and ConfigMaps of the installation's namespace, and the KubeVirt objects."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._kubevirts = context.informers[KUBEVIRT]
        # Its own, as it sees only the installation's namespace.
        self._secrets = Informer(context.client, SECRET, namespace=NAMESPACE)
        self._config_maps = Informer(context.client, CONFIG_MAP, namespace=NAMESPACE)
        self._queue: WorkQueue[str] = WorkQueue("certificates", self.reconcile, workers=1)
        for informer in (self._kubevirts, self._secrets, self._config_maps):
            informer.add_handler(lambda _old, _new: self._queue.add(_ALL))

    async def run(self) -> None:
        """Reconcile until cancelled, once all objects are known."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._secrets.run(), name="informer-certificates-secrets")
            group.create_task(self._config_maps.run(), name="informer-certificates-configmaps")
            for informer in (self._kubevirts, self._secrets, self._config_maps):
                await informer.synced.wait()
            await self._queue.run()

    async def reconcile(self, _key: str) -> float | None:
        """Do one step; the change that it makes brings the next."""
        kubevirt = governing(self._kubevirts.all())
        strategy, now = Strategy.of(kubevirt), self._context.now()
        trust = trust_in(self._secrets.by_name(), self._config_maps.by_name())
        step = next_step(trust, strategy, now)
        match step:
            case Wait():
                return seconds_until(step.until, now)
            case MakeAuthority():
                # KubeVirt's name for it: two authorities are told apart by when they were made.
                life = Life(now, strategy.authority.duration)
                made = make_authority(f"kubevirt.io@{now.timestamp():.0f}", life)
                await self._store(SECRET, self._secrets, secret_of(AUTHORITY, Kept(made, life.duration)))
            case WriteBundle():
                await self._store(CONFIG_MAP, self._config_maps, bundle_of(step.authorities))
            case IssueLeaf():
                secret = _issued(trust, step, Life(now, strategy.server.duration))
                await self._store(SECRET, self._secrets, secret)
        self._tell(kubevirt, step)
        return None

    async def _store(self, kind: Kind, informer: Informer, obj: Object) -> None:
        """Create ``obj``, or replace what is there and not changed meanwhile."""
        known = informer.get(obj["metadata"]["name"], NAMESPACE)
        if known is not None and (known.get("immutable") or known.get("type") != obj.get("type")):
            # It cannot be replaced; once it is gone it counts as deleted.
            await self._context.client.delete(kind, obj["metadata"]["name"], NAMESPACE, uid=known["metadata"]["uid"])
        else:
            await informer.put(obj)

    def _tell(self, kubevirt: Object | None, step: Step) -> None:
        match step:
            case MakeAuthority():
                reason, told = "AuthorityRotated", f"{AUTHORITY}: made a new authority: {step.why}"
            case WriteBundle():
                reason, told = "AuthorityBundleChanged", f"{AUTHORITY}: {step.why}"
            case IssueLeaf():
                reason, told = "CertificateIssued", f"{step.name}: issued a new certificate: {step.why}"
            case Wait():
                return
        log.info("certificates changed", reason=reason, told=told)
        if kubevirt is not None:
            self._context.events.normal(kubevirt, reason, told)


def _issued(trust: Trust, step: IssueLeaf, life: Life) -> Object:
    if trust.authority is None:
        raise ValueError(f"{step.name} was to be issued without an authority")
    signer = trust.authority.pair
    return secret_of(step.name, Kept(step.request.issue(signer, life), life.duration, signer.certificate))
