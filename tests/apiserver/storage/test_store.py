"""What every store promises, whatever is behind it."""

import asyncio
from typing import Any

import pytest

from apiserver.storage.cache import WatchCache
from apiserver.storage.contract import (
    Along,
    AlreadyExistsError,
    ConflictError,
    EventKind,
    FutureRevisionError,
    Key,
    NotFoundError,
    Record,
    Selection,
    StorageError,
)
from apiserver.storage.sql import SqlLog
from tests.apiserver.storage.watches import take

THINGS = "things.test"
ONE = Key(THINGS, "a", "one")
TWO = Key(THINGS, "b", "two")


async def test_what_was_created_is_read_back_at_its_revision(store: SqlLog | WatchCache) -> None:
    created = await store.create(ONE, b"one")
    assert await store.get(ONE) == created
    assert await store.latest() == created.revision == 1


async def test_a_name_is_taken_once(store: SqlLog | WatchCache) -> None:
    await store.create(ONE, b"one")
    with pytest.raises(AlreadyExistsError):
        await store.create(ONE, b"again")
    assert (await store.get(ONE)).body == b"one"


async def test_a_stale_writer_is_told_the_current_revision(store: SqlLog | WatchCache) -> None:
    first = await store.create(ONE, b"one")
    second = await store.replace(ONE, b"two", expected=first.revision)
    with pytest.raises(ConflictError) as caught:
        await store.replace(ONE, b"three", expected=first.revision)
    assert caught.value.current == second.revision
    assert (await store.get(ONE)).body == b"two"


async def test_removing_returns_the_last_state_at_a_new_revision(store: SqlLog | WatchCache) -> None:
    created = await store.create(ONE, b"one")
    removed = await store.remove(ONE, expected=created.revision)
    assert (removed.body, removed.revision) == (b"one", created.revision + 1)
    with pytest.raises(NotFoundError):
        await store.get(ONE)
    with pytest.raises(NotFoundError):
        await store.remove(ONE, expected=created.revision)


async def test_of_concurrent_writers_with_one_expectation_one_wins(store: SqlLog | WatchCache) -> None:
    created = await store.create(ONE, b"0")
    writes = [store.replace(ONE, str(n).encode(), expected=created.revision) for n in range(20)]
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert sum(not isinstance(result, BaseException) for result in results) == 1
    assert sum(isinstance(result, ConflictError) for result in results) == 19


async def test_a_list_is_ordered_and_keeps_to_its_resource(store: SqlLog | WatchCache) -> None:
    for key in (TWO, ONE, Key("others.test", "a", "x")):
        await store.create(key, b"")
    assert [record.key for record in (await store.list(THINGS)).records] == [ONE, TWO]


async def test_a_list_keeps_to_its_selection(cache: WatchCache) -> None:
    three = Key(THINGS, "b", "one")
    for key in (three, TWO, ONE):
        await cache.create(key, key.namespace.encode())

    async def keys(**selection: Any) -> list[Key]:
        return [record.key for record in (await cache.list(THINGS, Selection(**selection))).records]

    assert await keys(namespace="b") == [three, TWO]
    assert await keys(namespace="") == []
    assert await keys(name="one") == [ONE, three]
    assert await keys(namespace="b", name="one") == [three]
    assert await keys(name="one", selects=lambda record: record.body == b"a") == [ONE]


async def test_a_list_shows_an_older_revision_as_it_was(cache: WatchCache) -> None:
    first = await cache.create(ONE, b"one")
    second = await cache.create(TWO, b"two")
    await cache.replace(ONE, b"changed", expected=first.revision)
    await cache.remove(TWO, expected=second.revision)
    await cache.create(Key(THINGS, "a", "later"), b"")
    old = await cache.list(THINGS, at=second.revision)
    assert old.revision == second.revision
    assert [(record.key, record.body) for record in old.records] == [(ONE, b"one"), (TWO, b"two")]
    page = await cache.list(THINGS, at=second.revision, limit=1)
    assert ([record.key for record in page.records], page.more, page.remaining) == ([ONE], True, 1)
    rest = await cache.list(THINGS, at=second.revision, start=(ONE.namespace, ONE.name), limit=1)
    assert ([record.key for record in rest.records], rest.more, rest.remaining) == ([TWO], False, 0)
    wanted = Selection(selects=lambda record: record.body == b"two")
    assert [record.key for record in (await cache.list(THINGS, wanted, at=second.revision)).records] == [TWO]


