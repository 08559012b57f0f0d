"""What every store promises, whatever is behind it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from apiserver.storage.contract import (
    AlreadyExistsError,
    ConflictError,
    Event,
    EventKind,
    FutureRevisionError,
    Key,
    NotFoundError,
    Store,
)

THINGS = "things.test"
ONE = Key(THINGS, "a", "one")
TWO = Key(THINGS, "b", "two")


async def take(events: AsyncGenerator[Event, None], count: int) -> list[Event]:
    async with asyncio.timeout(10):
        return [await anext(events) for _ in range(count)]


async def test_what_was_created_is_read_back_at_its_revision(store: Store) -> None:
    created = await store.create(ONE, b"one")
    assert await store.get(ONE) == created
    assert await store.latest() == created.revision == 1


async def test_a_name_is_taken_once(store: Store) -> None:
    await store.create(ONE, b"one")
    with pytest.raises(AlreadyExistsError):
        await store.create(ONE, b"again")
    assert (await store.get(ONE)).body == b"one"


async def test_a_stale_writer_is_told_the_current_revision(store: Store) -> None:
    first = await store.create(ONE, b"one")
    second = await store.replace(ONE, b"two", expected=first.revision)
    with pytest.raises(ConflictError) as caught:
        await store.replace(ONE, b"three", expected=first.revision)
    assert caught.value.current == second.revision
    assert (await store.get(ONE)).body == b"two"


async def test_removing_returns_the_last_state_at_a_new_revision(store: Store) -> None:
    created = await store.create(ONE, b"one")
    removed = await store.remove(ONE, expected=created.revision)
    assert (removed.body, removed.revision) == (b"one", created.revision + 1)
    with pytest.raises(NotFoundError):
        await store.get(ONE)
    with pytest.raises(NotFoundError):
        await store.remove(ONE, expected=created.revision)


async def test_of_concurrent_writers_with_one_expectation_one_wins(store: Store) -> None:
    created = await store.create(ONE, b"0")
    writes = [store.replace(ONE, str(n).encode(), expected=created.revision) for n in range(20)]
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert sum(not isinstance(result, BaseException) for result in results) == 1
    assert sum(isinstance(result, ConflictError) for result in results) == 19


async def test_a_list_is_ordered_and_keeps_to_its_namespace(store: Store) -> None:
    for key in (TWO, ONE, Key("others.test", "a", "x")):
        await store.create(key, b"")
    assert [record.key for record in (await store.list(THINGS)).records] == [ONE, TWO]
    assert [record.key for record in (await store.list(THINGS, "b")).records] == [TWO]


async def test_a_list_shows_an_older_revision_as_it_was(store: Store) -> None:
    first = await store.create(ONE, b"one")
    second = await store.create(TWO, b"two")
    await store.replace(ONE, b"changed", expected=first.revision)
    await store.remove(TWO, expected=second.revision)
    old = await store.list(THINGS, at=second.revision)
    assert old.revision == second.revision
    assert [(record.key, record.body) for record in old.records] == [(ONE, b"one"), (TWO, b"two")]
    with pytest.raises(FutureRevisionError):
        await store.list(THINGS, at=99)


async def test_a_watch_replays_the_past_and_goes_on_with_the_present(store: Store) -> None:
    first = await store.create(ONE, b"one")
    await store.replace(ONE, b"two", expected=first.revision)
    async with aclosing(store.watch(THINGS, after=first.revision)) as events:
        seen = await take(events, 1)
        third = await store.create(TWO, b"three")
        await store.remove(TWO, expected=third.revision)
        seen += await take(events, 2)
    assert [event.kind for event in seen] == [EventKind.MODIFIED, EventKind.ADDED, EventKind.DELETED]
    assert [event.revision for event in seen] == [2, 3, 4]
    assert seen[0].previous == first
    assert seen[2].record.body == b"three"


async def test_a_watch_keeps_to_its_resource_and_namespace(store: Store) -> None:
    async with aclosing(store.watch(THINGS, after=0, namespace="b")) as events:
        await store.create(Key("others.test", "b", "x"), b"")
        await store.create(ONE, b"")
        await store.create(TWO, b"")
        assert [event.record.key for event in await take(events, 1)] == [TWO]


async def test_many_concurrent_writes_reach_a_watcher_once_each_and_in_order(store: Store) -> None:
    async with aclosing(store.watch(THINGS, after=0)) as events:
        await asyncio.gather(*(store.create(Key(THINGS, "a", f"n{n}"), b"x") for n in range(300)))
        seen = await take(events, 300)
    assert [event.revision for event in seen] == list(range(1, 301))
