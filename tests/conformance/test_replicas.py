"""Several servers on one database."""

import asyncio
from pathlib import Path

from apiserver.storage.migrate import migrate
from tests.apiserver.storage import postgresql
from tests.conformance.api import NAMESPACE, Api, connected
from tests.server import prepare, running_server

SERVERS = 4


async def test_servers_that_start_together_on_an_empty_database_all_serve(tmp_path: Path) -> None:
    await asyncio.to_thread(prepare, tmp_path)
    with postgresql.running() as url:
        await migrate(url)
        async with asyncio.TaskGroup() as group:
            found = [group.create_task(_namespaces(tmp_path, url)) for _ in range(SERVERS)]
    assert all({"default", "kube-system"} <= each.result() for each in found)


async def _namespaces(directory: Path, url: str) -> set[str]:
    async with running_server(directory, migrated=True, database_url=url) as server, connected(server) as session:
        answer = await Api(session).call("GET", NAMESPACE.path)
        return {each["metadata"]["name"] for each in answer.body["items"]}
