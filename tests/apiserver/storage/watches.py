"""Reading watches."""

import asyncio

from apiserver.storage.contract import Event, Watch

SECONDS = 10


async def take(watch: Watch, count: int) -> list[Event]:
    """Return the next ``count`` events, however many calls they take; there must not be more."""
    seen: list[Event] = []
    while len(seen) < count:
        async with asyncio.timeout(SECONDS):
            events = await watch.take()
        assert events, f"only {len(seen)} of {count} events came"
        seen += events
    assert len(seen) == count
    return seen
