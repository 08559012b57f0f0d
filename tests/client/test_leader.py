import asyncio

import pytest
from aiohttp import web

from client.api import Client
from client.kinds import LEASE
from client.leader import LeaderElector, LeadershipLostError, Timing
from tests.client.standin import StandIn, failure

QUICK = Timing(lease=1, renew=0.1, retry=0.02)


def candidate(client: Client, identity: str) -> LeaderElector:
    return LeaderElector(client, namespace="default", name="test", identity=identity, timing=QUICK)


async def test_one_leads_and_the_next_follows_when_it_is_done(client: Client) -> None:
    order: list[str] = []
    first_leads, first_done = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        order.append("first begins")
        first_leads.set()
        await first_done.wait()
        order.append("first ends")

    async def second() -> None:
        order.append("second begins")

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(candidate(client, "a").run(first))
        await first_leads.wait()
        group.create_task(candidate(client, "b").run(second))
        assert (await client.get(LEASE, "test", "default"))["spec"]["holderIdentity"] == "a"
        first_done.set()
    assert order == ["first begins", "first ends", "second begins"]
    assert (await client.get(LEASE, "test", "default"))["spec"]["leaseTransitions"] == 1


async def test_a_lease_that_nobody_renews_is_taken_over(client: Client, server: StandIn) -> None:
    spec = {"holderIdentity": "gone", "leaseDurationSeconds": 1, "leaseTransitions": 3}
    await server.put("leases", {"metadata": {"name": "test", "namespace": "default"}, "spec": spec})
    led = asyncio.Event()

    async def work() -> None:
        led.set()

    async with asyncio.timeout(10):
        await candidate(client, "b").run(work)
    assert led.is_set()


async def test_who_cannot_renew_stops_working(client: Client, server: StandIn) -> None:
    stopped = asyncio.Event()

    async def work() -> None:
        refusals = Refusals()
        server.refuse = refusals
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    class Refusals(dict[tuple[str, str], web.Response]):
        def pop(self, *_: object) -> web.Response:  # pyright: ignore[reportIncompatibleMethodOverride] - refuses all
            return failure(503, "ServiceUnavailable")

    async with asyncio.timeout(10):
        with pytest.raises(LeadershipLostError):
            await candidate(client, "a").run(work)
    assert stopped.is_set()
