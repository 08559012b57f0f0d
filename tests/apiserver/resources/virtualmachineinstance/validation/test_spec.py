"""All rules together."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from apiserver.machinery.errors import FieldError
from apiserver.resources.virtualmachineinstance.defaults import fill_instance
from apiserver.resources.virtualmachineinstance.validation import validate_spec
from kube.gaps import Gap, gaps
from kube.gates import GATES
from tests.apiserver.resources.generated import Generator
from tests.apiserver.resources.virtualmachineinstance.validation import (
    test_boot,
    test_clock,
    test_cpu,
    test_devices,
    test_disks,
    test_interfaces,
    test_memory,
    test_networks,
    test_volumes,
)
from tests.apiserver.resources.virtualmachineinstance.validation.specs import PLAIN, Object, edited, gates

ALL = gates(*GATES)
TABLES: Iterable[Any] = (
    test_boot,
    test_clock,
    test_cpu,
    test_devices,
    test_disks,
    test_interfaces,
    test_memory,
    test_networks,
    test_volumes,
)


@pytest.mark.parametrize("edits", [edits for table in TABLES for edits in table.RIGHT])
def test_what_is_right_is_right_with_all_defaults_too(edits: Object) -> None:
    spec = edited(edits)
    fill_instance(spec, ALL)
    assert list(validate_spec(spec, "spec", ALL)) == []


def test_everything_wrong_is_told_at_once() -> None:
    wrong = {
        "hostname": "_",
        "domain.memory.guest": "0",
        "domain.devices.disks.0.name": "x",
        "domain.devices.interfaces.0.model": "y",
        "volumes.0.downwardMetrics": {},
    }
    fields = {each.field for each in validate_spec(edited(wrong), "spec", PLAIN)}
    assert fields == {
        "spec.hostname",
        "spec.domain.memory.guest",
        "spec.domain.devices.disks[0].name",
        "spec.domain.devices.interfaces[0].model",
        "spec.volumes[0]",
        "spec.volumes[0].downwardMetrics",
    }


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(Generator("v1").of("VirtualMachineInstanceSpec"))
def test_no_spec_that_fits_the_schema_breaks_a_rule_itself(spec: Object) -> None:
    assert all(isinstance(each, FieldError) for each in validate_spec(spec, "spec", PLAIN))
    assert all(isinstance(each, FieldError) for each in validate_spec(spec, "spec", ALL))
    assert all(isinstance(each, Gap) for each in gaps(spec))
