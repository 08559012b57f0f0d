"""``virtplane encryption-key``, and what a start says when keys are not there."""

import asyncio
import os
from pathlib import Path

import pytest

from apiserver.storage import resealing
from apiserver.storage.keyfile import read_keys, write_keys
from apiserver.storage.resealing import keys_in_use
from apiserver.storage.sealing import SealingKey
from client.api import Client
from client.kinds import SECRET
from tests.server import prepare, running_server
from virtplane.cli import main
from virtplane.encryptionkeys import rotate
from virtplane.home import Home
from virtplane.prepare import PrepareError
from virtplane.prepare import prepare as prepare_home
from virtplane.server import ServerError, serve
from virtplane.settings import Settings

SECONDS = 20


def installation(directory: Path) -> Settings:
    return Settings(home=str(directory), database_url=f"sqlite:///{directory}/log.db")


async def encryption_key(settings: Settings, what: str) -> int:
    arguments = ["encryption-key", what, "--home", settings.home, "--database-url", settings.database]
    return await asyncio.to_thread(main, arguments)


def row(shown: str, key: SealingKey) -> list[str]:
    """What a table says of a key."""
    return next(line.split(maxsplit=2) for line in shown.splitlines() if line.startswith(key.id))


async def test_a_key_is_replaced_while_the_server_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resealing, "FOLLOW_SECONDS", 0.02)
    settings = installation(tmp_path)
    path = Home.of(settings).encryption_keys
    async with running_server(tmp_path) as server:
        [old] = read_keys(path)
        async with Client.from_kubeconfig(server.kubeconfig("admin"), "tests") as client:
            await client.create(SECRET, {"metadata": {"name": "s", "namespace": "default"}, "data": {"a": "Yg=="}})
            assert await encryption_key(settings, "list") == 0
            assert row(capsys.readouterr().out, old)[1:] == ["2", "encrypts and decrypts"]
            assert await encryption_key(settings, "rotate") == 0
            assert (await client.get(SECRET, "s", "default"))["data"] == {"a": "Yg=="}
        new, same = read_keys(path)
        assert (same, path.stat().st_mode & 0o777) == (old, 0o600)
        assert f"{new.id} encrypts from now on" in capsys.readouterr().out
        assert await encryption_key(settings, "prune") == 1
        assert "has just changed" in capsys.readouterr().err
        async with asyncio.timeout(SECONDS):
            while old.id in await keys_in_use(settings.database):  # noqa: ASYNC110 - the database tells nobody
                await asyncio.sleep(0.02)
    os.utime(path, (0, 0))
    assert await encryption_key(settings, "prune") == 0
    assert f"removed {old.id}" in capsys.readouterr().out
    async with running_server(tmp_path) as server, Client.from_kubeconfig(server.kubeconfig("admin"), "t") as client:
        assert (await client.get(SECRET, "s", "default"))["data"] == {"a": "Yg=="}


async def test_a_key_that_is_needed_stays_and_one_that_is_missing_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = installation(tmp_path)
    path = Home.of(settings).encryption_keys
    async with (
        running_server(tmp_path) as server,
        Client.from_kubeconfig(server.kubeconfig("admin"), "tests") as client,
    ):
        await client.create(SECRET, {"metadata": {"name": "s", "namespace": "default"}})
    [old] = read_keys(path)
    assert await encryption_key(settings, "rotate") == 0
    os.utime(path, (0, 0))
    assert await encryption_key(settings, "prune") == 1
    assert f"{old.id} is still needed for 2 values" in capsys.readouterr().err
    write_keys(path, [SealingKey.new()])
    assert await encryption_key(settings, "list") == 0
    assert row(capsys.readouterr().out, old)[1:] == ["2", "is missing"]
    with pytest.raises(ServerError, match=f"is sealed with the key {old.id}, which is not here: put .*encryption.keys"):
        await serve(settings, asyncio.Event(), asyncio.Event())
    path.unlink()
    with pytest.raises(PrepareError, match=f"encryption.keys is missing, and .* without the keys {old.id}"):
        await prepare_home(settings)
    assert not path.exists()


async def test_a_first_start_makes_one_key_and_the_next_keeps_it(tmp_path: Path) -> None:
    settings = Settings(home=str(tmp_path))
    await prepare_home(settings)
    path = Home.of(settings).encryption_keys
    made = read_keys(path)
    assert (len(made), path.stat().st_mode & 0o777) == (1, 0o600)
    await prepare_home(settings)
    assert read_keys(path) == made


async def test_without_the_file_commands_say_what_makes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare(tmp_path)
    settings = installation(tmp_path)
    Home.of(settings).encryption_keys.unlink()
    assert await encryption_key(settings, "rotate") == 1
    assert "the first start of the server makes it" in capsys.readouterr().err


async def test_no_key_is_lost_where_several_make_one(tmp_path: Path) -> None:
    await asyncio.to_thread(prepare, tmp_path)
    settings = installation(tmp_path)
    [old] = read_keys(Home.of(settings).encryption_keys)
    made = await asyncio.gather(*(asyncio.to_thread(rotate, settings) for _ in range(8)))
    kept = [key.id for key in read_keys(Home.of(settings).encryption_keys)]
    assert sorted(kept) == sorted([old.id, *(told.partition(" ")[0] for told in made)])
