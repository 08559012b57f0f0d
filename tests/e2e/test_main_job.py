"""A manifest becomes a guest, and stays one whatever dies: kubectl, libvirt and QEMU, nothing in between replaced.

The tests share one machine and run in this order; the last one deletes it.
"""

import asyncio
import json
import os
import signal
from typing import Any

import pytest

ALPHA = "virtualmachine.v1alpha1.kubevirt.io"
"""Not the short name: kubectl itself drops the version that is given with one."""


@pytest.fixture(scope="module")
def busybox(installation: Any, eventually: Any) -> Any:
    """An installation whose example machine has booted to userspace."""
    installation.kubectl("apply", "-f", "examples/vm-busybox.yaml")
    eventually(lambda: installation.phase("busybox") == "Running", 60, "the instance is Running")
    eventually(lambda: "userspace is up" in installation.serial_log("busybox"), 60, "the guest booted")
    return installation


def test_an_applied_machine_boots_to_userspace(busybox: Any) -> None:
    assert busybox.guest("busybox") is not None


def test_get_prints_node_and_address(busybox: Any, eventually: Any) -> None:
    ip = eventually(
        lambda: busybox.field("vmi", "busybox", ".status.interfaces[0].ipAddress"), 30, "the guest has an address"
    )
    node = busybox.field("vmi", "busybox", ".status.nodeName")
    table = busybox.kubectl("get", "vm,vmi")
    assert "virtualmachine.kubevirt.io/busybox" in table
    assert node
    assert {"Running", "True", ip, node} <= set(table.split())


def test_the_guest_agent_tells_what_runs_in_the_guest(busybox: Any, eventually: Any) -> None:
    eventually(
        lambda: busybox.field("vmi", "busybox", ".status.guestOSInfo.id") == "virtplane-guest", 60, "guest facts"
    )
    assert "AgentConnected" in busybox.field("vmi", "busybox", ".status.conditions[*].type")


async def test_the_console_is_a_shell_in_the_guest(busybox: Any) -> None:
    said = b""
    async with asyncio.timeout(20), busybox.console("busybox") as console:
        await console.send_bytes(b"\necho the answer is $((6 * 7))\n")
        while b"the answer is 42" not in said:
            said += await console.receive_bytes()
    assert "the answer is 42" in busybox.serial_log("busybox")


def test_the_first_version_of_the_api_shows_its_own_shape(busybox: Any) -> None:
    output = busybox.kubectl("get", ALPHA, "busybox", "-o", "json")
    machine = json.loads(output[output.index("{") :])
    assert machine["apiVersion"] == "kubevirt.io/v1alpha1"
    assert machine["spec"]["running"] is True
    volume = machine["spec"]["template"]["spec"]["volumes"][0]
    assert volume["registryDisk"]["image"] == "virtplane/busybox:latest"


def test_explain_knows_the_domain(busybox: Any) -> None:
    assert "devices" in busybox.kubectl("explain", "vm.spec.template.spec.domain")


@pytest.mark.parametrize("role", ["server", "controllers", "agent", "libvirtd"])
def test_a_killed_process_comes_back_and_the_guest_never_notices(busybox: Any, eventually: Any, role: str) -> None:
    guest, killed = busybox.guest("busybox"), busybox.process(role)
    assert guest is not None
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: busybox.process(role) not in {None, killed}, 30, f"a new {role}")
    eventually(lambda: "ok" in answer(busybox, "/readyz"), 30, "the server is ready")
    busybox.kubectl("annotate", "vm", "busybox", f"after={role}", "--overwrite")
    eventually(lambda: busybox.phase("busybox") == "Running", 30, "the instance is Running")
    assert busybox.guest("busybox") == guest


def answer(busybox: Any, path: str) -> str:
    """What the server says; empty while it is not there."""
    try:
        return busybox.kubectl("get", "--raw", path)
    except AssertionError:
        return ""


def test_stopping_everything_leaves_the_guest_alone_and_starting_finds_it(busybox: Any, eventually: Any) -> None:
    guest = busybox.guest("busybox")
    port = busybox.kubectl("config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}").split(":")[-1]
    busybox.virtplane("down")
    assert busybox.guest("busybox") == guest
    busybox.virtplane("up", "--port", port)
    eventually(lambda: busybox.phase("busybox") == "Running", 30, "the instance is Running")
    assert busybox.guest("busybox") == guest


def test_a_deleted_machine_leaves_no_guest(busybox: Any, eventually: Any) -> None:
    uid = busybox.field("vmi", "busybox", ".metadata.uid")
    busybox.kubectl("delete", "vm", "busybox")
    eventually(lambda: busybox.guest("busybox") is None, 60, "the guest is gone")
    eventually(lambda: "busybox" not in busybox.kubectl("get", "vm,vmi", "-o", "name"), 30, "the objects are gone")
    assert not (busybox.home / "agent" / "guests" / uid).exists()
