"""How older versions of the KubeVirt kinds say what v1 says."""

from typing import Any

import pytest

from apiserver.machinery.resource import Conversion
from apiserver.resources import resources
from apiserver.resources.virtualmachineinstance.v1alpha1 import DISK_NAMES
from tests.apiserver.resources.generated import CATALOGUE
from tests.apiserver.resources.surroundings import Remembered

MACHINE, INSTANCE, MIGRATION = "VirtualMachine", "VirtualMachineInstance", "VirtualMachineInstanceMigration"
SERVED = {resource.kind: resource for resource in resources(CATALOGUE, Remembered())}

Object = dict[str, Any]


def conversion_of(kind: str, version: str) -> Conversion:
    found = SERVED[kind].version(version).conversion
    assert found is not None
    return found


def guest(obj: Object) -> Object:
    """Return the spec of the instance in an object of either kind."""
    return obj["spec"]["template"]["spec"] if obj["kind"] == MACHINE else obj["spec"]


def machine(*, interface: Object | None = None, **power: Any) -> Object:
    devices: Object = {"interfaces": [{"name": "default", **interface}]} if interface is not None else {}
    template = {"spec": {"domain": {"devices": devices}}}
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": MACHINE,
        "metadata": {"name": "vm"},
        "spec": {**power, "template": template},
    }


POWER = [
    ({"runStrategy": "Always"}, True, {"runStrategy": "Halted"}),
    ({"runStrategy": "Halted"}, False, {"runStrategy": "Always"}),
    ({"runStrategy": "Manual"}, False, {"runStrategy": "Always"}),
    ({"runStrategy": "RerunOnFailure"}, True, {"runStrategy": "Halted"}),
    ({"runStrategy": "Once"}, True, {"runStrategy": "Halted"}),
    ({"running": True}, True, {"running": False}),
    ({"running": False}, False, {"running": True}),
]


@pytest.mark.parametrize(("power", "shown", "switched"), POWER)
def test_v1alpha1_shows_every_run_strategy_as_running_and_can_switch_it(
    power: Object, shown: bool, switched: Object
) -> None:
    conversion = conversion_of(MACHINE, "v1alpha1")
    old = conversion.from_hub(machine(**power))
    assert old["spec"]["running"] is shown
    assert "runStrategy" not in old["spec"]
    old["spec"]["running"] = not shown
    hub = conversion.to_hub(old)
    del hub["spec"]["template"]
    assert hub == {**machine(), "spec": switched}


MEMORY = [
    ("64Mi", 64, "MiB"),
    ("1.5Gi", 1536, "MiB"),
    ("128M", 128, "MB"),
    ("1k", 1, "KB"),
    (2**30, 2**30, "B"),
    ("1e9", 10**9, "B"),
    ("4Pi", 4096, "TiB"),
]


@pytest.mark.parametrize(("guest_memory", "value", "unit"), MEMORY)
def test_v1alpha1_says_memory_as_value_and_unit(guest_memory: Any, value: int, unit: str) -> None:
    hub = machine(runStrategy="Always")
    guest(hub)["domain"]["memory"] = {"guest": guest_memory}
    old = conversion_of(MACHINE, "v1alpha1").from_hub(hub)
    assert guest(old)["domain"]["memory"] == {"value": value, "unit": unit}
    assert conversion_of(MACHINE, "v1alpha1").to_hub(old) == hub


BINDINGS = [
    ("v1beta1", {"binding": {"name": "passt"}}, {"passt": {}}),
    ("v1beta1", {"binding": {"name": "slirp"}}, {"slirp": {}}),
    ("v1beta1", {"slirp": {}}, {"slirp": {}}),
    ("v1beta1", {"binding": {"name": "other"}}, {}),
    ("v1alpha1", {"binding": {"name": "macvtap"}}, {"macvtap": {}}),
    ("v1alpha1", {"binding": {"name": "passt"}}, {}),
    ("v1alpha1", {"masquerade": {}}, {"masquerade": {}}),
]


