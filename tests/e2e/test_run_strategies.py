"""What becomes of a machine whose guest ends is its run strategy's to say."""

import os
import signal
from typing import Any

import pytest


def started(installation: Any, eventually: Any, machine: Any, name: str, strategy: str) -> int:
    """Run a machine; return its guest's process."""
    installation.apply(machine(name, runStrategy=strategy))
    eventually(lambda: installation.phase(name) == "Running", 60, f"{name} is Running")
    return eventually(lambda: installation.guest(name), 10, "the guest runs")


@pytest.mark.parametrize("strategy", ["Always", "RerunOnFailure"])
def test_a_killed_guest_starts_again(installation: Any, eventually: Any, machine: Any, strategy: str) -> None:
    name = f"again-{strategy.lower()}"
    killed = started(installation, eventually, machine, name, strategy)
    before = installation.field("vmi", name, ".metadata.uid")
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: installation.field("vmi", name, ".metadata.uid") not in {"", before}, 60, "a new instance")
    eventually(lambda: installation.phase(name) == "Running", 60, "the instance is Running")
    assert installation.guest(name) not in {None, killed}
    installation.kubectl("delete", "vm", name)


def test_a_killed_guest_stays_dead_where_it_should_run_once(installation: Any, eventually: Any, machine: Any) -> None:
    killed = started(installation, eventually, machine, "once", "Once")
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: installation.phase("once") == "Failed", 30, "the instance has Failed")
    eventually(lambda: installation.field("vm", "once", ".status.printableStatus") == "Stopped", 30, "Stopped")
    assert "crashed" in installation.events("once")
    assert installation.guest("once") is None
    installation.kubectl("delete", "vm", "once")


def test_a_guest_that_shuts_down_by_itself_starts_again_only_if_it_should_run_always(
    installation: Any, eventually: Any, machine: Any
) -> None:
    for name, strategy in (("always", "Always"), ("rerun", "RerunOnFailure")):
        started(installation, eventually, machine, name, strategy)
    uid = installation.field("vmi", "always", ".metadata.uid")
    for name in ("always", "rerun"):
        eventually(lambda name=name: "userspace is up" in installation.serial_log(name), 60, f"{name} booted")
        virsh(installation, "shutdown", f"default_{name}", "--mode", "acpi")
    eventually(lambda: installation.field("vmi", "always", ".metadata.uid") not in {"", uid}, 60, "a new instance")
    eventually(lambda: installation.field("vm", "rerun", ".status.printableStatus") == "Stopped", 60, "rerun stopped")
    eventually(lambda: installation.phase("always") == "Running", 60, "always runs again")
    installation.kubectl("delete", "vm", "always", "rerun")


def virsh(installation: Any, *arguments: str) -> None:
    installation.run("virsh", "--connect", installation.status()["libvirt"][0], *arguments)


def test_halting_a_machine_ends_its_guest_and_running_it_starts_one(
    installation: Any, eventually: Any, machine: Any
) -> None:
    started(installation, eventually, machine, "switch", "Always")
    installation.kubectl("patch", "vm", "switch", "--type=merge", "-p", '{"spec":{"runStrategy":"Halted"}}')
    eventually(lambda: installation.guest("switch") is None, 60, "the guest is gone")
    eventually(lambda: installation.phase("switch") == "", 30, "the instance is gone")
    installation.kubectl("patch", "vm", "switch", "--type=merge", "-p", '{"spec":{"runStrategy":"Always"}}')
    eventually(lambda: installation.phase("switch") == "Running", 60, "it runs again")
    installation.kubectl("delete", "vm", "switch")


def test_a_manual_machine_does_not_start_by_itself(installation: Any, eventually: Any, machine: Any) -> None:
    installation.apply(machine("manual", runStrategy="Manual"))
    eventually(lambda: installation.field("vm", "manual", ".status.printableStatus") == "Stopped", 30, "Stopped")
    assert installation.phase("manual") == ""
    installation.kubectl("delete", "vm", "manual")
