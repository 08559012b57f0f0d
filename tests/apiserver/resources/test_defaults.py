"""What an instance's spec leaves open is filled in once, and what it says stays."""

import copy
import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from apiserver.machinery.resource import Caller
from apiserver.resources.virtualmachine.strategy import VirtualMachineStrategy
from apiserver.resources.virtualmachineinstance.defaults import fill_instance
from apiserver.resources.virtualmachineinstance.strategy import VirtualMachineInstanceStrategy
from tests.apiserver.resources.generated import CATALOGUE, Generator
from tests.apiserver.resources.surroundings import PLAIN

Object = dict[str, Any]

USER, SYSTEM = Caller("jane"), Caller("controllers", system=True)
AGENT = Caller("system:node:one", frozenset({"system:nodes"}), system=True)


def filled(*, devices: Object | None = None, domain: Object | None = None, **spec: Any) -> Object:
    made = {"architecture": "amd64", "domain": {"devices": devices or {}, **(domain or {})}, **spec}
    fill_instance(made)
    return made


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(Generator("v1").of("VirtualMachineInstanceSpec"))
def test_filling_in_again_changes_nothing_and_the_result_fits_the_schema(spec: Object) -> None:
    fill_instance(spec)
    once = copy.deepcopy(spec)
    fill_instance(spec)
    assert spec == once
    instance = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "metadata": {}, "spec": spec}
    schema = CATALOGUE.schema("kubevirt.io", "v1", "VirtualMachineInstance")
    assert schema.prune(instance) == []


def test_a_guest_of_one_word_gets_a_whole_machine() -> None:
    spec = filled(domain={"memory": {"guest": "64Mi"}})
    domain = spec["domain"]
    uuid.UUID(domain["firmware"]["uuid"])
    assert domain["machine"] == {"type": "q35"}
    assert domain["cpu"] == {"sockets": 1, "cores": 1, "threads": 1, "model": "host-model"}
    assert domain["resources"] == {"requests": {"memory": "64Mi"}}
    assert domain["devices"]["interfaces"] == [{"name": "default", "masquerade": {}}]
    assert spec["networks"] == [{"name": "default", "pod": {}}]
    assert "disks" not in domain["devices"]


MEMORY = [
    ({"memory": {"guest": "1Gi"}}, "1Gi", "1Gi"),
    ({"resources": {"requests": {"memory": "2Gi"}}}, "2Gi", "2Gi"),
    ({"resources": {"limits": {"memory": "3Gi"}}}, "3Gi", "3Gi"),
    ({"memory": {"guest": "2Gi"}, "resources": {"requests": {"memory": "1Gi"}}}, "2Gi", "1Gi"),
]


@pytest.mark.parametrize(("domain", "guest", "request_"), MEMORY)
def test_memory_said_in_one_way_counts_for_all(domain: Object, guest: str, request_: str) -> None:
    found = filled(domain=domain)["domain"]
    assert found["memory"]["guest"] == guest
    assert found["resources"]["requests"]["memory"] == request_


def test_a_limit_of_cpus_is_what_is_requested() -> None:
    found = filled(domain={"resources": {"limits": {"cpu": "2"}}})
    assert found["domain"]["resources"]["requests"] == {"cpu": "2"}


PULL = [
    ("debian", "Always"),
    ("debian:latest", "Always"),
    ("host:5000/debian", "Always"),
    ("debian:12", "IfNotPresent"),
    ("host:5000/debian:12", "IfNotPresent"),
    ("debian@sha256:0", "IfNotPresent"),
]


@pytest.mark.parametrize(("image", "policy"), PULL)
def test_an_image_that_may_move_is_always_pulled(image: str, policy: str) -> None:
    boot = {"firmware": {"kernelBoot": {"container": {"image": image}}}}
    spec = filled(domain=boot, volumes=[{"name": "a", "containerDisk": {"image": image}}])
    assert spec["volumes"][0]["containerDisk"]["imagePullPolicy"] == policy
    assert spec["domain"]["firmware"]["kernelBoot"]["container"]["imagePullPolicy"] == policy


