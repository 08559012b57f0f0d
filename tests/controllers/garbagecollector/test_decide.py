"""What becomes of an object, by how its owners stand."""

from typing import Any

import pytest

from controllers.garbagecollector.decide import (
    Action,
    Delete,
    Disown,
    Keep,
    Standing,
    blocks,
    decide,
    disowning,
    standing_of,
    unblocked,
    unblocking,
)

SOLID, WAITING, ABSENT, UNKNOWN = Standing.SOLID, Standing.WAITING, Standing.ABSENT, Standing.UNKNOWN
IN_FOREGROUND = {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["foregroundDeletion"]}


def owner(uid: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": uid, "uid": uid, **more}


def owned(*uids: str, **metadata: Any) -> dict[str, Any]:
    owners = [owner(uid) for uid in uids]
    return {"metadata": {"name": "it", "uid": "it", "resourceVersion": "7", "ownerReferences": owners, **metadata}}


@pytest.mark.parametrize(
    ("standings", "action"),
    [
        ([], Keep()),
        ([SOLID], Keep()),
        ([SOLID, SOLID], Keep()),
        ([SOLID, ABSENT], Disown(frozenset({"1"}))),
        ([WAITING, SOLID, ABSENT], Disown(frozenset({"0", "2"}))),
        ([UNKNOWN], Keep()),
        ([ABSENT, UNKNOWN], Keep()),
        ([SOLID, ABSENT, UNKNOWN], Keep()),
        ([ABSENT], Delete("Background")),
        ([ABSENT, ABSENT], Delete("Background")),
        ([WAITING], Delete("Background")),
        ([WAITING, ABSENT], Delete("Background")),
    ],
    ids=lambda value: "+".join(each.name for each in value) if isinstance(value, list) else "",
)
def test_an_object_without_dependents(standings: list[Standing], action: Action) -> None:
    obj = owned(*(str(number) for number in range(len(standings))))
    assert decide(obj, standings, []) == action


@pytest.mark.parametrize(
    ("standings", "dependent", "action"),
    [
        ([WAITING], {}, Delete("Foreground")),
        ([WAITING], IN_FOREGROUND, Delete("Foreground", unblock=True)),
        ([WAITING, SOLID], IN_FOREGROUND, Disown(frozenset({"0"}))),
        ([ABSENT], {}, Delete("Background")),
        ([ABSENT], IN_FOREGROUND, Delete("Background")),
    ],
)
def test_an_object_with_a_dependent(standings: list[Standing], dependent: dict[str, Any], action: Action) -> None:
    obj = owned(*(str(number) for number in range(len(standings))))
    assert decide(obj, standings, [{"metadata": dependent}]) == action


@pytest.mark.parametrize(("finalizer", "policy"), [("orphan", "Orphan"), ("foregroundDeletion", "Foreground")])
def test_what_the_object_says_of_its_own_dependents_is_honoured(finalizer: str, policy: str) -> None:
    assert decide(owned("0", finalizers=[finalizer]), [ABSENT], []) == Delete(policy)


def test_an_owner_is_known_by_its_uid_and_waits_only_in_foreground_deletion() -> None:
    assert standing_of(owned(), "another") is ABSENT
    assert standing_of(owned(), "it") is SOLID
    assert standing_of(owned(finalizers=["foregroundDeletion"]), "it") is SOLID
    assert standing_of(owned(deletionTimestamp="2026-01-01T00:00:00Z"), "it") is SOLID
    assert standing_of(owned(**IN_FOREGROUND), "it") is WAITING


def test_patches_take_owners_off_or_let_them_go_and_name_the_state_they_come_from() -> None:
    obj = owned("a", "b")
    version = {"uid": "it", "resourceVersion": "7"}
    assert disowning(obj, ["a"]) == {"metadata": {**version, "ownerReferences": [owner("b")]}}
    assert disowning(obj, ["a", "b"]) == {"metadata": {**version, "ownerReferences": None}}
    free = [owner("a", blockOwnerDeletion=False), owner("b", blockOwnerDeletion=False)]
    assert unblocking(obj) == {"metadata": {**version, "ownerReferences": free}}


def test_only_an_owner_that_the_dependent_blocks_waits_for_it() -> None:
    obj = {"metadata": {"ownerReferences": [owner("a", blockOwnerDeletion=True), owner("b")]}}
    assert blocks(obj, "a")
    assert not blocks(obj, "b")
    assert not blocks(obj, "c")
    assert not blocks({"metadata": {}}, "a")


def test_owners_are_unblocked_by_a_change_or_a_removal() -> None:
    before = [owner(uid, blockOwnerDeletion=True) for uid in ("stays", "goes", "changes")] + [owner("never")]
    after = [before[0], owner("changes", blockOwnerDeletion=False), owner("never")]
    assert [each["uid"] for each in unblocked(before, after)] == ["goes", "changes"]