async def test_pages_put_together_are_the_whole(cache: WatchCache) -> None:
    for n in range(10):
        await cache.create(Key(THINGS, "ab"[n % 2], f"n{n}"), b"")
    whole = await cache.list(THINGS)
    keys: list[Key] = []
    while not keys or keys[-1] != whole.records[-1].key:
        start = (keys[-1].namespace, keys[-1].name) if keys else None
        page = await cache.list(THINGS, start=start, limit=3)
        keys += [record.key for record in page.records]
        assert page.remaining == 10 - len(keys)
    assert keys == [record.key for record in whole.records]


async def test_a_revision_that_does_not_come_is_in_the_future(
    cache: WatchCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WatchCache.wait_for, "__defaults__", (0.05,))
    for late in (cache.list(THINGS, at=99), cache.list(THINGS, at_least=99), cache.get(ONE, at_least=99)):
        with pytest.raises(FutureRevisionError):
            await late


async def test_a_read_waits_for_the_revision_it_must_not_be_older_than(cache: WatchCache) -> None:
    reading = asyncio.ensure_future(cache.get(ONE, at_least=1))
    await cache.create(ONE, b"one")
    assert (await reading).body == b"one"


async def test_a_watch_replays_the_past_and_goes_on_with_the_present(cache: WatchCache) -> None:
    first = await cache.create(ONE, b"one")
    await cache.replace(ONE, b"two", expected=first.revision)
    async with cache.watch(THINGS, after=first.revision) as watch:
        seen = await take(watch, 1)
        third = await cache.create(TWO, b"three")
        await cache.remove(TWO, expected=third.revision)
        seen += await take(watch, 2)
        assert watch.revision == 4
    assert [event.kind for event in seen] == [EventKind.MODIFIED, EventKind.ADDED, EventKind.DELETED]
    assert [event.revision for event in seen] == [2, 3, 4]
    assert seen[0].previous == first
    assert seen[2].record.body == b"three"


@pytest.mark.parametrize("selection", [{"namespace": "b"}, {"name": "two"}, {"namespace": "b", "name": "two"}])
async def test_a_watch_keeps_to_its_resource_and_selection(cache: WatchCache, selection: dict[str, str]) -> None:
    async with cache.watch(THINGS, Selection(**selection), after=0) as watch:
        for after_joining in (False, True):
            await cache.create(Key("others.test", "b", "two"), b"")
            one, two = await cache.create(ONE, b""), await cache.create(TWO, b"")
            assert [event.record for event in await take(watch, 1)] == [two]
            if not after_joining:
                await cache.remove(Key("others.test", "b", "two"), expected=one.revision - 1)
                await cache.remove(ONE, expected=one.revision)
                await cache.remove(TWO, expected=two.revision)
                await take(watch, 1)


async def test_a_watch_sees_objects_come_and_go_as_they_start_and_stop_to_match(cache: WatchCache) -> None:
    async with cache.watch(THINGS, Selection(selects=lambda record: record.body > b"5"), after=0) as watch:
        revision = None
        for body in (b"1", b"6", b"7", b"2", b"3", b"8"):
            if revision is None:
                revision = (await cache.create(ONE, body)).revision
            else:
                revision = (await cache.replace(ONE, body, expected=revision)).revision
        await cache.remove(ONE, expected=revision)
        seen = await take(watch, 5)
    told = [(event.kind.value, event.record.body, event.revision) for event in seen]
    assert told == [
        ("ADDED", b"6", 2),
        ("MODIFIED", b"7", 3),
        ("DELETED", b"7", 4),
        ("ADDED", b"8", 6),
        ("DELETED", b"8", 7),
    ]


async def test_a_quiet_watch_knows_how_far_it_is(cache: WatchCache) -> None:
    async with cache.watch(THINGS, Selection(namespace="b"), after=0) as watch:
        watch.wake()
        assert not await watch.take()
        waiting = asyncio.ensure_future(watch.take())
        await cache.create(ONE, b"")
        watch.wake()
        assert not await waiting
        assert watch.revision == 1


async def test_many_concurrent_writes_reach_a_watcher_once_each_and_in_order(cache: WatchCache) -> None:
    async with cache.watch(THINGS, after=0) as watch:
        await asyncio.gather(*(cache.create(Key(THINGS, "a", f"n{n}"), b"x") for n in range(300)))
        seen = await take(watch, 300)
    assert [event.revision for event in seen] == list(range(1, 301))


class FullError(StorageError):
    """There is no room."""


