"""What is stored of confidential resources cannot be read, moved or lost without its key."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from apiserver.storage import cache as cache_module
from apiserver.storage import resealing
from apiserver.storage.cache import WatchCache
from apiserver.storage.contract import Along, CompactedError, Key, NotFoundError
from apiserver.storage.engine import make_engine
from apiserver.storage.keyfile import KeyFileError, read_keys, write_keys
from apiserver.storage.resealing import Resealer, keys_in_use, reseal
from apiserver.storage.sealing import BrokenSealError, KeyMissingError, Sealing, SealingKey
from apiserver.storage.sql import SqlLog

ONE, TWO = Key("secrets", "a", "one"), Key("secrets", "a", "two")
OPEN = Key("configmaps", "a", "open")
SECRET = b'{"data":"correct horse battery staple"}'
SECONDS = 20
OLD, NEW = SealingKey.new(), SealingKey.new()


def sealing(*keys: SealingKey) -> Sealing:
    return Sealing({"secrets"}, keys)


def sealed(url: str, *keys: SealingKey) -> SqlLog:
    return SqlLog(url, sealing=sealing(*keys))


def on_disk(url: str) -> bytes:
    """Everything in the files of a database."""
    if url.startswith("sqlite"):
        path = Path(url.removeprefix("sqlite:///"))
        files = [*path.parent.glob(f"{path.name}*")]
    else:
        data = Path(url.split("host=")[1]) / "data"
        files = [each for part in ("base", "pg_wal") for each in (data / part).rglob("*") if each.is_file()]
    return b"".join(each.read_bytes() for each in files)


async def change(url: str, *statements: str) -> None:
    """Do what only somebody with access to the database can."""
    engine = make_engine(url)
    async with engine.begin() as tx:
        for each in statements:
            await tx.execute(text(each))
    await engine.dispose()


async def live(log: SqlLog) -> None:
    """Create, change and remove a Secret, and leave another, and what is not secret."""
    await log.create(OPEN, b"for everybody")
    await log.create(TWO, SECRET)
    first = await log.create(ONE, SECRET)
    second = await log.replace(ONE, SECRET + b" ", expected=first.revision, along=[Along(TWO, lambda each: each.body)])
    await log.remove(ONE, expected=second.revision)


def careless(connection: Any, _: object) -> None:
    """Leave what is deleted in the file, as SQLite does unless it is told otherwise."""
    connection.execute("PRAGMA secure_delete=OFF")


async def test_no_file_of_the_database_shows_what_is_secret(database_url: str) -> None:
    async with sealed(database_url, OLD) as log:
        await live(log)
        found = on_disk(database_url)
        assert b"for everybody" in found
        assert b"correct horse" not in found
        assert (await log.get(TWO)).body == SECRET
        bodies = [(each.record.body, each.previous and each.previous.body) for each in await log.events_after(3)]
    assert bodies == [(SECRET, SECRET), (SECRET + b" ", SECRET), (SECRET + b" ", SECRET + b" ")]


async def test_what_was_stored_openly_is_sealed_before_anything_else_is_done(database_url: str, tmp_path: Path) -> None:
    large = [Key("secrets", "b", f"n{n}") for n in range(30)]
    log = SqlLog(database_url)
    if not log.shared:
        event.listen(log._engine.sync_engine, "connect", careless)
    async with log:
        await live(log)
        created = await asyncio.gather(*(log.create(each, SECRET * 200) for each in large))
        await asyncio.gather(*(log.remove(each.key, expected=each.revision) for each in created[::2]))
        await log.compact(await log.latest() - 5)
    write_keys(tmp_path / "keys", [NEW])
    async with Resealer(database_url, sealing(), tmp_path / "keys"), sealed(database_url, NEW) as log:
        assert (await keys_in_use(database_url)).keys() == {NEW.id}
        assert (await log.get(TWO)).body == SECRET
        assert (await log.get(OPEN)).body == b"for everybody"
        assert [each.record.body for each in await log.events_after(48)] == [SECRET * 200] * 3
        assert await reseal(database_url, sealing(NEW)) == 0
        if database_url.startswith("sqlite"):  # PostgreSQL leaves what was overwritten to its vacuum
            assert b"correct horse" not in on_disk(database_url)


SWAP = (
    "UPDATE objects SET name = 'other' WHERE name = 'one'",
    "UPDATE objects SET name = 'one' WHERE name = 'two'",
    "UPDATE objects SET name = 'two' WHERE name = 'other'",
)
CUT = ("UPDATE objects SET body = substr(body, 1, 40) WHERE resource = 'secrets'",)


@pytest.mark.parametrize("tampering", [SWAP, CUT], ids=["swapped", "cut"])
async def test_what_was_tampered_with_counts_as_deleted(database_url: str, tampering: tuple[str, ...]) -> None:
    async with sealed(database_url, OLD) as log:
        await log.create(ONE, SECRET)
        await log.create(TWO, b"another")
        await log.create(OPEN, b"for everybody")
        await change(database_url, *tampering)
        with pytest.raises(NotFoundError):
            await log.get(ONE)
        assert (await log.list("secrets")).records == []
        assert [record.key for record in (await log.everything())[1]] == [OPEN]
        # Writes of others are not held up by it, and it can be made again.
        theirs, again = await asyncio.gather(
            log.replace(OPEN, b"changed", expected=3), log.create(ONE, b"again"), return_exceptions=True
        )
        assert not isinstance(theirs, BaseException)
        assert not isinstance(again, BaseException)
        assert (await log.get(ONE)).body == b"again"
        assert await reseal(database_url, sealing(NEW, OLD)) == 4
        assert (await keys_in_use(database_url))[OLD.id] == 1


async def test_what_counts_as_deleted_since_before_the_start_can_be_made_again(database_url: str) -> None:
    async with sealed(database_url, OLD) as log:
        await log.create(ONE, SECRET)
        await change(database_url, *CUT)
    async with sealed(database_url, OLD) as log, WatchCache(log) as cache:
        assert cache.peek(ONE) is None
        assert (await cache.create(ONE, b"again")).revision == 2
        assert (await log.get(ONE)).body == b"again"


async def test_an_event_that_was_tampered_with_cannot_be_replayed(database_url: str) -> None:
    async with sealed(database_url, OLD) as log, WatchCache(log) as cache:
        await log.create(ONE, SECRET)
        await log.create(TWO, SECRET)
        await change(database_url, "UPDATE history SET name = 'three' WHERE name = 'one'")
        with pytest.raises(CompactedError):
            await log.events_after(0)
        assert [each.record.key for each in await log.events_after(1)] == [TWO]
        assert cache.peek(ONE) is not None


async def test_without_its_key_nothing_is_read_and_nothing_is_lost(database_url: str, tmp_path: Path) -> None:
    async with sealed(database_url, OLD) as log:
        await log.create(ONE, SECRET)
    write_keys(tmp_path / "keys", [NEW])
    with pytest.raises(KeyMissingError, match=f"secrets a/one is sealed with the key {OLD.id}"):
        async with Resealer(database_url, sealing(), tmp_path / "keys"):
            pass
    async with sealed(database_url, NEW) as log:
        with pytest.raises(KeyMissingError):
            await log.everything()
    async with sealed(database_url, NEW, OLD) as log:
        assert (await log.get(ONE)).body == SECRET


async def until_sealed_with(url: str, key: SealingKey) -> None:
    async with asyncio.timeout(SECONDS):
        while (await keys_in_use(url)).keys() != {key.id}:  # noqa: ASYNC110 - the database tells nobody
            await asyncio.sleep(0.02)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resealing, "FOLLOW_SECONDS", 0.01)
    monkeypatch.setattr(resealing, "COMMIT_SECONDS", 0.01)
    monkeypatch.setattr(resealing, "STEP_ROWS", 3)


async def test_another_key_is_taken_over_while_secrets_are_written(
    database_url: str, tmp_path: Path, soon: None
) -> None:
    keys, ours = tmp_path / "keys", sealing()
    write_keys(keys, [OLD])
    async with Resealer(database_url, ours, keys), SqlLog(database_url, sealing=ours) as log:
        for n in range(10):
            await log.create(Key("secrets", "a", f"n{n}"), SECRET)
        keys.write_bytes(b"this is no key\n")  # nothing is lost by it
        writing = asyncio.gather(*(log.replace(Key("secrets", "a", f"n{n}"), b"new", expected=n + 1) for n in range(5)))
        write_keys(keys, [NEW])  # too early, for the old key is still needed: the server has it in memory
        await writing
        await until_sealed_with(database_url, NEW)
        assert (await log.create(ONE, SECRET)).revision == 16
        assert await log.latest() == 16
    async with sealed(database_url, NEW) as log:
        bodies = [record.body for record in (await log.list("secrets")).records]
        assert sorted(bodies) == sorted([b"new"] * 5 + [SECRET] * 6)
        assert len(await log.events_after(0)) == 16


async def test_a_replica_goes_on_once_it_has_the_key_that_another_writes_with(
    postgresql_url: str, tmp_path: Path, soon: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "RETRY_SECONDS", 0.02)
    keys, theirs = tmp_path / "keys", sealing()
    write_keys(keys, [OLD])
    async with (
        sealed(postgresql_url, NEW, OLD) as log,
        Resealer(postgresql_url, theirs, keys),
        SqlLog(postgresql_url, sealing=theirs) as other,
        WatchCache(other) as late,
    ):
        await log.create(OPEN, b"for everybody")
        await late.wait_for(1)
        await late.check()
        await log.create(ONE, SECRET)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await late.check()
        write_keys(keys, [NEW, OLD])
        await late.wait_for(2, SECONDS)
        await late.check()
        assert (await late.get(ONE)).body == SECRET


async def test_a_key_file_is_for_its_owner_and_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    write_keys(path, [NEW, OLD])
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_keys(path) == [NEW, OLD]
    assert NEW.secret.hex() not in repr(NEW)
    path.write_bytes(path.read_bytes().splitlines()[0] + b"\nc2hvcnQ=\n")
    with pytest.raises(KeyFileError, match="line 2 is not a key"):
        read_keys(path)
    path.write_bytes(b"\n")
    with pytest.raises(KeyFileError, match="holds no key"):
        read_keys(path)


def test_no_value_is_sealed_twice_in_the_same_way_nor_opened_elsewhere() -> None:
    ours = sealing(NEW)
    one, same = ours.seal(ONE, SECRET), ours.seal(ONE, SECRET)
    assert one != same
    assert ours.open(ONE, one) == ours.open(ONE, same) == SECRET
    assert ours.seal(OPEN, SECRET) == SECRET
    with pytest.raises(BrokenSealError):
        ours.open(Key("secrets", "an", "e"), one)
    for end in range(len(ours.beginning), len(one)):
        with pytest.raises(BrokenSealError):
            ours.open(ONE, one[:end])
