"""The KubeVirt object over HTTP, with the real server and the real controllers together."""

import asyncio
import os
import subprocess
from typing import Any

import pytest

from tests.conformance.api import SECONDS, Api, Kind
from tests.conformance.databases import sqlite_only
from tests.server import Server

database_url = sqlite_only

KUBEVIRT = Kind("KubeVirt", "kubevirt.io", "v1", "kubevirts", "virtplane")
MACHINE = Kind("VirtualMachine", "kubevirt.io", "v1", "virtualmachines", "default")
GUEST = {"spec": {"domain": {"devices": {}, "memory": {"guest": "64Mi"}}}}
NAME = "kubevirt"

pytestmark = pytest.mark.usefixtures("controllers")


async def create(api: Api, kind: Kind, name: str, spec: dict[str, Any]) -> None:
    answer = await api.call("POST", kind.path, {"metadata": {"name": name}, "spec": spec})
    assert answer.code == 201, answer.body


async def configure(api: Api, spec: dict[str, Any]) -> None:
    await create(api, KUBEVIRT, NAME, spec)
    await api.until(KUBEVIRT, lambda found: found[NAME].get("status", {}).get("phase") == "Deployed")


async def test_it_comes_into_force_and_every_change_is_observed(api: Api) -> None:
    await configure(api, {})
    await api.patch(KUBEVIRT, NAME, {"spec": {"configuration": {"cpuModel": "Haswell"}}})
    await api.until(KUBEVIRT, lambda found: found[NAME]["status"]["observedGeneration"] == 2)


async def test_it_goes_when_it_is_deleted_and_workloads_stay(api: Api) -> None:
    await configure(api, {})
    await create(api, MACHINE, "vm", {"runStrategy": "Halted", "template": GUEST})
    await api.delete(KUBEVIRT, NAME)
    await api.until(KUBEVIRT, lambda found: not found)
    assert await api.get(MACHINE, "vm") is not None


async def test_it_stays_while_machines_need_it_where_it_says_so(api: Api) -> None:
    await configure(api, {"uninstallStrategy": "BlockUninstallIfWorkloadsExist"})
    await create(api, MACHINE, "vm", {"runStrategy": "Halted", "template": GUEST})
    refused = await api.call("DELETE", f"{KUBEVIRT.path}/{NAME}")
    assert refused.code == 403
    assert "spec.uninstallStrategy blocks it while there are VirtualMachines" in refused.body["message"]
    await api.delete(MACHINE, "vm")
    await api.until(MACHINE, lambda found: not found)
    await api.delete(KUBEVIRT, NAME)
    await api.until(KUBEVIRT, lambda found: not found)


async def test_a_second_one_is_refused(api: Api) -> None:
    await configure(api, {})
    refused = await api.call("POST", KUBEVIRT.path, {"metadata": {"name": "other"}, "spec": {}})
    assert refused.code == 422
    (cause,) = refused.body["details"]["causes"]
    assert (cause["field"], cause["reason"]) == ("metadata.name", "FieldValueForbidden")
    again = await api.call("POST", KUBEVIRT.path, {"metadata": {"name": NAME}, "spec": {}})
    assert (again.code, again.body["reason"]) == (409, "AlreadyExists")


async def test_kubectl_waits_for_it_and_shows_its_phase(api: Api, server: Server) -> None:
    await create(api, KUBEVIRT, NAME, {})
    environment = {**os.environ, "KUBECONFIG": str(server.kubeconfig("admin")), "HOME": str(server.directory)}
    awaited = f"kubectl wait kv {NAME} -n virtplane --for condition=Available --timeout {SECONDS}s"
    shown = "kubectl get kv -n virtplane --no-headers -o custom-columns=A:.metadata.name,B:.status.phase"
    for command, expected in ((awaited, f"{NAME} condition met"), (shown, f"{NAME}   Deployed")):
        process = await asyncio.create_subprocess_exec(
            *command.split(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
        )
        output, _ = await process.communicate()
        assert expected in output.decode()
