from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.scheduler.decide import Bind, Nothing, Release, Unschedulable, decide, show_bytes
from controllers.scheduler.demand import Resources, demand, node_facts
from controllers.scheduler.ledger import Ledger
from kube import quantity
from kube.configuration import Configuration
from tests.controllers.objects import instance, node

DEFAULTS = Configuration()


def unbound(memory: str = "64Mi", **spec: Any) -> dict[str, Any]:
    vmi = instance("Pending")
    vmi["spec"] |= spec
    vmi["spec"]["domain"]["memory"]["guest"] = memory
    return vmi


def placed(vmi: Any, *nodes: Any, used: dict[str, Resources] | None = None, **said: Any) -> Any:
    configuration = Configuration(said)
    return decide(vmi, [node_facts(each, configuration) for each in nodes], used or {}, configuration)


def not_ready() -> dict[str, Any]:
    lost = node()
    lost["status"]["conditions"] = [{"type": "Ready", "status": "Unknown"}]
    return lost


def cordoned() -> dict[str, Any]:
    return {**node(), "spec": {"unschedulable": True}}


def test_it_binds_to_the_node_with_most_room() -> None:
    assert placed(unbound(), node("a", memory="1Gi"), node("b", memory="2Gi")) == Bind("b")
    carried = {"b": Resources(Decimal(0), quantity.parse("1536Mi"))}
    assert placed(unbound(), node("a", memory="1Gi"), node("b", memory="2Gi"), used=carried) == Bind("a")
    assert placed(unbound(), node("b"), node("a")) == Bind("a")


def test_a_node_takes_as_many_instances_as_it_and_the_configuration_say() -> None:
    full = {"a": Resources(instances=Decimal(2))}
    small = node()
    small["status"]["allocatable"]["pods"] = "2"
    refused = Unschedulable("0/1 nodes are available: node a has as many instances as it takes.")
    assert placed(unbound(), node(), used=full) == Bind("a")
    assert placed(unbound(), small, used=full) == refused
    assert placed(unbound(), node(), used=full, virtualMachineInstancesPerNode=2) == refused
    assert placed(unbound(), small, used=full, virtualMachineInstancesPerNode=3) == refused
    assert placed(unbound(), node(), used=full, virtualMachineInstancesPerNode=3) == Bind("a")


def test_the_configuration_says_how_closely_guests_are_packed() -> None:
    big = unbound("1200Mi")
    assert placed(big, node()) == Unschedulable(
        "0/1 nodes are available: node a has too little memory (1.2Gi needed, 1Gi free)."
    )
    assert placed(big, node(), developerConfiguration={"memoryOvercommit": 150}) == Bind("a")
    wide = unbound(domain={"memory": {}, "cpu": {"cores": 6}})
    assert placed(wide, node()) == Bind("a")
    assert placed(wide, node(), developerConfiguration={"cpuAllocationRatio": 2}) == Unschedulable(
        "0/1 nodes are available: node a has too little CPU (3 needed, 2 free)."
    )


@pytest.mark.parametrize(
    ("vmi", "where", "why"),
    [
        (unbound(), not_ready(), "node a is not ready"),
        (unbound(), cordoned(), "node a is cordoned or being deleted"),
        (
            unbound(),
            node(**{"kubevirt.io/schedulable": "false"}),
            "node a is not labelled kubevirt.io/schedulable=true",
        ),
        (unbound(nodeSelector={"disk": "ssd"}), node(disk="hdd"), "node a is not labelled disk=ssd"),
        (unbound("2Gi"), node(), "node a has too little memory (2Gi needed, 1Gi free)"),
        (
            unbound(domain={"memory": {}, "resources": {"requests": {"cpu": "2500m"}}}),
            node(),
            "node a has too little CPU (2.5 needed, 2 free)",
        ),
    ],
)
def test_a_message_says_what_a_node_lacks(vmi: Any, where: Any, why: str) -> None:
    vmi["spec"]["domain"]["memory"] = {"guest": vmi["spec"]["domain"]["memory"].get("guest", "1Mi")}
    assert placed(vmi, where) == Unschedulable(f"0/1 nodes are available: {why}.")


def test_many_nodes_are_counted_rather_than_listed() -> None:
    message = placed(unbound("2Gi"), *(node(f"n{number:02}") for number in range(12))).message
    assert message.startswith("0/12 nodes are available: node n00 has")
    assert message.endswith("; and 2 more.")
    assert placed(unbound()) == Unschedulable("0/0 nodes are available.")


def test_a_node_selector_that_fits_is_followed() -> None:
    assert placed(unbound(nodeSelector={"disk": "ssd"}), node("a", memory="9Gi"), node("b", disk="ssd")) == Bind("b")


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_what_ended_or_is_bound_is_left_alone(phase: str) -> None:
    assert placed(instance(phase), node()) == Nothing()
    assert placed(instance("Scheduled", nodeName="a"), node()) == Nothing()
    assert placed(instance("Running", deleted=True, nodeName="a"), node()) == Nothing()


def test_what_is_deleted_before_it_was_bound_is_released() -> None:
    assert placed(instance("Pending", deleted=True), node()) == Release()
    assert placed(instance("Pending", deleted=True, agent_holds=False), node()) == Nothing()


def test_demand_is_requests_or_else_guest_memory_and_a_tenth_of_each_cpu() -> None:
    assert demand({"spec": {"domain": {"memory": {"guest": "1Gi"}, "cpu": {"cores": 4}}}}, DEFAULTS) == Resources(
        Decimal("0.4"), Decimal(1024**3), Decimal(1)
    )
    dedicated = {"cores": 4, "dedicatedCpuPlacement": True}
    assert demand({"spec": {"domain": {"cpu": dedicated}}}, DEFAULTS).cpu == 4
    requests = {"memory": "2Gi", "cpu": "500m"}
    asked = {"memory": {"guest": "1Gi"}, "resources": {"requests": requests}}
    assert demand({"spec": {"domain": asked}}, DEFAULTS) == Resources(Decimal("0.5"), Decimal(2 * 1024**3), Decimal(1))
    assert demand({"spec": {"domain": {"memory": {"guest": "lots"}}}}, DEFAULTS).memory == 0


states = st.lists(
    st.tuples(st.sampled_from("xyz"), st.sampled_from(["", "a", "b"]), st.sampled_from(["Running", "Failed", None]))
)


@given(states)
def test_the_ledger_equals_a_count_from_scratch(changes: list[tuple[str, str, str | None]]) -> None:
    ledger, current = Ledger(DEFAULTS), dict[str, Any]()
    for name, where, phase in changes:
        new = instance(phase, nodeName=where) if phase else None
        ledger.change(current.get(name), new)
        current[name] = new
    for where in ("a", "b"):
        there = [i for i in current.values() if i and i["status"]["nodeName"] == where]
        running = [demand(i, DEFAULTS) for i in there if i["status"]["phase"] == "Running"]
        assert ledger.used(where) == sum(running, Resources())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("64Mi", "67108864"),
        ("500m", "0.5"),
        ("1e3", "1000"),
        ("1k", "1000"),
        ("0.5Gi", "536870912"),
        (2, "2"),
        ("1E", "1e18"),
    ],
)
def test_quantities(text: str | int, value: str) -> None:
    assert quantity.parse(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "1 Gi", "Gi", "1Xi", "1ni", "--1", "1e9999"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        quantity.parse(text)


def test_bytes_are_shown_in_the_largest_unit() -> None:
    assert [show_bytes(Decimal(n)) for n in (5, 2048, 1536 * 1024**2)] == ["5", "2Ki", "1.5Gi"]
