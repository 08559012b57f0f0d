"""What no schema can refuse: each rule with an object that breaks it, and what its author is told."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Caller
from apiserver.resources.virtualmachine.strategy import VirtualMachineStrategy
from apiserver.resources.virtualmachineinstance.defaults import fill_instance
from apiserver.resources.virtualmachineinstance.strategy import VirtualMachineInstanceStrategy
from apiserver.resources.virtualmachineinstance.validation import validate_spec
from kube.configuration import Configuration
from tests.apiserver.resources.generated import Generator
from tests.apiserver.resources.surroundings import PLAIN
from tests.apiserver.resources.virtualmachineinstance.validation.specs import (
    DUPLICATE,
    FORBIDDEN,
    INVALID,
    REQUIRED,
    UNSUPPORTED,
    edited,
    valid,
)

Object = dict[str, Any]

USER = Caller("jane")

DISK, DISK_1 = "domain.devices.disks.0", "domain.devices.disks.1"
NIC = "domain.devices.interfaces.0"
RES = "domain.resources"
FW = "domain.firmware"
KERNEL = f"{FW}.kernelBoot"
CONTAINER = f"{KERNEL}.container"

CASES: list[tuple[Object, str, str, str]] = [
    # memory and other resources
    ({"domain.memory.guest": "0"}, "domain.memory.guest", INVALID, "at least 1Mi"),
    ({"domain.memory.guest": "-64Mi"}, "domain.memory.guest", INVALID, "at least 1Mi"),
    ({"domain.memory.guest": "512"}, "domain.memory.guest", INVALID, "another unit"),
    ({"domain.memory.guest": 1024}, "domain.memory.guest", INVALID, "at least 1Mi"),
    ({"domain.memory.guest": "512MB"}, "domain.memory.guest", INVALID, "not a quantity"),
    ({"domain.memory.guest": "17Ti"}, "domain.memory.guest", INVALID, "at most 16Ti"),
    ({"domain.memory.guest": "1e300"}, "domain.memory.guest", INVALID, "at most 16Ti"),
    (
        {f"{RES}.requests": {"memory": "512Mi"}, f"{RES}.limits": {"memory": "256Mi"}},
        "domain.resources.requests.memory",
        INVALID,
        "at most the limit, 256Mi",
    ),
    ({f"{RES}.requests": {"memory": "1k"}}, "domain.resources.requests.memory", INVALID, "at least 1M"),
    ({f"{RES}.requests": {"memory": "99Ti"}}, "domain.resources.requests.memory", INVALID, "at most 16Ti"),
    ({f"{RES}.limits": {"memory": "99Ti"}}, "domain.resources.limits.memory", INVALID, "at most 16Ti"),
    ({f"{RES}.requests": {"cpu": "many"}}, "domain.resources.requests.cpu", INVALID, "not a quantity"),
    ({f"{RES}.requests": {"cpu": "-1"}}, "domain.resources.requests.cpu", INVALID, "at least 0"),
    (
        {f"{RES}.requests": {"cpu": "2"}, f"{RES}.limits": {"cpu": "1500m"}},
        "domain.resources.requests.cpu",
        INVALID,
        "at most the limit, 1500m",
    ),
    # CPUs
    ({"domain.cpu.cores": -1}, "domain.cpu.cores", INVALID, "at least 1"),
    ({"domain.cpu.sockets": -2}, "domain.cpu.sockets", INVALID, "at least 1"),
    ({"domain.cpu": {"sockets": 32, "cores": 8, "threads": 4}}, "domain.cpu", INVALID, "is 1024; a guest"),
    ({"domain.cpu.cores": 100000}, "domain.cpu", INVALID, "at most 512"),
    (
        {"domain.cpu.features": [{"name": "pcid", "policy": "please"}]},
        "domain.cpu.features[0].policy",
        UNSUPPORTED,
        "require",
    ),
    ({"domain.cpu.features": [{"name": "a"}, {"name": "a"}]}, "domain.cpu.features[1].name", DUPLICATE, "a"),
    ({"domain.cpu.features": [{"name": ""}]}, "domain.cpu.features[0].name", REQUIRED, ""),
    # firmware and boot
    ({f"{FW}.uuid": "not-a-uuid"}, "domain.firmware.uuid", INVALID, "5d307ca9"),
    ({f"{FW}.uuid": "5d307ca9b3ef428c886106e72d69f223"}, "domain.firmware.uuid", INVALID, "must be a UUID"),
    (
        {f"{FW}.bootloader": {"bios": {}, "efi": {"secureBoot": False}}},
        "domain.firmware.bootloader",
        FORBIDDEN,
        "exclude each other",
    ),
    ({f"{FW}.bootloader": {"efi": {}}}, "domain.firmware.bootloader.efi.secureBoot", INVALID, "smm"),
    (
        {f"{FW}.bootloader": {"efi": {"secureBoot": True}}, "domain.features": {"smm": {"enabled": False}}},
        "domain.firmware.bootloader.efi.secureBoot",
        INVALID,
        "set secureBoot to false",
    ),
    ({f"{KERNEL}.kernelArgs": "quiet"}, "domain.firmware.kernelBoot.container", REQUIRED, "kernelArgs"),
    (
        {CONTAINER: {"image": "", "kernelPath": "/k"}},
        "domain.firmware.kernelBoot.container.image",
        REQUIRED,
        "name an image",
    ),
    ({CONTAINER: {"image": "a"}}, "domain.firmware.kernelBoot.container.kernelPath", REQUIRED, "or both"),
    (
        {CONTAINER: {"image": "a", "kernelPath": "boot/k"}},
        "domain.firmware.kernelBoot.container.kernelPath",
        INVALID,
        "absolute path",
    ),
    (
        {CONTAINER: {"image": "a", "initrdPath": "/a/../../etc/shadow"}},
        "domain.firmware.kernelBoot.container.initrdPath",
        INVALID,
        "without '..'",
    ),
    ({f"{DISK}.bootOrder": 0}, "domain.devices.disks[0].bootOrder", INVALID, "at least 1"),
    (
        {f"{DISK}.bootOrder": 1, f"{DISK_1}.bootOrder": 1},
        "domain.devices.disks[1].bootOrder",
        INVALID,
        "boot order of root, too",
    ),
    (
        {f"{DISK}.bootOrder": 2, f"{NIC}.bootOrder": 2},
        "domain.devices.interfaces[0].bootOrder",
        INVALID,
        "boot order of root",
    ),
    # clock
    ({"domain.clock": {"utc": {}, "timezone": "Europe/Berlin"}}, "domain.clock", FORBIDDEN, "exclude each other"),
    ({"domain.clock": {"timezone": "Berlin, Germany"}}, "domain.clock.timezone", INVALID, "Europe/Berlin"),
    ({"domain.clock.timer.rtc.tickPolicy": "merge"}, "domain.clock.timer.rtc.tickPolicy", UNSUPPORTED, "catchup"),
    ({"domain.clock.timer.hpet.tickPolicy": "x"}, "domain.clock.timer.hpet.tickPolicy", UNSUPPORTED, "discard"),
    ({"domain.clock.timer.rtc.track": "sun"}, "domain.clock.timer.rtc.track", UNSUPPORTED, "wall"),
    # placement
    ({"hostname": "a.b"}, "hostname", INVALID, "RFC 1123"),
    ({"hostname": "a" * 64}, "hostname", INVALID, "63"),
    ({"subdomain": "-a"}, "subdomain", INVALID, "subdomain"),
    ({"architecture": "vax"}, "architecture", UNSUPPORTED, "amd64"),
    ({"startStrategy": "Running"}, "startStrategy", UNSUPPORTED, "Paused"),
    ({"evictionStrategy": "Maybe"}, "evictionStrategy", UNSUPPORTED, "LiveMigrate"),
    ({"terminationGracePeriodSeconds": -1}, "terminationGracePeriodSeconds", INVALID, "switch off at once"),
    ({"terminationGracePeriodSeconds": 2**31}, "terminationGracePeriodSeconds", INVALID, "a number of seconds"),
    ({"nodeSelector": {"-": "a"}}, "nodeSelector", INVALID, "alphanumeric"),
    # text
    ({"domain.chassis.serial": "a\x00b"}, "domain.chassis.serial", INVALID, "control characters"),
    ({f"{DISK}.tag": "\x1b[31m"}, "domain.devices.disks[0].tag", INVALID, "control characters"),
]


@pytest.mark.parametrize(("edits", "field", "reason", "part"), CASES)
def test_each_mistake_is_told_once_with_its_place(edits: Object, field: str, reason: str, part: str) -> None:
    found = list(validate_spec(edited(edits), "spec", Configuration()))
    assert [(each.field, each.reason) for each in found] == [(f"spec.{field}", reason)]
    assert part in found[0].message


RIGHT: list[Object] = [
    {},
    {"domain.memory": {}, f"{RES}.requests": {"memory": "1Gi"}},
    {"domain.memory": {}, f"{RES}.limits": {"memory": "1Gi", "cpu": 2}},
    {"domain.memory.guest": "16Ti"},
    {"domain.memory.guest": 2**30},
    {"domain.memory.guest": "1.5Gi", f"{RES}.requests": {"memory": "1Gi"}},
    {"domain.cpu": {"sockets": 0, "cores": 4, "threads": 2, "features": [{"name": "pcid"}]}},
    {f"{FW}.uuid": "5D307CA9-B3EF-428C-8861-06E72D69F223"},
    {f"{FW}.bootloader": {"efi": {}}, "domain.features": {"smm": {}}},
    {f"{FW}.bootloader": {"efi": {"secureBoot": False}}},
    {CONTAINER: {"image": "localhost:5000/a/b:c", "initrdPath": "/boot/i..rd"}},
    {CONTAINER: {"image": "oci-archive:/srv/images/image.tar", "kernelPath": "/boot/vmlinuz"}},
    {"domain.clock": {"utc": {"offsetSeconds": -3600}, "timer": {"hpet": {"present": False, "tickPolicy": "merge"}}}},
    {"nodeSelector": {"kubernetes.io/hostname": "one"}, "hostname": "a-1", "subdomain": "b.c"},
]


@pytest.mark.parametrize("edits", RIGHT)
def test_what_is_right_is_accepted_with_and_without_defaults(edits: Object) -> None:
    spec = edited(edits)
    assert list(validate_spec(spec, "spec", Configuration())) == []
    fill_instance(spec, Configuration())
    assert list(validate_spec(spec, "spec", Configuration())) == []


def test_everything_wrong_is_told_at_once() -> None:
    wrong = {"hostname": "_", "domain.memory.guest": "0", f"{DISK}.name": "x", f"{NIC}.model": "y"}
    fields = {each.field for each in validate_spec(edited(wrong), "spec", Configuration())}
    assert fields == {
        "spec.hostname",
        "spec.domain.memory.guest",
        "spec.domain.devices.disks[0].name",
        "spec.domain.devices.interfaces[0].model",
    }


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(Generator("v1").of("VirtualMachineInstanceSpec"))
def test_no_spec_that_fits_the_schema_breaks_a_rule_itself(spec: Object) -> None:
    for each in validate_spec(spec, "spec", Configuration()):
        assert isinstance(each, FieldError)


def machine(spec: Object, **power: Any) -> Object:
    return {"metadata": {"name": "vm"}, "spec": {**power, "template": {"spec": spec}}}


POWER_CASES = [
    ({}, "spec.running", "exactly one"),
    ({"running": True, "runStrategy": "Always"}, "spec.running", "exactly one"),
    ({"runStrategy": "Sometimes"}, "spec.runStrategy", "RerunOnFailure"),
]


@pytest.mark.parametrize(("power", "field", "part"), POWER_CASES)
def test_a_machine_has_one_run_strategy(power: Object, field: str, part: str) -> None:
    (found,) = VirtualMachineStrategy(PLAIN).validate(machine(valid(), **power), USER)
    assert found.field == field
    assert part in found.message


def test_a_name_that_no_domain_can_have_is_refused() -> None:
    named = {"name": "n" * 200, "namespace": "s" * 41}
    for strategy, new in (
        (VirtualMachineStrategy(PLAIN), {**machine(valid(), running=True), "metadata": named}),
        (VirtualMachineInstanceStrategy(PLAIN), {"metadata": named, "spec": valid()}),
    ):
        (found,) = strategy.validate(new, USER)
        assert (found.field, "no more than 199" in found.message) == ("metadata.name", True)
        named["name"] = "n" * 199
        assert list(strategy.validate(new, USER)) == []
        named["name"] = "n" * 200


def test_a_machines_template_is_judged_where_it_is() -> None:
    wrong = machine(edited({f"{DISK}.name": "x"}), runStrategy="Always")
    wrong["spec"]["template"]["metadata"] = {"labels": {"a b": "c"}, "annotations": {"d e": "f"}}
    found = {each.field: each.message for each in VirtualMachineStrategy(PLAIN).validate(wrong, USER)}
    assert found.keys() == {
        "spec.template.metadata.labels",
        "spec.template.metadata.annotations",
        "spec.template.spec.domain.devices.disks[0].name",
    }
    assert "spec.template.spec.volumes" in found["spec.template.spec.domain.devices.disks[0].name"]


def test_a_template_stored_under_older_rules_can_be_switched_but_not_changed() -> None:
    old = machine(edited({"hostname": "_"}), runStrategy="Always")
    halted = machine(edited({"hostname": "_"}), runStrategy="Halted")
    changed = machine(edited({"hostname": "_", "subdomain": "a"}), runStrategy="Always")
    strategy = VirtualMachineStrategy(PLAIN)
    assert list(strategy.validate_update(halted, old, USER)) == []
    assert [each.field for each in strategy.validate_update(changed, old, USER)] == ["spec.template.spec.hostname"]


def test_only_the_system_says_where_an_instance_is() -> None:
    label = "kubevirt.io/nodeName"
    instance = {"metadata": {"labels": {label: "one"}}, "spec": valid()}
    strategy = VirtualMachineInstanceStrategy(PLAIN)
    assert [each.field for each in strategy.validate(instance, USER)] == [f"metadata.labels[{label}]"]
    assert list(strategy.validate(instance, Caller("controllers", system=True))) == []
    unlabelled = {"metadata": {}, "spec": valid()}
    assert [each.reason for each in strategy.validate_update(unlabelled, instance, USER)] == [FORBIDDEN]