def counting(limit: int) -> Along:
    """Counts writes in another record, up to a limit."""

    def count(record: Record) -> bytes | None:
        if int(record.body) >= limit:
            raise FullError
        return str(int(record.body) + 1).encode()

    return Along(ONE, count)


async def test_of_writes_that_count_in_another_record_no_more_are_made_than_that_allows(
    store: SqlLog | WatchCache,
) -> None:
    await store.create(ONE, b"0")
    writes = [store.create(Key(THINGS, "c", str(n)), b"", along=[counting(5)]) for n in range(20)]
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert sum(isinstance(each, FullError) for each in results) == 15
    assert (await store.get(ONE)).body == b"5"
    assert len((await store.list(THINGS)).records) == 6
    made = [each for each in results if isinstance(each, Record)]
    assert max(each.revision for each in made) == await store.latest() == 11


async def test_what_goes_along_with_a_write_that_fails_is_not_made(store: SqlLog | WatchCache) -> None:
    await store.create(ONE, b"0")
    taken = await store.create(TWO, b"two")
    with pytest.raises(AlreadyExistsError):
        await store.create(TWO, b"again", along=[counting(5)])
    with pytest.raises(ConflictError):
        await store.replace(TWO, b"again", expected=taken.revision - 1, along=[counting(5)])
    with pytest.raises(FullError):
        await store.replace(TWO, b"again", expected=taken.revision, along=[counting(0)])
    assert (await store.get(ONE)).body == b"0"
    assert (await store.get(TWO)).body == b"two"
    assert (await store.replace(TWO, b"again", expected=taken.revision, along=[counting(5)])).body == b"again"
    assert (await store.get(ONE)).body == b"1"


async def test_a_fault_in_what_goes_along_fails_its_write_alone(store: SqlLog | WatchCache) -> None:
    await store.create(ONE, b"0")
    faulty = Along(ONE, lambda _: bytes(1 // 0))
    failed, other = await asyncio.gather(
        store.create(TWO, b"two", along=[faulty]), store.create(Key(THINGS, "c", "other"), b""), return_exceptions=True
    )
    assert (type(failed), type(other)) == (ZeroDivisionError, Record)
    assert (await store.create(TWO, b"two")).body == b"two"


async def test_what_would_go_along_is_not_asked_where_it_is_missing(store: SqlLog | WatchCache) -> None:
    assert (await store.create(TWO, b"two", along=[counting(0)])).revision == 1


async def test_a_write_that_needs_another_record_is_not_made_without_it(store: SqlLog | WatchCache) -> None:
    needed = Along(ONE, lambda _: None, needed=True)
    with pytest.raises(NotFoundError) as caught:
        await store.create(TWO, b"two", along=[needed])
    assert caught.value.key == ONE
    one = await store.create(ONE, b"one")
    # What comes before it in the same batch counts.
    removal = store.remove(ONE, expected=one.revision)
    _, late = await asyncio.gather(removal, store.create(TWO, b"two", along=[needed]), return_exceptions=True)
    assert isinstance(late, NotFoundError)
    await store.create(ONE, b"one")
    assert (await store.create(TWO, b"two", along=[needed])).body == b"two"


async def test_all_of_a_namespace_go_along_also_what_is_created_just_before(store: SqlLog | WatchCache) -> None:
    every = Along(Key("counters.test", "a", ""), counting(3).amend, every=True)
    await store.create(Key("counters.test", "b", "elsewhere"), b"0")
    await store.create(Key("counters.test", "a", "first"), b"1")
    writes = [
        store.create(Key(THINGS, "a", "one"), b"", along=[every]),
        store.create(Key("counters.test", "a", "second"), b"0"),
        *(store.create(Key(THINGS, "a", str(n)), b"", along=[every]) for n in range(3)),
    ]
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert [isinstance(each, FullError) for each in results] == [False, False, False, True, True]
    counters = (await store.list("counters.test")).records
    assert {each.key.name: each.body for each in counters} == {"elsewhere": b"0", "first": b"3", "second": b"1"}


async def test_what_is_removed_just_before_does_not_go_along(store: SqlLog | WatchCache) -> None:
    every = Along(Key("counters.test", "a", ""), counting(0).amend, every=True)
    counter = await store.create(Key("counters.test", "a", "only"), b"1")
    await asyncio.gather(store.remove(counter.key, expected=counter.revision), store.create(ONE, b"one", along=[every]))
    assert (await store.get(ONE)).body == b"one"