def test_every_volume_gets_a_disk_and_every_disk_a_drive_and_a_bus() -> None:
    disks = [{"name": "b"}, {"name": "c", "cdrom": {}}, {"name": "d", "disk": {"bus": "virtio"}}]
    volumes = [{"name": name, "emptyDisk": {"capacity": "1Gi"}} for name in "abcd"]
    found = filled(devices={"disks": disks}, volumes=volumes)["domain"]["devices"]["disks"]
    assert found == [
        {"name": "b", "disk": {"bus": "sata"}},
        {"name": "c", "cdrom": {"bus": "sata", "readonly": True, "tray": "closed"}},
        {"name": "d", "disk": {"bus": "virtio"}},
        {"name": "a", "disk": {"bus": "sata"}},
    ]


def test_a_guest_can_do_without_a_network() -> None:
    spec = filled(devices={"autoattachPodInterface": False})
    assert "networks" not in spec
    assert "interfaces" not in spec["domain"]["devices"]


def test_devices_and_features_that_are_mentioned_work() -> None:
    devices = {"autoattachInputDevice": True, "watchdog": {"name": "w"}}
    features = {"acpi": {}, "smm": {"enabled": False}, "kvm": {"hidden": True}}
    domain = filled(devices=devices, domain={"features": features})["domain"]
    assert domain["devices"]["inputs"] == [{"name": "default-0", "type": "tablet", "bus": "usb"}]
    assert domain["devices"]["watchdog"]["i6300esb"] == {"action": "reset"}
    assert domain["features"] == {"acpi": {"enabled": True}, "smm": {"enabled": False}, "kvm": {"hidden": True}}


def test_arm_guests_get_what_fits_them() -> None:
    spec = filled(architecture="arm64", volumes=[{"name": "a", "emptyDisk": {"capacity": "1Gi"}}])
    assert spec["domain"]["machine"]["type"] == "virt"
    assert spec["domain"]["cpu"]["model"] == "host-passthrough"
    assert spec["domain"]["devices"]["disks"] == [{"name": "a", "disk": {"bus": "virtio"}}]


def instance(**metadata: Any) -> Object:
    return {"metadata": {"name": "guest", **metadata}, "spec": {"domain": {"memory": {"guest": "1Gi"}, "devices": {}}}}


def test_a_new_instance_is_pending_and_held() -> None:
    new = instance(finalizers=["mine"])
    VirtualMachineInstanceStrategy(PLAIN).prepare_for_create(new, USER)
    assert new["metadata"]["finalizers"] == ["mine", "kubevirt.io/foregroundDeleteVirtualMachine"]
    (transition,) = new["status"]["phaseTransitionTimestamps"]
    assert transition["phase"] == new["status"]["phase"] == "Pending"
    assert new["status"]["memory"] == {"guestAtBoot": "1Gi", "guestCurrent": "1Gi", "guestRequested": "1Gi"}
    assert new["status"]["currentCPUTopology"] == {"sockets": 1, "cores": 1, "threads": 1}


def test_the_manifest_an_instance_was_made_from_changes_nothing_later() -> None:
    strategy, stored = VirtualMachineInstanceStrategy(PLAIN), instance()
    strategy.prepare_for_create(stored, USER)
    again = instance()
    strategy.prepare_for_update(again, stored, USER)
    assert again["spec"] == stored["spec"]
    assert list(strategy.validate_update(again, stored, USER)) == []


def test_an_instance_stored_under_older_defaults_can_still_be_let_go_and_applied_again() -> None:
    strategy, stored = VirtualMachineInstanceStrategy(PLAIN), instance()
    strategy.prepare_for_create(stored, USER)
    del stored["spec"]["domain"]["cpu"]["model"]
    let_go, again = copy.deepcopy(stored), instance()
    let_go["metadata"]["finalizers"] = []
    for new in (let_go, again):
        strategy.prepare_for_update(new, stored, AGENT)
        assert new["spec"] == stored["spec"]
        assert list(strategy.validate_update(new, stored, AGENT)) == []


