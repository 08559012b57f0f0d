"""Reading watches."""

import asyncio

from apiserver.storage.contract import Event, Watch

SECONDS = 10


async def take(watch: Watch, count: int) -> list[Event]:
    """Return the next ``count`` events, however many calls they take; there must not be more."""
    seen: list[Event] = []
    end = asyncio.get_running_loop().time() + SECONDS
    while len(seen) < count:
        events = await watch.take(end)
        assert events, f"only {len(seen)} of {count} events came"
        seen += events
    assert len(seen) == count
    return seen
