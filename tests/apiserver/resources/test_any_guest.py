"""No machine, set or instance that fits its schema is too strange to be filled in and judged."""

from contextlib import suppress
from typing import Any

from hypothesis import HealthCheck, given, settings

from apiserver.machinery.cloning import clone
from apiserver.machinery.errors import FieldError, StatusError
from apiserver.machinery.resource import Caller, Strategy
from apiserver.resources.virtualmachine.strategy import VirtualMachineStrategy
from apiserver.resources.virtualmachineinstance.strategy import VirtualMachineInstanceStrategy
from apiserver.resources.virtualmachineinstance.updates import validate_change
from apiserver.resources.virtualmachineinstancepreset import VirtualMachineInstancePresetStrategy
from apiserver.resources.virtualmachineinstancereplicaset import VirtualMachineInstanceReplicaSetStrategy
from tests.apiserver.resources.generated import Generator
from tests.apiserver.resources.surroundings import PLAIN, configured, gates
from tests.apiserver.resources.virtualmachineinstance.validation.specs import edited

Object = dict[str, Any]

USER, SYSTEM = Caller("jane"), Caller("controllers", system=True)
SOME = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
STAGE = configured(vmRolloutStrategy="Stage", evictionStrategy="LiveMigrate")


def judged(strategy: Strategy, spec: Object) -> None:
    new: Object = {"metadata": {"name": "any", "namespace": "ns"}, "spec": clone(spec)}
    strategy.prepare_for_create(new, USER)
    once = clone(new["spec"])
    for each in strategy.validate(new, USER):
        assert isinstance(each, FieldError)
    assert all(isinstance(each, str) for each in strategy.warnings(new))
    assert new["spec"] == once  # rules and warnings change nothing
    sent = {**clone(new), "spec": clone(spec)}
    strategy.prepare_for_update(sent, new, USER)
    for each in strategy.validate_update(sent, new, USER):
        assert isinstance(each, FieldError)


@SOME
@given(Generator("v1").of("VirtualMachineSpec"))
def test_any_machine_can_be_judged(spec: Object) -> None:
    for cluster in (PLAIN, STAGE):
        with suppress(StatusError):  # nothing says what it is to be inferred from
            judged(VirtualMachineStrategy(cluster), spec)


@SOME
@given(Generator("v1").of("VirtualMachineInstanceSpec"))
def test_any_instance_can_be_judged(spec: Object) -> None:
    judged(VirtualMachineInstanceStrategy(STAGE), spec)


@SOME
@given(Generator("v1").of("VirtualMachineInstanceReplicaSetSpec"))
def test_any_set_can_be_judged(spec: Object) -> None:
    judged(VirtualMachineInstanceReplicaSetStrategy(PLAIN), spec)


@SOME
@given(Generator("v1").of("VirtualMachineInstancePresetSpec"))
def test_any_preset_can_be_judged(spec: Object) -> None:
    judged(VirtualMachineInstancePresetStrategy(), spec)


@SOME
@given(Generator("v1").of("VirtualMachineInstanceSpec"), Generator("v1").of("VirtualMachineInstanceStatus"))
def test_any_change_of_an_instance_can_be_judged(spec: Object, status: Object) -> None:
    configuration = gates("UtilityVolumes").configuration
    one, other = {"spec": spec, "status": status}, {"spec": edited({}), "status": status}
    for new, old in ((one, other), (other, one)):
        for each in validate_change(new, old, SYSTEM, configuration):
            assert isinstance(each, FieldError)
