"""The certificates controller: gathers what is stored and said, asks what to do next, and makes that one write.

Authorities are independent of each other, and each is taken one step at a time.
"""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from certs.authority import Life, make_authority
from certs.objects import CONSUMERS, bundle_of, secret_of, statements, statements_of, trust_in
from certs.overlap import IssueLeaf, MakeAuthority, Wait, Write, WriteBundle, next_step, seconds_until
from certs.purposes import BY_SECRET, PURPOSES, SERVER, Purpose
from certs.trust import Kept, Trust
from client.informer import Informer
from client.kinds import CONFIG_MAP, KUBEVIRT, NODE, SECRET, Kind
from client.workqueue import WorkQueue
from controllers.certificates.aggregation import Aggregation
from controllers.certificates.progress import Progress
from controllers.context import Context
from kube.certificates import Strategy
from kube.configuration import governing
from kube.installation import NAMESPACE
from kube.objects import Object

log = structlog.get_logger(__name__)

FORGET_AFTER = timedelta(hours=1)
_BY_AUTHORITY = {purpose.authority: purpose for purpose in PURPOSES}
_BY_NAME = _BY_AUTHORITY | {name: leaf.purpose for name, leaf in BY_SECRET.items()}


class CertificatesController:
    """Watches the Secrets and ConfigMaps of the installation's namespace, and the KubeVirt objects."""

    def __init__(self, context: Context, *, in_kubernetes: bool) -> None:
        """``in_kubernetes`` says that the server cannot begin, nor kube-apiserver trust it, before this one worked."""
        self._context = context
        self._kubevirts, self._nodes = context.informers[KUBEVIRT], context.informers[NODE]
        # Its own, as it sees only the installation's namespace.
        self._secrets = Informer(context.client, SECRET, namespace=NAMESPACE)
        self._config_maps = Informer(context.client, CONFIG_MAP, namespace=NAMESPACE)
        self._queue: WorkQueue[Purpose] = WorkQueue("certificates", self.reconcile, workers=len(PURPOSES))
        self._progress = Progress(context)
        self._aggregation: Aggregation | None = None
        if in_kubernetes:
            self._aggregation = Aggregation(context.client, lambda: self._add(SERVER), context.now)
        self._kubevirts.add_handler(self._configured)
        self._nodes.add_handler(self._node_changed)
        for informer in (self._secrets, self._config_maps):
            informer.add_handler(self._changed)

    async def run(self) -> None:
        """Reconcile until cancelled, once all objects are known."""
        own = [self._secrets, self._config_maps, *filter(None, [self._aggregation])]
        # In Kubernetes, KubeVirt objects are known only when the server that serves them has its certificate.
        awaited = [self._nodes, *own] if self._aggregation else [self._nodes, self._kubevirts, *own]
        async with asyncio.TaskGroup() as group:
            for informer in own:
                group.create_task(informer.run(), name="informer-certificates")
            group.create_task(self._progress.run(), name="certificates-progress")
            for informer in awaited:
                await informer.synced.wait()
            self._add(*PURPOSES)
            await self._queue.run()

    async def reconcile(self, purpose: Purpose) -> float | None:
        """Do one step; the change that it makes brings the next."""
        kubevirt, now = governing(self._kubevirts.all()), self._context.now()
        trust = self._trust(purpose)
        if self._aggregation is None and not any(each.is_heard(now) for each in trust.reports.values()):
            return None  # who made the first ones has not stored them yet
        aggregation = self._aggregation if purpose is SERVER else None
        if aggregation is not None:
            trust = replace(trust, agents={**trust.agents, **aggregation.report()})
        strategy = Strategy.of(kubevirt)
        step = next_step(trust if self._kubevirts.has_synced else _as_stored(trust), strategy, now)
        self._progress.note(purpose.authority, step.why)
        if isinstance(step, Wait):
            await self._forget(now)
            seconds = seconds_until(step.until, now)
            return seconds if aggregation is None else await aggregation.follow(trust.bundle, seconds)
        await self._take(step, purpose, trust, strategy)
        self._tell(kubevirt, purpose, step)
        return None

    async def _take(self, step: Write, purpose: Purpose, trust: Trust, strategy: Strategy) -> None:
        now = self._context.now()
        match step:
            case MakeAuthority():
                life = Life(now, strategy.authority.duration)
                made = make_authority(purpose.common_name(now.timestamp()), life)
                kept = Kept(made, life.duration, former=step.former, urgent=step.urgent)
                await self._store(SECRET, self._secrets, secret_of(purpose.authority, kept))
            case WriteBundle():
                await self._store(CONFIG_MAP, self._config_maps, bundle_of(purpose, step.authorities))
            case IssueLeaf():
                secret = _issued(trust, step, Life(now, strategy.server.duration))
                await self._store(SECRET, self._secrets, secret)

    async def _forget(self, now: datetime) -> None:
        """Remove what consumers said that are gone: each pod has a name of its own."""
        said = statements(self._config_maps.get(CONSUMERS, NAMESPACE))
        if gone := [name for name, each in said.items() if now - each.at > FORGET_AFTER]:
            patch: Object = {"data": dict.fromkeys(gone)}
            self._config_maps.observe(await self._context.client.patch(CONFIG_MAP, CONSUMERS, NAMESPACE, patch))

    def _trust(self, purpose: Purpose) -> Trust:
        secrets, config_maps = self._secrets.by_name(), self._config_maps.by_name()
        said, agents = statements(config_maps.get(CONSUMERS)), statements_of(self._nodes.all())
        return trust_in(purpose, secrets, config_maps, said, agents)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        name = (new or old or {})["metadata"]["name"]
        self._add(*(PURPOSES if name == CONSUMERS else filter(None, [_BY_NAME.get(name)])))

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if statements_of([old] if old else []) != statements_of([new] if new else []):
            self._add(*PURPOSES)

    def _configured(self, old: Object | None, new: Object | None) -> None:
        if (old or {}).get("spec") != (new or {}).get("spec"):
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

    def _tell(self, kubevirt: Object | None, purpose: Purpose, step: Write) -> None:
        match step:
            case MakeAuthority():
                reason, told = "AuthorityRotated", f"{purpose.authority}: made a new authority: {step.why}"
            case WriteBundle():
                reason, told = "AuthorityBundleChanged", f"{purpose.authority}: {step.why}"
            case IssueLeaf():
                reason, told = "CertificateIssued", f"{step.name}: issued a new certificate: {step.why}"
        log.info("certificates changed", reason=reason, told=told)
        if kubevirt is not None:
            self._context.events.normal(kubevirt, reason, told)


def _as_stored(trust: Trust) -> Trust:
    """Leave durations as they are, while nobody knows which are wanted."""
    leaves = {name: replace(kept, duration=None) for name, kept in trust.leaves.items()}
    return replace(trust, authority=trust.authority and replace(trust.authority, duration=None), leaves=leaves)


def _issued(trust: Trust, step: IssueLeaf, life: Life) -> Object:
    if trust.authority is None:
        raise ValueError(f"{step.name} was to be issued without an authority")
    signer = trust.authority.pair
    return secret_of(step.name, Kept(step.request.issue(signer, life), life.duration, signer.certificate))
