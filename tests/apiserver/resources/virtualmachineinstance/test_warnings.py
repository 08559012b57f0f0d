"""What instances and machines are accepted with."""

from typing import Any

from apiserver.machinery.resource import Caller
from apiserver.resources.virtualmachine.strategy import VirtualMachineStrategy
from apiserver.resources.virtualmachineinstance.strategy import VirtualMachineInstanceStrategy
from tests.apiserver.resources.surroundings import PLAIN
from tests.apiserver.resources.virtualmachineinstance.validation.specs import edited

ODD = {
    "domain.devices.tpm": {},
    "domain.devices.interfaces.0": {"name": "default", "slirp": {}},
    "readinessProbe": {"guestAgentPing": {}},
}
TOLD = [
    "{path}.domain.devices.interfaces[0].slirp is deprecated; use binding: {{name: slirp}}",
    "{path}.domain.devices.tpm: node agents cannot provide a TPM yet; the guest will not start",
    "{path}.readinessProbe: guests are not probed yet; it has no effect",
]


def machine(spec: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": "vm"}, "spec": {"runStrategy": "Always", "template": {"spec": spec}}}


def test_what_does_not_work_yet_is_accepted_and_told() -> None:
    instances, machines = VirtualMachineInstanceStrategy(PLAIN), VirtualMachineStrategy(PLAIN)
    instance = {"metadata": {"name": "vmi"}, "spec": edited(ODD)}
    user = Caller("jane")
    assert [*instances.validate(instance, user), *machines.validate(machine(edited(ODD)), user)] == []
    assert sorted(instances.warnings(instance)) == [text.format(path="spec") for text in TOLD]
    assert sorted(machines.warnings(machine(edited(ODD)))) == [text.format(path="spec.template.spec") for text in TOLD]


def test_an_ordinary_guest_is_told_nothing_with_all_its_defaults() -> None:
    strategy = VirtualMachineInstanceStrategy(PLAIN)
    instance = {"metadata": {"name": "vmi"}, "spec": edited({})}
    strategy.prepare_for_create(instance, Caller("jane"))
    assert list(strategy.warnings(instance)) == []
