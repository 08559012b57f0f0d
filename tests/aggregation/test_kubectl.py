"""The real kubectl through the aggregator, as a user of the cluster who has nothing but what roles give her."""

import asyncio
import json
from dataclasses import replace

import pytest
import pytest_asyncio

from tests.aggregation.conftest import World
from tests.aggregation.machines import machine, machines
from tests.conformance.api import NAMESPACE, SECONDS
from tests.conformance.users import BINDING, ROLE, grant, make_role, rule
from tests.kubectl import Kubectl, kubectl_of

pytestmark = pytest.mark.asyncio(loop_scope="session")
KINDS = "virtualmachines virtualmachineinstances"


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def eve(world: World) -> Kubectl:
    """A user who may make and change machines in ``team`` and see them in ``shown``."""
    for namespace in ("team", "shown"):
        await world.admin.create(NAMESPACE, namespace)
    await make_role(world.admin, replace(ROLE, namespace="team"), "maker", rule("kubevirt.io", KINDS, "*"))
    await grant(world.admin, "eve", replace(BINDING, namespace="team"), "maker", role_kind="Role")
    await grant(world.admin, "eve", replace(BINDING, namespace="shown"), "view")
    answer = await world.admin.call("POST", machines("shown").path, machine("seen", "shown"))
    assert answer.code == 201, answer.body
    return kubectl_of(world.enrol("eve"))


async def test_she_makes_changes_watches_and_deletes_machines_in_one_namespace(eve: Kubectl) -> None:
    manifest = json.dumps(machine("mine", "team"))
    assert "mine created" in await eve("apply", "-f", "-", given=manifest)
    watch = asyncio.create_task(eve("get", "vm", "-n", "team", "-w", "-o", "name", "--request-timeout=1s"))
    more = json.dumps(machine("mine", "team", runStrategy="Manual"))
    assert "serverside-applied" in await eve("apply", "--server-side", "--force-conflicts", "-f", "-", given=more)
    assert "STATUS" in await eve("get", "vm", "mine", "-n", "team")
    assert "deleted" in await eve("delete", "vm", "mine", "-n", "team")
    async with asyncio.timeout(SECONDS):
        assert "virtualmachine.kubevirt.io/mine" in await watch


async def test_elsewhere_she_sees_or_not_even_that(eve: Kubectl) -> None:
    assert "seen" in await eve("get", "vm", "-n", "shown")
    for refused in (
        ("delete", "vm", "seen", "-n", "shown"),
        ("get", "vm", "-n", "default"),
        ("get", "vm", "-A"),
        ("get", "secrets", "-n", "team"),
    ):
        assert "is forbidden" in await eve(*refused, fails=True), refused
    manifest = json.dumps(machine("mine", "shown"))
    assert 'cannot create resource "virtualmachines"' in await eve("create", "-f", "-", given=manifest, fails=True)
    path = "/apis/subresources.kubevirt.io/v1/namespaces/default/expand-vm-spec"
    assert "forbidden" in (await eve("replace", "--raw", path, "-f", "-", given=manifest, fails=True)).lower()


async def test_she_is_told_what_there_is(eve: Kubectl) -> None:
    told = await eve("api-resources")
    # Of both servers, each kind once.
    for kind in ("VirtualMachine", "VirtualMachineInstance", "ConfigMap", "Role"):
        assert [line.split()[-1] for line in told.splitlines()].count(kind) == 1, kind
    assert "runStrategy" in await eve("explain", "vm.spec")
    assert "<map[string]string>" in await eve("explain", "configmap.data")
    assert (await eve("auth", "can-i", "create", "virtualmachines.kubevirt.io", "-n", "team")).strip() == "yes"
    assert "no" in await eve("auth", "can-i", "create", "virtualmachines.kubevirt.io", "-n", "shown", fails=True)


async def test_the_administrator_acts_as_others_and_cannot_do_more_than_they(world: World, eve: Kubectl) -> None:
    admin = kubectl_of(world.directory / "admin.kubeconfig")
    assert "seen" in await admin("get", "vm", "-n", "shown", "--as=eve")
    assert "is forbidden" in await admin("get", "vm", "-n", "default", "--as=eve", fails=True)
