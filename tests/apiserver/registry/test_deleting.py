"""What a delete makes of an object, by its finalizers, its grace period and what was asked for before."""

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import openapi
from apiserver.machinery.errors import StatusError
from apiserver.machinery.resource import Caller, Resource, Strategy
from apiserver.machinery.schema import Catalogue
from apiserver.registry import writing
from apiserver.registry.codec import hub_object
from apiserver.registry.deleting import delete, marked
from apiserver.registry.options import DeleteOptions, Propagation, WriteOptions
from apiserver.registry.reading import get
from apiserver.resources import configmap, namespace
from apiserver.storage.cache import WatchCache
from apiserver.storage.migrate import migrate
from apiserver.storage.sql import SqlLog

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
CALLER = Caller("somebody")
HELD = ["test.example/held"]


class Slow(Strategy):
    """Takes half a minute unless told otherwise."""

    def grace_period_seconds(self, obj: dict[str, Any], asked: int | None) -> int:  # noqa: ARG002
        return 30 if asked is None else asked


@pytest.fixture(scope="module")
def plain() -> Resource:
    """A kind without grace periods."""
    return configmap.resource(Catalogue.load(openapi.DIRECTORY))


@pytest.fixture(scope="module")
def slow(plain: Resource) -> Resource:
    """A kind with grace periods, as pods have them."""
    return dataclasses.replace(plain, graceful=True, strategy=Slow())


