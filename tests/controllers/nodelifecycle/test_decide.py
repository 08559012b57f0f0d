from datetime import UTC, datetime, timedelta

from controllers.nodelifecycle.decide import (
    Sighting,
    found_instance_status,
    found_node_metadata,
    lost_instance_status,
    lost_node_metadata,
    lost_node_status,
    sighting,
    time_left,
)
from tests.controllers.objects import NOW, instance, node


def lease(renewed: str) -> dict[str, object]:
    return {"spec": {"renewTime": renewed}}


def test_a_node_has_forty_seconds_from_the_moment_its_lease_was_seen_to_change() -> None:
    renewed = lease("2026-01-01T03:00:00.000000Z")  # by a clock that is wrong
    first = sighting(None, node(), renewed, NOW)
    later = NOW + timedelta(seconds=41)
    assert time_left(first, NOW) == 40
    assert time_left(sighting(first, node(), renewed, later), later) == -1
    again = sighting(first, node(), lease("2026-01-01T03:00:41.000000Z"), later)
    assert time_left(again, later) == 40
    assert (first.follows, again.follows) == (False, True)


def test_a_node_that_never_had_a_lease_has_forty_seconds_from_when_it_was_seen() -> None:
    first = sighting(None, node(), None, NOW)
    later = NOW + timedelta(seconds=50)
    assert first == Sighting(node()["metadata"]["uid"], NOW, follows=False)
    assert time_left(sighting(first, node(), None, later), later) == -10


def test_nobody_waits_for_a_node_that_was_not_heard_of_since_it_was_revoked() -> None:
    seen = Sighting("renewal", NOW, follows=True)
    assert time_left(seen, NOW, revoked=NOW) == 0
    assert time_left(seen, NOW, revoked=datetime.max.replace(tzinfo=UTC)) == 0
    assert time_left(seen, NOW, revoked=NOW - timedelta(seconds=1)) == 40


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