@pytest.mark.parametrize(("version", "hub_interface", "shown"), BINDINGS)
def test_a_binding_is_a_field_in_older_versions_and_can_be_exchanged_there(
    version: str, hub_interface: Object, shown: Object
) -> None:
    conversion = conversion_of(MACHINE, version)
    old = conversion.from_hub(machine(runStrategy="Always", interface=hub_interface))
    (interface,) = guest(old)["domain"]["devices"]["interfaces"]
    assert interface == {"name": "default", **shown}
    guest(old)["domain"]["devices"]["interfaces"] = [{"name": "default", "masquerade": {}}]
    assert conversion.to_hub(old) == machine(runStrategy="Always", interface={"masquerade": {}})


def test_v1alpha1_keeps_the_disk_names_that_differ_from_their_volumes() -> None:
    conversion = conversion_of(INSTANCE, "v1alpha1")
    disks = [{"name": "system", "volumeName": "root"}, {"name": "seed", "volumeName": "seed"}]
    volumes = [{"name": "root", "registryDisk": {"image": "debian"}}, {"name": "seed", "emptyDisk": {"capacity": "1M"}}]
    old = {
        "apiVersion": "kubevirt.io/v1alpha1",
        "kind": INSTANCE,
        "metadata": {"name": "vm"},
        "spec": {"domain": {"devices": {"disks": disks}}, "volumes": volumes},
    }
    hub = conversion.to_hub(old)
    assert [each["name"] for each in guest(hub)["domain"]["devices"]["disks"]] == ["root", "seed"]
    assert guest(hub)["volumes"][0] == {"name": "root", "containerDisk": {"image": "debian"}}
    # A newer client changes the disk; to the older one it is still the disk it knows.
    guest(hub)["domain"]["devices"]["disks"][0]["serial"] = "1"
    assert guest(conversion.from_hub(hub))["domain"]["devices"]["disks"][0] == {**disks[0], "serial": "1"}


def test_a_scribbled_annotation_of_disk_names_renames_nothing() -> None:
    hub = machine(runStrategy="Always")
    guest(hub)["domain"]["devices"]["disks"] = [{"name": "a"}]
    for text in ("", "[]", '{"a":1}', '{"b":"c"}', "null"):
        hub["metadata"]["annotations"] = {DISK_NAMES: text}
        old = conversion_of(MACHINE, "v1alpha1").from_hub(hub)
        assert guest(old)["domain"]["devices"]["disks"] == [{"name": "a", "volumeName": "a"}]
        assert conversion_of(MACHINE, "v1alpha1").to_hub(old) == hub


def test_v1alpha1_selects_the_instance_that_a_migration_names() -> None:
    conversion = conversion_of(MIGRATION, "v1alpha1")
    hub: Object = {
        "apiVersion": "kubevirt.io/v1",
        "kind": MIGRATION,
        "metadata": {"name": "m"},
        "spec": {"vmiName": "a"},
    }
    old = conversion.from_hub(hub)
    assert old["spec"] == {"selector": {"name": "a"}}
    old["spec"]["selector"]["name"] = "b"
    assert conversion.to_hub(old) == {**hub, "spec": {"vmiName": "b"}}


def test_a_preset_has_the_hardware_of_its_version_if_any() -> None:
    conversion = conversion_of("VirtualMachineInstancePreset", "v1alpha1")
    hub: Object = {"apiVersion": "kubevirt.io/v1", "metadata": {"name": "p"}, "spec": {"selector": {}}}
    assert conversion.from_hub(hub) == {**hub, "apiVersion": "kubevirt.io/v1alpha1"}
    hub["spec"]["domain"] = {"memory": {"guest": "64Mi"}, "devices": {}}
    old = conversion.from_hub(hub)
    assert old["spec"]["domain"]["memory"] == {"value": 64, "unit": "MiB"}
    assert conversion.to_hub(old) == hub
