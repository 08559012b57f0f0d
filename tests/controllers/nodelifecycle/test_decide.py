from controllers.nodelifecycle.decide import (
    found_instance_status,
    found_node_metadata,
    lost_instance_status,
    lost_node_metadata,
    lost_node_status,
    time_left,
)
from tests.controllers.objects import NOW, instance, node


def lease(renewed: str) -> dict[str, object]:
    return {"spec": {"renewTime": renewed}}


def test_a_node_has_forty_seconds_from_its_last_renewal() -> None:
    assert time_left(node(), lease("2026-01-01T12:00:00.000000Z"), NOW) == 40
    assert time_left(node(), lease("2026-01-01T11:59:19.000000Z"), NOW) == -1
    fresh = node()
    fresh["metadata"]["creationTimestamp"] = "2026-01-01T11:59:50Z"
    assert time_left(fresh, None, NOW) == 30


def test_a_lost_node_is_unknown_since_the_moment_it_was_lost() -> None:
    lost = lost_node_status(node(), NOW)
    (ready,) = lost["conditions"]
    assert (ready["status"], ready["reason"]) == ("Unknown", "NodeStatusUnknown")
    assert ready["lastTransitionTime"] == "2026-01-01T12:00:00Z"
    assert lost_node_status({**node(), "status": lost}, NOW) == lost


def test_only_a_label_that_was_taken_away_here_is_given_back() -> None:
    patch = lost_node_metadata(node(), "now")
    assert patch is not None
    assert patch["metadata"]["labels"] == {"kubevirt.io/schedulable": "false"}
    lost = node(**{"kubevirt.io/schedulable": "false"})
    assert lost_node_metadata(lost, "now") is None
    assert found_node_metadata(lost) is None
    lost["metadata"]["annotations"] = patch["metadata"]["annotations"]
    back = found_node_metadata(lost)
    assert back is not None
    assert back["metadata"]["labels"] == {"kubevirt.io/schedulable": "true"}
    assert back["metadata"]["annotations"] == {"virtplane.io/unresponsive-since": None}


def test_instances_of_a_lost_node_stay_but_are_not_ready_until_it_is_back() -> None:
    lost = lost_instance_status(instance("Running"), NOW)
    assert lost is not None
    assert lost["phase"] == "Running"
    assert [(each["status"], each["reason"]) for each in lost["conditions"]] == [("False", "NodeUnresponsive")]
    there = {**instance(), "status": lost}
    assert lost_instance_status(there, NOW) is None
    back = found_instance_status(there, NOW)
    assert back is not None
    assert [each["status"] for each in back["conditions"]] == ["True"]
    assert found_instance_status(instance("Running"), NOW) is None
    assert lost_instance_status(instance("Succeeded"), NOW) is None
