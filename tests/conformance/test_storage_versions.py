"""What an earlier release stored is served as if this one had, and can be stored again in this one's form."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import orjson
import pytest

from apiserver.registry.revision import UnknownVersionError
from apiserver.storage.contract import Key
from apiserver.storage.sql import SqlLog
from client.api import Client
from client.kinds import VIRTUAL_MACHINE
from tests.conformance.api import Api, Kind, connected
from tests.server import Server, running_server
from virtplane.storagemigration import migrate_storage

Object = dict[str, Any]
MACHINES = "virtualmachines.kubevirt.io"
NOW = Kind("VirtualMachine", "kubevirt.io", "v1", "virtualmachines", "default")
THEN = Kind("VirtualMachine", "kubevirt.io", "v1alpha1", "virtualmachines", "default")
FIRST_RELEASE = Path(__file__).with_name("data") / "first-release.sql"
"""A SQLite database as the first release left it: ``sqlite3 log.db .dump``."""


def early(name: str, **spec: Any) -> Object:
    """A machine as one stored it whose hub was v1alpha1."""
    domain = {
        "devices": {"disks": [{"name": "root", "volumeName": "image", "disk": {"bus": "virtio"}}]},
        "memory": {"value": 64, "unit": "MiB"},
        "machine": {"type": "q35"},
    }
    template = {
        "architecture": "amd64",
        "domain": domain,
        "volumes": [{"name": "image", "registryDisk": {"image": "example.org/disk:1"}}],
    }
    metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}", "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {
        "apiVersion": "kubevirt.io/v1alpha1",
        "kind": "VirtualMachine",
        "metadata": {**metadata, "generation": 1},
        "spec": {"running": False, "template": {"spec": template}, **spec},
    }


async def stored(database_url: str, name: str) -> Object:
    """A machine as the database has it."""
    async with SqlLog(database_url) as log:
        return orjson.loads((await log.get(Key(MACHINES, "default", name))).body)


@pytest.fixture
async def database_url(database_url: str) -> str:
    """A database in which an earlier release has stored three machines."""
    async with SqlLog(database_url) as log:
        for name in ("one", "two", "three"):
            await log.create(Key(MACHINES, "default", name), orjson.dumps(early(name)))
    return database_url


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    async with Client.from_kubeconfig(server.kubeconfig("admin"), "tests") as client:
        yield client


async def test_what_is_stored_in_an_old_version_is_served_in_every_version(api: Api) -> None:
    now = await api.get(NOW, "one")
    assert now is not None
    assert now["apiVersion"] == "kubevirt.io/v1"
    assert now["spec"]["runStrategy"] == "Halted"
    assert now["spec"]["template"]["spec"]["domain"]["memory"] == {"guest": "64Mi"}
    then = await api.get(THEN, "one")
    assert then is not None
    assert then["spec"] == early("one")["spec"]
    assert len((await api.call("GET", NOW.path)).body["items"]) == 3


async def test_a_watch_from_before_shows_it_in_the_version_asked_for(api: Api) -> None:
    query = {"watch": "true", "resourceVersion": "1", "timeoutSeconds": "1"}
    async with api.session.get(NOW.path, params=query) as answer:
        events = [orjson.loads(line) for line in (await answer.read()).splitlines()]
    assert [event["object"]["apiVersion"] for event in events if event["type"] == "ADDED"] == ["kubevirt.io/v1"] * 2


async def test_migrating_stores_everything_in_the_present_version_and_does_it_once(
    client: Client, database_url: str
) -> None:
    told: list[str] = []
    assert await migrate_storage(client, told.append) == 0
    assert f"{MACHINES}: 3 objects, 3 rewritten" in told
    assert (await stored(database_url, "one"))["apiVersion"] == "kubevirt.io/v1"
    told.clear()
    assert await migrate_storage(client, told.append) == 0
    assert f"{MACHINES}: 3 objects, 0 rewritten" in told
    assert not [line for line in told if ", 0 rewritten" not in line]


async def test_migrating_changes_nothing_that_anybody_sees(client: Client) -> None:
    before = await client.get(VIRTUAL_MACHINE, "one", "default")
    await migrate_storage(client, lambda _: None)
    after = await client.get(VIRTUAL_MACHINE, "one", "default")
    assert after["metadata"].pop("resourceVersion") != before["metadata"].pop("resourceVersion")
    assert after == before


async def test_an_interrupted_migration_goes_on_where_it_was(
    client: Client, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("virtplane.storagemigration.PAGE", 1)

    def interrupt(line: str) -> None:
        if f"{MACHINES}: 1 objects, 1 rewritten" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await migrate_storage(client, interrupt)
    told: list[str] = []
    await migrate_storage(client, told.append)
    assert f"{MACHINES}: 3 objects, 2 rewritten" in told


async def test_a_write_of_somebody_else_stores_the_present_version_too(api: Api, database_url: str) -> None:
    await api.patch(NOW, "two", {"metadata": {"labels": {"team": "a"}}})
    assert (await stored(database_url, "two"))["apiVersion"] == "kubevirt.io/v1"


async def test_a_version_that_nobody_knows_any_more_stops_the_start(tmp_path: Path, database_url: str) -> None:
    async with SqlLog(database_url) as log:
        lost = {**early("lost"), "apiVersion": "kubevirt.io/v1alpha0"}
        await log.create(Key(MACHINES, "default", "lost"), orjson.dumps(lost))
    with pytest.raises(UnknownVersionError, match=r"default/lost is stored as kubevirt\.io/v1alpha0"):
        async with running_server(tmp_path, migrated=True, database_url=database_url):
            pass


@pytest.fixture
async def first_release(tmp_path: Path) -> AsyncIterator[Callable[[str], Any]]:
    """The present server on the database of the first release; gets objects by path."""
    database = sqlite3.connect(tmp_path / "first.db")
    database.executescript(FIRST_RELEASE.read_text())
    database.close()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            running_server(tmp_path / "server", database_url=f"sqlite:///{tmp_path}/first.db")
        )
        api = Api(await stack.enter_async_context(connected(server)))
        client = await stack.enter_async_context(Client.from_kubeconfig(server.kubeconfig("admin"), "tests"))
        assert await migrate_storage(client, lambda _: None) == 0

        async def get(path: str) -> Any:
            answer = await api.call("GET", path)
            assert answer.code == 200, answer.body
            return answer.body

        yield get


async def test_the_database_of_the_first_release_is_upgraded_and_read(
    first_release: Callable[[str], Any], tmp_path: Path
) -> None:
    machine = await first_release(f"{NOW.path}/modern")
    assert machine["metadata"]["annotations"]["note"] == "changed once"
    assert machine["spec"]["template"]["spec"]["volumes"][0]["containerDisk"]["image"] == "example.org/disk:1"
    shown = await first_release(f"{THEN.path}/early")
    assert shown["spec"]["running"] is False
    assert shown["spec"]["template"]["spec"]["domain"]["memory"] == {"value": 64, "unit": "MiB"}
    guest = await first_release("/apis/kubevirt.io/v1/namespaces/default/virtualmachineinstances/guest")
    assert guest["status"]["phase"] == "Pending"
    assert (await first_release("/api/v1/namespaces/default/configmaps/settings"))["data"] == {"one": "1"}
    assert (await first_release("/api/v1/namespaces/default/secrets/key"))["data"] == {"token": "bm90LWEtc2VjcmV0"}
    assert b"bm90LWEtc2VjcmV0" not in b"".join(each.read_bytes() for each in tmp_path.glob("first.db*"))
