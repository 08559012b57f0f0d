"""Several servers on one database."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from apiserver.storage.migrate import migrate
from kube.installation import NAMESPACE as INSTALL_NAMESPACE
from kube.revocation import CONFIG_MAP as REVOKED_NODES
from kube.timestamps import to_time, utc_now
from tests.apiserver.storage import postgresql
from tests.conformance.api import NAMESPACE, SECONDS, Api, Kind, connected
from tests.conformance.api import NODE as NODES
from tests.server import NODE, prepare, running_server

SERVERS = 4
REVOKED = Kind("ConfigMap", "", "v1", "configmaps", INSTALL_NAMESPACE)


async def test_servers_that_start_together_on_an_empty_database_all_serve(tmp_path: Path) -> None:
    await asyncio.to_thread(prepare, tmp_path)
    with postgresql.running() as url:
        await migrate(url)
        async with asyncio.TaskGroup() as group:
            found = [group.create_task(_namespaces(tmp_path, url)) for _ in range(SERVERS)]
    assert all({"default", "kube-system"} <= each.result() for each in found)


async def test_a_node_is_cut_off_by_every_server_when_one_is_told(tmp_path: Path) -> None:
    await asyncio.to_thread(prepare, tmp_path)
    with postgresql.running() as url:
        await migrate(url)
        how: dict[str, Any] = {"migrated": True, "database_url": url}
        async with (
            running_server(tmp_path, **how) as told,
            running_server(tmp_path, **how) as other,
            connected(told) as administrator,
            connected(other, "agent") as agent,
            agent.get(NODES.path, params={"watch": "true"}) as watch,
        ):
            revoked = {**REVOKED.manifest(REVOKED_NODES), "data": {NODE: to_time(utc_now())}}
            assert (await Api(administrator).call("POST", REVOKED.path, revoked)).code == 201
            with pytest.raises(aiohttp.ClientError):
                await asyncio.wait_for(watch.read(), SECONDS)
            assert (await Api(agent).call("GET", f"{NODES.path}/{NODE}")).code == 401


async def _namespaces(directory: Path, url: str) -> set[str]:
    async with running_server(directory, migrated=True, database_url=url) as server, connected(server) as session:
        answer = await Api(session).call("GET", NAMESPACE.path)
        return {each["metadata"]["name"] for each in answer.body["items"]}
