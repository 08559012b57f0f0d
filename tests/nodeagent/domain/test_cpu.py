"""The guest's processors: how many, and of which model."""

from typing import Any

import pytest

from nodeagent.domain.facts import HostFacts
from tests.nodeagent.domain.guests import ARM, EMULATED, KVM, built, vmi, written


def cpu(spec: dict[str, Any], host: HostFacts = KVM) -> str:
    return written(built(vmi({"cpu": spec}), host).find("cpu"))


def test_processors_are_counted_over_the_whole_topology() -> None:
    root = built(vmi({"cpu": {"sockets": 2, "cores": 3, "threads": 2}}))
    assert written(root.find("vcpu")) == '<vcpu placement="static">12</vcpu>'
    assert written(root.find("cpu/topology")) == '<topology sockets="2" cores="3" threads="2" />'


def test_a_guest_has_one_processor_unless_it_asks_for_more() -> None:
    root = built(vmi({"cpu": {"sockets": 0}}))
    assert root.findtext("vcpu") == "1"
    assert written(root.find("cpu/topology")) == '<topology sockets="1" cores="1" threads="1" />'


@pytest.mark.parametrize(
    ("host", "model", "expected"),
    [
        (KVM, None, '<cpu mode="host-model"><topology'),
        (KVM, "host-model", '<cpu mode="host-model"><topology'),
        (KVM, "host-passthrough", '<cpu mode="host-passthrough"><topology'),
        (KVM, "Nehalem", '<cpu mode="custom"><model>Nehalem</model><topology'),
        (ARM, None, '<cpu mode="host-passthrough"><topology'),
        (ARM, "host-model", '<cpu mode="host-passthrough"><topology'),
        (EMULATED, None, '<cpu mode="maximum"><topology'),
        (EMULATED, "host-model", '<cpu mode="maximum"><topology'),
        (EMULATED, "host-passthrough", '<cpu mode="maximum"><topology'),
        (EMULATED, "Nehalem", '<cpu mode="custom"><model>Nehalem</model><topology'),
    ],
)
def test_the_model_is_the_one_asked_for_as_far_as_the_host_has_it(
    host: HostFacts, model: str | None, expected: str
) -> None:
    assert cpu({"model": model} if model else {}, host).startswith(expected)


def test_features_are_required_unless_said_otherwise() -> None:
    xml = cpu({"features": [{"name": "aes"}, {"name": "vmx", "policy": "disable"}]})
    assert xml.endswith('<feature name="aes" policy="require" /><feature name="vmx" policy="disable" /></cpu>')


def test_named_models_come_without_mpx_unless_it_is_asked_for() -> None:
    assert '<feature name="mpx" policy="disable" />' in cpu({"model": "Skylake-Server"})
    asked = cpu({"model": "Skylake-Server", "features": [{"name": "mpx", "policy": "require"}]})
    assert '<feature name="mpx" policy="require" />' in asked
    assert "disable" not in asked
    assert "mpx" not in cpu({})
    assert "mpx" not in cpu({"model": "cortex-a57"}, ARM)