def fresh(**metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": "it", "uid": "it", **metadata}}


def dying(seconds: int, *, passed: int = 0, **metadata: Any) -> dict[str, Any]:
    """Return an object whose deletion was asked for some seconds ago."""
    until = NOW + timedelta(seconds=seconds - passed)
    return fresh(deletionTimestamp=f"{until:%Y-%m-%dT%H:%M:%SZ}", deletionGracePeriodSeconds=seconds, **metadata)


def after(resource: Resource, old: dict[str, Any], at: datetime = NOW, **options: Any) -> dict[str, Any] | None:
    """Return the metadata that a delete leaves, or None when the object goes."""
    hub = marked(resource, old, DeleteOptions(**options), CALLER, at)
    return hub["metadata"] if hub is not None else None


def test_without_a_finalizer_or_a_grace_period_an_object_goes(plain: Resource) -> None:
    assert after(plain, fresh()) is None
    assert after(plain, fresh(), grace_period_seconds=60) is None


def test_a_finalizer_holds_it_from_now_on_and_the_generation_counts_that(plain: Resource) -> None:
    assert after(plain, fresh(finalizers=HELD, generation=3), grace_period_seconds=60) == {
        "name": "it",
        "uid": "it",
        "finalizers": HELD,
        "generation": 4,
        "deletionTimestamp": "2026-01-01T12:00:00Z",
        "deletionGracePeriodSeconds": 0,
    }


def test_what_is_deleted_again_changes_only_where_its_dependents_are_concerned(plain: Resource) -> None:
    old = dying(0, passed=5, finalizers=HELD, generation=3)
    assert marked(plain, old, DeleteOptions(), CALLER, NOW) == old
    assert after(plain, old, propagation=Propagation.ORPHAN) == {**old["metadata"], "finalizers": [*HELD, "orphan"]}


def test_a_grace_period_is_given_or_what_the_kind_says(slow: Resource) -> None:
    for asked, seconds, until in ((None, 30, "12:00:30"), (60, 60, "12:01:00"), (-5, 1, "12:00:01")):
        left = after(slow, fresh(generation=1), grace_period_seconds=asked)
        assert left is not None
        assert left["deletionGracePeriodSeconds"] == seconds
        assert left["deletionTimestamp"] == f"2026-01-01T{until}Z"
        assert left["generation"] == 2
    assert after(slow, fresh(), grace_period_seconds=0) is None


def test_a_grace_period_that_runs_becomes_shorter_and_never_longer(slow: Resource) -> None:
    old = dying(60, passed=10, finalizers=HELD, generation=2)
    for asked in (None, 60, 90):
        assert marked(slow, old, DeleteOptions(grace_period_seconds=asked), CALLER, NOW) == old
    shorter = after(slow, old, grace_period_seconds=20)
    assert shorter == {
        **old["metadata"],
        "deletionTimestamp": "2026-01-01T12:00:10Z",
        "deletionGracePeriodSeconds": 20,
    }


def test_one_shortened_into_the_past_ends_in_a_second_unless_none_was_asked_for(slow: Resource) -> None:
    old = dying(60, passed=30)
    left = after(slow, old, grace_period_seconds=10)
    assert left is not None
    assert (left["deletionTimestamp"], left["deletionGracePeriodSeconds"]) == ("2026-01-01T12:00:00Z", 1)
    assert after(slow, old, grace_period_seconds=0) is None


def test_while_a_grace_period_runs_dependents_are_not_asked_about_again(slow: Resource) -> None:
    old = dying(60, finalizers=["orphan"])
    assert marked(slow, old, DeleteOptions(propagation=Propagation.BACKGROUND), CALLER, NOW) == old


def test_without_grace_left_a_finalizer_still_holds_it(slow: Resource) -> None:
    left = after(slow, dying(60, passed=30, finalizers=HELD), grace_period_seconds=0)
    assert left is not None
    assert left["deletionGracePeriodSeconds"] == 0
    assert left["finalizers"] == HELD
    assert after(slow, dying(0, finalizers=[])) is None


@pytest.mark.parametrize(
    ("has", "asked", "left"),
    [
        ([], None, []),
        ([], Propagation.BACKGROUND, []),
        ([], Propagation.FOREGROUND, ["foregroundDeletion"]),
        ([], Propagation.ORPHAN, ["orphan"]),
        (["orphan"], None, ["orphan"]),
        (["foregroundDeletion"], None, ["foregroundDeletion"]),
        (["orphan"], Propagation.BACKGROUND, []),
        (["orphan"], Propagation.FOREGROUND, ["foregroundDeletion"]),
        (["foregroundDeletion"], Propagation.ORPHAN, ["orphan"]),
        (["orphan", *HELD], None, ["orphan", *HELD]),
    ],
)
def test_finalizers_follow_the_propagation(
    plain: Resource, has: list[str], asked: Propagation | None, left: list[str]
) -> None:
    found = after(plain, fresh(finalizers=has), propagation=asked)
    assert (found or {}).get("finalizers", []) == left


def test_a_grace_period_longer_than_time_lasts_is_cut(slow: Resource) -> None:
    left = after(slow, fresh(), grace_period_seconds=2**63 - 1)
    assert left is not None
    assert left["deletionGracePeriodSeconds"] == 2**31 - 1
    assert left["deletionTimestamp"] == "2094-01-19T15:14:07Z"


def test_a_kind_that_does_not_propagate_never_waits_for_dependents(plain: Resource) -> None:
    alone = dataclasses.replace(plain, propagates=False)
    assert after(alone, fresh(), propagation=Propagation.FOREGROUND) is None
    assert after(alone, fresh(finalizers=["orphan"])) is None


async def test_a_grace_period_ends_by_a_delete_and_not_by_an_update(slow: Resource, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/log.db"
    await migrate(url)
    write = WriteOptions(caller=CALLER, version="v1")
    async with SqlLog(url) as log, WatchCache(log) as store:
        namespaces = namespace.resource(Catalogue.load(openapi.DIRECTORY))
        await writing.create(namespaces, store, "", {"metadata": {"name": "default"}}, write)
        await writing.create(slow, store, "default", {"metadata": {"name": "it", "finalizers": HELD}}, write)
        await delete(slow, store, "default", "it", DeleteOptions(), write)
        await writing.patch(slow, store, "default", "it", without_finalizers, write)
        left = hub_object(await get(slow, store, "default", "it"))
        assert left["metadata"]["deletionGracePeriodSeconds"] == 30
        ended = await delete(slow, store, "default", "it", DeleteOptions(grace_period_seconds=0), write)
        assert ended.gone
        with pytest.raises(StatusError, match="not found"):
            await get(slow, store, "default", "it")


def without_finalizers(old: dict[str, Any]) -> dict[str, Any]:
    return {**old, "metadata": {name: value for name, value in old["metadata"].items() if name != "finalizers"}}


def test_what_it_is_given_is_not_changed(plain: Resource) -> None:
    old = fresh(finalizers=HELD)
    marked(plain, old, DeleteOptions(propagation=Propagation.ORPHAN), CALLER, NOW)
    assert old == fresh(finalizers=HELD)