def test_even_the_system_cannot_change_an_instances_hardware() -> None:
    strategy, stored = VirtualMachineInstanceStrategy(PLAIN), instance()
    strategy.prepare_for_create(stored, USER)
    changed = copy.deepcopy(stored)
    changed["spec"]["domain"]["memory"]["guest"] = "2Gi"
    (error,) = strategy.validate_update(changed, stored, SYSTEM)
    assert error.field == "spec"


def test_an_agent_creates_no_instance_whichever_verb_it_uses() -> None:
    strategy, new = VirtualMachineInstanceStrategy(PLAIN), instance()
    strategy.prepare_for_create(new, AGENT)
    assert [each.message for each in strategy.validate(new, AGENT)] == ["Forbidden: a node agent creates no instances"]
    assert list(strategy.validate(new, SYSTEM)) == []


def test_an_agent_reports_but_cannot_hand_its_instance_to_another_node() -> None:
    strategy = VirtualMachineInstanceStrategy(PLAIN)
    old = {"status": {"nodeName": "one", "phase": "Scheduled"}}
    for caller, kept in ((AGENT, "one"), (SYSTEM, "two")):
        new = {"status": {"nodeName": "two", "phase": "Running"}}
        strategy.prepare_for_status_update(new, old, caller)
        assert new["status"] == {"nodeName": kept, "phase": "Running"}


def test_a_users_status_is_put_back_without_a_word() -> None:
    for strategy in (VirtualMachineInstanceStrategy(PLAIN), VirtualMachineStrategy(PLAIN)):
        new: Object = {"status": {"phase": "Running"}}
        strategy.prepare_for_status_update(new, {"status": {"phase": "Pending"}}, USER)
        assert new == {"status": {"phase": "Pending"}}
        strategy.prepare_for_status_update(new, {}, USER)
        assert new == {}


def test_a_new_machine_gets_an_identity_that_outlives_its_instances_and_nothing_else() -> None:
    new = {"spec": {"runStrategy": "Always", "template": {"spec": {"domain": {"devices": {}}}}}}
    VirtualMachineStrategy(PLAIN).prepare_for_create(new, USER)
    spec = new["spec"]["template"]["spec"]
    firmware = spec["domain"].pop("firmware")
    uuid.UUID(firmware["uuid"])
    assert firmware["serial"]
    assert spec["domain"].pop("machine")["type"]
    assert spec.pop("architecture")
    assert spec == {"domain": {"devices": {}}}


def test_a_machine_that_is_replaced_by_its_first_manifest_keeps_its_identity() -> None:
    strategy = VirtualMachineStrategy(PLAIN)
    manifest = {"spec": {"runStrategy": "Always", "template": {"spec": {"domain": {"devices": {}}}}}}
    stored, again = copy.deepcopy(manifest), copy.deepcopy(manifest)
    strategy.prepare_for_create(stored, USER)
    strategy.prepare_for_update(again, stored, USER)
    assert again == stored
    again["spec"]["template"]["spec"]["domain"]["firmware"]["serial"] = "mine"
    strategy.prepare_for_update(again, stored, USER)
    assert again["spec"]["template"]["spec"]["domain"]["firmware"]["serial"] == "mine"


DEPRECATED = [
    ({"running": True}, {"masquerade": {}}, ["spec.running is deprecated; use spec.runStrategy"]),
    ({"runStrategy": "Always"}, {"masquerade": {}}, []),
    (
        {"runStrategy": "Always"},
        {"slirp": {}},
        ["spec.template.spec.domain.devices.interfaces[0].slirp is deprecated; use binding: {name: slirp}"],
    ),
]


@pytest.mark.parametrize(("power", "method", "told"), DEPRECATED)
def test_what_is_deprecated_is_accepted_with_a_warning(power: Object, method: Object, told: list[str]) -> None:
    devices = {"interfaces": [{"name": "default", **method}]}
    obj = {"spec": {**power, "template": {"spec": {"domain": {"devices": devices}}}}}
    assert list(VirtualMachineStrategy(PLAIN).warnings(obj)) == told
