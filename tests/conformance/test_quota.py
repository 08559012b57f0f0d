"""Quotas: what uses more of a namespace than they allow is refused, however many write at once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.api import CONFIG_MAP, Answer, Api, Kind, Object, connected
from tests.server import Server, running_server

QUOTA = Kind("ResourceQuota", "", "v1", "resourcequotas", "default")
CLAIM = Kind("PersistentVolumeClaim", "", "v1", "persistentvolumeclaims", "default")
INSTANCE = Kind("VirtualMachineInstance", "kubevirt.io", "v1", "virtualmachineinstances", "default")
KUBEVIRT = Kind("KubeVirt", "kubevirt.io", "v1", "kubevirts", "default")
WRITERS = 30


async def limit(api: Api, name: str = "limited", **hard: str) -> None:
    body = QUOTA.manifest(name) | {"spec": {"hard": {key.replace("__", "."): value for key, value in hard.items()}}}
    assert (await api.call("POST", QUOTA.path, body)).code == 201


async def create(api: Api, kind: Kind, name: str, spec: Object | None = None, **query: str) -> Answer:
    return await api.call("POST", kind.path, kind.manifest(name) | ({"spec": spec} if spec else {}), **query)


async def used(api: Api, name: str = "limited") -> Object:
    quota = await api.get(QUOTA, name)
    assert quota
    return quota.get("status", {}).get("used", {})


def guest(memory: str = "1Gi", **resources: Any) -> Object:
    return {"domain": {"memory": {"guest": memory}, "devices": {}, "resources": resources}}


def storage(size: str, **spec: str) -> Object:
    return {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec}


async def test_a_namespace_has_no_more_objects_than_its_quota_allows(api: Api) -> None:
    await limit(api, configmaps="1", secrets="5")
    assert (await create(api, CONFIG_MAP, "one")).code == 201
    refused = await create(api, CONFIG_MAP, "two")
    assert (refused.code, refused.body["reason"]) == (403, "Forbidden")
    assert refused.body["message"] == (
        'configmaps "two" is forbidden: exceeded quota: limited, requested: configmaps=1, used: configmaps=1, '
        "limited: configmaps=1"
    )
    assert await used(api) == {"configmaps": "1", "secrets": "0"}


async def test_what_is_there_before_a_quota_is_counted(api: Api) -> None:
    await api.create(CONFIG_MAP, "one")
    await limit(api, **{"count/configmaps": "1"})
    assert (await create(api, CONFIG_MAP, "two")).code == 403


async def test_what_goes_makes_room_at_once(api: Api) -> None:
    await limit(api, configmaps="1")
    for name in ("one", "two"):
        assert (await create(api, CONFIG_MAP, name)).code == 201
        await api.delete(CONFIG_MAP, name)


async def test_of_many_creates_at_once_no_more_succeed_than_there_is_room_for(api: Api) -> None:
    await limit(api, configmaps="7")
    answers = await asyncio.gather(*(create(api, CONFIG_MAP, f"c{n}") for n in range(WRITERS)))
    assert sorted(each.code for each in answers) == [201] * 7 + [403] * (WRITERS - 7)
    assert await used(api) == {"configmaps": "7"}


async def test_a_create_that_fails_is_not_charged(api: Api) -> None:
    await limit(api, configmaps="5")
    await create(api, CONFIG_MAP, "one")
    assert (await create(api, CONFIG_MAP, "one")).code == 409
    assert await used(api) == {"configmaps": "1"}


async def test_a_dry_run_is_refused_and_is_not_charged(api: Api) -> None:
    await limit(api, configmaps="1")
    assert (await create(api, CONFIG_MAP, "one", dryRun="All")).code == 201
    assert await used(api) == {}
    await create(api, CONFIG_MAP, "one")
    assert (await create(api, CONFIG_MAP, "two", dryRun="All")).code == 403
    assert await used(api) == {"configmaps": "1"}


async def test_an_apply_that_creates_is_refused_as_a_create(api: Api) -> None:
    await limit(api, configmaps="0")
    path, body = f"{CONFIG_MAP.path}/one", CONFIG_MAP.manifest("one")
    applied = await api.call("PATCH", path, body, content_type="application/apply-patch+yaml", fieldManager="a")
    assert (applied.code, await api.get(CONFIG_MAP, "one")) == (403, None)


async def test_a_quota_counts_against_another(api: Api) -> None:
    await limit(api, resourcequotas="1")
    body = QUOTA.manifest("second") | {"spec": {"hard": {"pods": "1"}}}
    assert (await api.call("POST", QUOTA.path, body)).code == 403


async def test_guests_use_no_more_memory_and_cpus_than_allowed(api: Api) -> None:
    await limit(api, memory="2Gi", limits__cpu="4", requests__cpu="1")
    assert (await create(api, INSTANCE, "one", guest())).code == 201
    assert await used(api) == {"limits.cpu": "1", "memory": "1Gi", "requests.cpu": "100m"}
    refused = await create(api, INSTANCE, "two", guest("2Gi", requests={"cpu": "2"}))
    assert refused.body["message"].endswith(
        "exceeded quota: limited, requested: memory=2Gi,requests.cpu=2, used: memory=1Gi,requests.cpu=100m, "
        "limited: memory=2Gi,requests.cpu=1"
    )
    assert (await create(api, INSTANCE, "two", guest())).code == 201


async def test_a_guest_that_wants_absurdly_many_cpus_is_refused_and_harms_nobody(api: Api) -> None:
    await limit(api, limits__cpu="4")
    wanted = guest("64Mi", requests={"cpu": "1e30"})
    wanted["domain"]["cpu"] = {"sockets": 8}
    refused, other = await asyncio.gather(create(api, INSTANCE, "one", wanted), create(api, CONFIG_MAP, "other"))
    assert (refused.code, other.code) == (403, 201)
    assert "exceeded quota: limited" in refused.body["message"]


async def test_guests_are_counted_as_the_configuration_shares_nodes_among_them(api: Api) -> None:
    configuration = {"developerConfiguration": {"cpuAllocationRatio": 1, "memoryOvercommit": 200}}
    kubevirt = KUBEVIRT.manifest("kubevirt") | {"spec": {"configuration": configuration}}
    assert (await api.call("POST", KUBEVIRT.path, kubevirt)).code == 201
    await limit(api, memory="1Gi", cpu="2")
    for name in ("one", "two"):
        assert (await create(api, INSTANCE, name, guest())).code == 201
    assert await used(api) == {"cpu": "2", "memory": "1Gi"}


async def test_a_change_is_refused_only_when_it_uses_more(api: Api) -> None:
    assert (await create(api, CLAIM, "one", storage("2Gi", volumeName="v"))).code == 201
    status = {"status": {"phase": "Bound", "capacity": {"storage": "2Gi"}}}
    path = f"{CLAIM.path}/one"
    merge = "application/merge-patch+json"
    assert (await api.call("PATCH", f"{path}/status", status, content_type=merge)).code == 200
    await limit(api, requests__storage="3Gi")
    for size, code in (("3Gi", 200), ("4Gi", 403)):
        grow = {"spec": {"resources": {"requests": {"storage": size}}}}
        assert (await api.call("PATCH", path, grow, content_type=merge, dryRun="All")).code == code
        assert (await api.call("PATCH", path, grow, content_type=merge)).code == code
    assert await used(api) == {"requests.storage": "3Gi"}
    await api.patch(QUOTA, "limited", {"spec": {"hard": {"requests.storage": "1Gi"}}})
    await api.patch(CLAIM, "one", {"metadata": {"labels": {"still": "there"}}})


async def test_storage_is_limited_by_class(api: Api) -> None:
    fast = "fast.storageclass.storage.k8s.io/requests.storage"
    await limit(api, **{fast: "1Gi"})
    assert (await create(api, CLAIM, "slow", storage("5Gi", storageClassName="slow"))).code == 201
    assert (await create(api, CLAIM, "fast", storage("2Gi", storageClassName="fast"))).code == 403
    assert (await create(api, CLAIM, "fast", storage("1Gi", storageClassName="fast"))).code == 201


@pytest.fixture
async def other(server: Server, database_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    """A second replica on the database of the first."""
    async with (
        running_server(tmp_path / "other", migrated=True, database_url=database_url) as running,
        connected(running) as session,
    ):
        yield Api(session)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_creates_at_once_on_two_replicas_share_one_quota(api: Api, other: Api) -> None:
    await limit(api, configmaps="7")
    both = (api, other)
    answers = await asyncio.gather(*(create(both[n % 2], CONFIG_MAP, f"c{n}") for n in range(WRITERS)))
    assert sorted(each.code for each in answers) == [201] * 7 + [403] * (WRITERS - 7)
    assert await used(api) == await used(other) == {"configmaps": "7"}
