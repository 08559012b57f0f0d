"""What quotas say is used, with the real server and the real controllers together."""

import pytest

from tests.conformance.api import CONFIG_MAP, Api, Kind, Object, connected
from tests.conformance.databases import sqlite_only
from tests.server import Server

database_url = sqlite_only

QUOTA = Kind("ResourceQuota", "", "v1", "resourcequotas", "default")
SECRET = Kind("Secret", "", "v1", "secrets", "default")
INSTANCE = Kind("VirtualMachineInstance", "kubevirt.io", "v1", "virtualmachineinstances", "default")
MACHINE = Kind("VirtualMachine", "kubevirt.io", "v1", "virtualmachines", "default")
KUBEVIRT = Kind("KubeVirt", "kubevirt.io", "v1", "kubevirts", "default")
SECRETS = {"count/secrets": "5", "secrets": "5"}

pytestmark = pytest.mark.usefixtures("controllers")


async def limit(api: Api, **hard: str) -> None:
    body = QUOTA.manifest("limited") | {"spec": {"hard": hard}}
    assert (await api.call("POST", QUOTA.path, body)).code == 201


async def until_used(api: Api, **used: str) -> Object:
    found = await api.until(QUOTA, lambda quotas: quotas["limited"].get("status", {}).get("used") == used)
    return found["limited"]["status"]


async def test_a_new_quota_is_counted_although_nobody_writes(api: Api) -> None:
    await api.create(SECRET, "one")
    hard = {**SECRETS, "pods": "1", "count/things.example.org": "1"}
    await limit(api, **hard)
    used = {"count/secrets": "1", "secrets": "1", "pods": "0", "count/things.example.org": "0"}
    assert (await until_used(api, **used))["hard"] == hard


async def test_what_is_deleted_is_used_no_more(api: Api) -> None:
    await limit(api, **SECRETS)
    for name in ("one", "two"):
        await api.create(SECRET, name)
    await until_used(api, **dict.fromkeys(SECRETS, "2"))
    await api.delete(SECRET, "one")
    await until_used(api, **dict.fromkeys(SECRETS, "1"))


async def test_a_guest_that_has_ended_makes_room_for_another(api: Api, server: Server) -> None:
    await limit(api, memory="1Gi")
    guest = INSTANCE.manifest("one") | {"spec": {"domain": {"memory": {"guest": "1Gi"}, "devices": {}}}}
    assert (await api.call("POST", INSTANCE.path, guest)).code == 201
    await until_used(api, memory="1Gi")
    async with connected(server, "controllers") as session:
        ended = {"status": {"phase": "Succeeded"}}
        merge = "application/merge-patch+json"
        assert (await Api(session).call("PATCH", f"{INSTANCE.path}/one/status", ended, content_type=merge)).code == 200
    await until_used(api, memory="0")


async def test_a_quota_that_is_changed_is_counted_again(api: Api) -> None:
    await limit(api, configmaps="9")
    found = await api.until(CONFIG_MAP, lambda found: "kube-root-ca.crt" in found)
    await until_used(api, configmaps=str(len(found)))
    await api.patch(QUOTA, "limited", {"spec": {"hard": {"configmaps": None, "pods": "1"}}})
    assert (await until_used(api, pods="0"))["hard"] == {"pods": "1"}


async def test_a_change_of_the_configuration_counts_guests_again(api: Api) -> None:
    await limit(api, cpu="4")
    guest = INSTANCE.manifest("one") | {"spec": {"domain": {"memory": {"guest": "1Gi"}, "devices": {}}}}
    assert (await api.call("POST", INSTANCE.path, guest)).code == 201
    await until_used(api, cpu="100m")
    configuration = {"developerConfiguration": {"cpuAllocationRatio": 2}}
    kubevirt = KUBEVIRT.manifest("kubevirt") | {"spec": {"configuration": configuration}}
    assert (await api.call("POST", KUBEVIRT.path, kubevirt)).code == 201
    await until_used(api, cpu="500m")


async def test_a_machine_beyond_its_quota_says_so_and_starts_when_there_is_room(api: Api) -> None:
    await limit(api, memory="1Gi")
    guest = {"domain": {"memory": {"guest": "1Gi"}, "devices": {}}}
    for name in ("one", "two"):
        machine = MACHINE.manifest(name) | {"spec": {"runStrategy": "Always", "template": {"spec": guest}}}
        assert (await api.call("POST", MACHINE.path, machine)).code == 201
        await api.until(MACHINE, lambda machines, name=name: machines[name].get("status", {}).get("conditions"))

    def failure(machine: Object) -> str:
        conditions = machine["status"]["conditions"]
        return next((each["message"] for each in conditions if each["type"] == "Failure"), "")

    found = await api.until(MACHINE, lambda machines: failure(machines["two"]))
    assert "exceeded quota: limited, requested: memory=1Gi, used: memory=1Gi" in failure(found["two"])
    await api.patch(QUOTA, "limited", {"spec": {"hard": {"memory": "2Gi"}}})
    await api.until(INSTANCE, lambda instances: "two" in instances)
    await api.until(MACHINE, lambda machines: not failure(machines["two"]))
