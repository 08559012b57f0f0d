"""The certificates controller: gathers what is stored and said, asks what to do next, and makes that one write.

Authorities are independent of each other, and each is taken one step at a time.
"""

import asyncio

import structlog

from certs.authority import Life, make_authority
from certs.objects import CONSUMERS, NAMESPACE, bundle_of, secret_of, statements, statements_of, trust_in
from certs.overlap import IssueLeaf, MakeAuthority, Step, Wait, WriteBundle, next_step, seconds_until
from certs.purposes import BY_SECRET, PURPOSES, Purpose
from certs.trust import Kept, Trust
from client.informer import Informer
from client.kinds import CONFIG_MAP, KUBEVIRT, NODE, SECRET, Kind
from client.workqueue import WorkQueue
from controllers.context import Context
from kube.certificates import Strategy
from kube.configuration import governing
from kube.objects import Object

log = structlog.get_logger(__name__)

_BY_AUTHORITY = {purpose.authority: purpose for purpose in PURPOSES}
_BY_NAME = _BY_AUTHORITY | {name: leaf.purpose for name, leaf in BY_SECRET.items()}


class CertificatesController:
    """Watches the Secrets and ConfigMaps of the installation's namespace, and the KubeVirt objects."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._kubevirts = context.informers[KUBEVIRT]
        # Its own, as it sees only the installation's namespace.
        self._secrets = Informer(context.client, SECRET, namespace=NAMESPACE)
        self._config_maps = Informer(context.client, CONFIG_MAP, namespace=NAMESPACE)
        self._nodes = context.informers[NODE]
        self._queue: WorkQueue[Purpose] = WorkQueue("certificates", self.reconcile, workers=len(PURPOSES))
        self._kubevirts.add_handler(lambda _old, _new: self._add(*PURPOSES))
        self._nodes.add_handler(self._node_changed)
        for informer in (self._secrets, self._config_maps):
            informer.add_handler(self._changed)

    async def run(self) -> None:
        """Reconcile until cancelled, once all objects are known."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._secrets.run(), name="informer-certificates-secrets")
            group.create_task(self._config_maps.run(), name="informer-certificates-configmaps")
            for informer in (self._kubevirts, self._nodes, self._secrets, self._config_maps):
                await informer.synced.wait()
            self._add(*PURPOSES)
            await self._queue.run()

    async def reconcile(self, purpose: Purpose) -> float | None:
        """Do one step; the change that it makes brings the next."""
        kubevirt = governing(self._kubevirts.all())
        strategy, now = Strategy.of(kubevirt), self._context.now()
        config_maps = self._config_maps.by_name()
        said, agents = statements(config_maps.get(CONSUMERS)), statements_of(self._nodes.all())
        trust = trust_in(purpose, self._secrets.by_name(), config_maps, said, agents)
        if not any(each.is_heard(now) for each in trust.reports.values()):
            return None  # who made the first ones has not stored them yet
        step = next_step(trust, strategy, now)
        match step:
            case Wait():
                return seconds_until(step.until, now)
            case MakeAuthority():
                life = Life(now, strategy.authority.duration)
                made = make_authority(purpose.common_name(now.timestamp()), life)
                secret = secret_of(purpose.authority, Kept(made, life.duration, former=step.former, urgent=step.urgent))
                await self._store(SECRET, self._secrets, secret)
            case WriteBundle():
                await self._store(CONFIG_MAP, self._config_maps, bundle_of(purpose, step.authorities))
            case IssueLeaf():
                secret = _issued(trust, step, Life(now, strategy.server.duration))
                await self._store(SECRET, self._secrets, secret)
        self._tell(kubevirt, purpose, step)
        return None

    def _changed(self, old: Object | None, new: Object | None) -> None:
        name = (new or old or {})["metadata"]["name"]
        self._add(*(PURPOSES if name == CONSUMERS else filter(None, [_BY_NAME.get(name)])))

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if statements_of([old] if old else []) != statements_of([new] if new else []):
            self._add(*PURPOSES)

    def _add(self, *purposes: Purpose) -> None:
        for each in purposes:
            self._queue.add(each)

    async def _store(self, kind: Kind, informer: Informer, obj: Object) -> None:
        """Create ``obj``, or replace what is there and not changed meanwhile."""
        known = informer.get(obj["metadata"]["name"], NAMESPACE)
        if known is not None and (known.get("immutable") or known.get("type") != obj.get("type")):
            # It cannot be replaced; once it is gone it counts as deleted.
            await self._context.client.delete(kind, obj["metadata"]["name"], NAMESPACE, uid=known["metadata"]["uid"])
        else:
            await informer.put(obj)

    def _tell(self, kubevirt: Object | None, purpose: Purpose, step: Step) -> None:
        match step:
            case MakeAuthority():
                reason, told = "AuthorityRotated", f"{purpose.authority}: made a new authority: {step.why}"
            case WriteBundle():
                reason, told = "AuthorityBundleChanged", f"{purpose.authority}: {step.why}"
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
