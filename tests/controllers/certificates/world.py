"""The certificates controller at work: a real server, the files it serves with, and who keeps them in step."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from certs.bootstrap import Pki, needed
from certs.held import Held
from certs.objects import CONSUMERS, statements, statements_of, trust_in
from certs.purposes import LEAVES, PURPOSES, Purpose
from certs.trust import Trust, fingerprint
from client.api import Client
from client.configuration import LiveConfiguration
from client.errors import ApiError
from client.events import EventRecorder
from client.informer import Informer
from client.kinds import CONFIG_MAP, KUBEVIRT, NODE, SECRET, Kind
from controllers.certificates.controller import CertificatesController
from controllers.context import Context
from kube.conditions import get_condition
from kube.installation import NAMESPACE
from kube.objects import Object
from kube.timestamps import utc_now
from tests.server import NODE as NODE_NAME
from tests.server import Server, running_server
from virtplane.certificates import CertificateFiles, Consumer

SECONDS = 20


@dataclass
class World:
    """What a test looks at: objects as they are now, and a way to wait until they are as they should be."""

    server: Server
    client: Client
    informers: Mapping[Kind, Informer]
    events: EventRecorder
    untrusted: list[str] = field(default_factory=list)
    """Leaves that were shown at some time without trust in who had signed them."""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.informers[CONFIG_MAP].add_handler(lambda _old, new: self._check(new))
        for informer in self.informers.values():
            informer.add_handler(lambda _old, _new: self._changed.set())

    async def until(self, holds: Callable[[], Any], seconds: float = SECONDS) -> None:
        """Wait until something holds after a change of some object."""
        async with asyncio.timeout(seconds):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    def _check(self, config_map: Object | None) -> None:
        if config_map is not None and config_map["metadata"]["name"] == CONSUMERS:
            said = statements(config_map).get(NODE_NAME)
            self.untrusted += {each.secret for each in LEAVES} - said.shown.keys() if said else ()

    def secret(self, name: str) -> Object | None:
        return self.informers[SECRET].get(name, NAMESPACE)

    def config_map(self, name: str) -> Object | None:
        return self.informers[CONFIG_MAP].get(name, NAMESPACE)

    def condition(self) -> Object:
        (kubevirt,) = self.informers[KUBEVIRT].all()
        return get_condition(kubevirt.get("status", {}).get("conditions", ()), "CertificatesRotating") or {}

    def trust(self, purpose: Purpose) -> Trust:
        secrets, config_maps = self.informers[SECRET].by_name(), self.informers[CONFIG_MAP].by_name()
        said, agents = statements(config_maps.get(CONSUMERS)), statements_of(self.informers[NODE].all())
        return trust_in(purpose, secrets, config_maps, said, agents)

    def waited_for(self, consumer: str) -> list[str]:
        """Return the authorities for which the condition says that only this consumer is waited for."""
        said = [part.partition(": ") for part in self.condition().get("message", "").split("; ")]
        return [authority for authority, _, why in said if why.startswith(f"waiting for {consumer} to ")]

    def is_settled(self) -> bool:
        """Return True when one authority of each purpose is all that is trusted, and signed all that is shown."""
        return all(_is_settled(self.trust(purpose)) for purpose in PURPOSES)

    async def delete(self, *names: str) -> None:
        for name in names:
            with contextlib.suppress(ApiError):
                await self.client.delete(SECRET, name, NAMESPACE)

    @contextlib.asynccontextmanager
    async def controller(self) -> AsyncIterator[None]:
        """Run the controller, and end it as a kill would: wherever it is."""
        context = Context(
            client=self.client,
            informers=self.informers,
            configuration=LiveConfiguration(self.informers[KUBEVIRT]),
            events=self.events,
            now=utc_now,
        )
        working = asyncio.create_task(CertificatesController(context, in_kubernetes=False).run())
        try:
            yield
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)


def _is_settled(trust: Trust) -> bool:
    if trust.authority is None or len(trust.bundle) != 1 or trust.leaves.keys() != trust.wanted.keys():
        return False
    current = trust.authority.pair.certificate
    return (
        trust.bundle == (current,)
        and all(kept.issuer == current for kept in trust.leaves.values())
        and all(each.trusted == {fingerprint(current)} for each in trust.reports.values())
        and all(
            {name: shown.leaf for name, shown in each.shown.items()}
            == {name: fingerprint(kept.pair.certificate) for name, kept in trust.leaves.items()}
            for each in trust.reports.values()
        )
    )


@contextlib.asynccontextmanager
async def a_world(
    directory: Path, stored: Callable[[Pki], Iterable[tuple[Kind, Object]]] | None = None
) -> AsyncIterator[World]:
    """Start a server whose files are kept in step; the controller is the test's to run.

    ``stored`` tells what there is before the files are looked at.
    """
    async with (
        running_server(directory, initial_configuration=True) as server,
        Client.from_kubeconfig(server.kubeconfig("loopback"), "tests") as client,
        asyncio.TaskGroup() as group,
    ):
        for kind, obj in stored(server.pki) if stored else ():
            await client.create(kind, obj)
        held = Held(pki=server.pki, leaves=LEAVES, purposes=PURPOSES, with_authorities=True)
        consumer = Consumer(name=NODE_NAME, held=held, needed=lambda: needed(["127.0.0.1"], NODE_NAME), node=NODE_NAME)
        informers = {
            SECRET: Informer(client, SECRET, namespace=NAMESPACE),
            CONFIG_MAP: Informer(client, CONFIG_MAP, namespace=NAMESPACE),
            KUBEVIRT: Informer(client, KUBEVIRT),
            NODE: Informer(client, NODE),
        }
        events = EventRecorder(client, "tests")
        running = [*(each.run() for each in informers.values()), events.run()]
        running.append(CertificateFiles(client, consumer, lambda: None).run())
        tasks = [group.create_task(each) for each in running]
        for informer in informers.values():
            await informer.synced.wait()
        world = World(server, client, informers, events)
        await world.until(lambda: statements(world.config_map(CONSUMERS)))
        yield world
        assert not world.untrusted
        for task in tasks:
            task.cancel()
