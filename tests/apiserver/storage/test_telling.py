"""Telling watchers of what happens: in rounds, and the same to all who see the same."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest

from apiserver.storage import telling
from apiserver.storage.cache import WatchCache
from apiserver.storage.contract import EVERYTHING, Batch, Event, Key, Selection, Watch
from tests.apiserver.storage.watches import take

THINGS = "things.test"
PAUSE_SECONDS = 0.2


@dataclass
class Heard:
    """What one watcher was told, and what it had to take."""

    watch: Watch
    batches: list[Batch] = field(default_factory=list[Batch])
    taken: list[Event] = field(default_factory=list[Event])
    deaf: bool = False
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, batch: Batch) -> bool:
        if not self.deaf:
            self.batches.append(batch)
            self.news.set()
        return not self.deaf

    async def read(self) -> None:
        """Take what was not told, for ever."""
        while True:
            self.taken += await self.watch.take()
            self.news.set()

    async def hears(self, count: int) -> None:
        """Return when ``count`` events have come."""
        async with asyncio.timeout(10):
            while len(revisions(self)) + len(self.taken) < count:
                await self.news.wait()
                self.news.clear()


def revisions(heard: Heard) -> list[int]:
    """What was told."""
    return [event.revision for batch in heard.batches for event in batch.events]


@asynccontextmanager
async def hearing(
    cache: WatchCache, selection: Selection = EVERYTHING, after: int | None = None
) -> AsyncGenerator[Heard]:
    """A watcher that listens, from now on where nothing else is said."""
    after = cache.revision if after is None else after
    async with cache.watch(THINGS, selection, after=after, tell=lambda batch: heard.tell(batch)) as watch:  # noqa: PLW0108 - it comes after
        heard = Heard(watch)
        reading = asyncio.create_task(heard.read())
        await asyncio.sleep(0)
        yield heard
        reading.cancel()


async def create(cache: WatchCache, *names: str, namespace: str = "a") -> None:
    for name in names:
        await cache.create(Key(THINGS, namespace, name), b"")


async def test_after_a_quiet_time_all_are_told_at_once_and_then_of_what_happens_in_the_pause_together(
    cache: WatchCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "PAUSE_SECONDS", PAUSE_SECONDS)
    clock = asyncio.get_running_loop().time
    async with hearing(cache) as heard:
        began = clock()
        await create(cache, "one")
        await heard.hears(1)
        assert clock() - began < PAUSE_SECONDS
        await asyncio.gather(*(create(cache, name) for name in ("two", "three", "four")))
        await heard.hears(4)
        assert clock() - began >= PAUSE_SECONDS
    assert [len(batch.events) for batch in heard.batches] == [1, 3]
    assert not heard.taken


async def test_what_all_see_is_made_once_and_a_turn_at_a_time(
    cache: WatchCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "TURN_LISTENERS", 2)
    async with AsyncExitStack() as stack:
        everybody = [await stack.enter_async_context(hearing(cache)) for _ in range(5)]
        elsewhere = await stack.enter_async_context(hearing(cache, Selection(namespace="b")))
        for name in ("one", "two"):
            await create(cache, name)
            await create(cache, name, namespace="b")
        for heard in everybody:
            await heard.hears(4)
        await elsewhere.hears(2)
        built = [each.form("own", lambda _: object()) for heard in everybody for each in heard.batches]
    assert len(set(built)) == len(everybody[0].batches)
    assert [revisions(heard) for heard in everybody] == [[1, 2, 3, 4]] * 5
    assert revisions(elsewhere) == [2, 4]


async def test_what_a_watcher_leaves_it_takes_in_order_and_listens_again(cache: WatchCache) -> None:
    async with hearing(cache) as heard:
        await create(cache, "one")
        await heard.hears(1)
        heard.deaf = True
        await create(cache, "two", "three")
        await heard.hears(3)
        heard.deaf = False
        await create(cache, "four")
        await heard.hears(4)
    assert revisions(heard) == [1, 4]
    assert [event.revision for event in heard.taken] == [2, 3]


async def test_what_a_watcher_has_read_it_is_not_told_again(cache: WatchCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "PAUSE_SECONDS", PAUSE_SECONDS)
    async with hearing(cache) as first:
        await create(cache, "one")
        await first.hears(1)
        await create(cache, "two")
        async with hearing(cache, after=0) as late:
            await create(cache, "three")
            await late.hears(3)
        await first.hears(3)
    assert [len(batch.events) for batch in first.batches] == [1, 2]
    assert [event.revision for event in late.taken] == [1, 2]
    assert revisions(late) == [3]


async def test_who_selects_is_told_of_what_it_sees_alone(cache: WatchCache) -> None:
    async with hearing(cache, Selection(selects=lambda record: record.key.name > "n")) as heard:
        await create(cache, "a", "o", "b")
        await create(cache, "z")
        await heard.hears(2)
    assert revisions(heard) == [2, 4]


async def test_a_watcher_that_cannot_be_told_holds_up_nobody(cache: WatchCache) -> None:
    async with hearing(cache) as broken, hearing(cache) as whole:

        def fail(_: Batch) -> bool:
            raise ValueError("no such form")

        broken.tell = fail
        await create(cache, "one", "two")
        await whole.hears(2)
        await broken.hears(2)
    assert [event.revision for event in broken.taken] == [1, 2]


async def test_who_has_no_way_to_be_told_takes_everything(cache: WatchCache) -> None:
    async with cache.watch(THINGS, after=0) as watch:
        for name in ("one", "two", "three"):
            waiting = asyncio.ensure_future(take(watch, 1))
            await create(cache, name)
            [event] = await waiting
            assert (event.record.key.name, watch.revision) == (name, event.revision)
