"""Owners that are known not to exist."""

from controllers.garbagecollector.absent import AbsentOwners, Owner


def owner(uid: str, namespace: str = "default") -> Owner:
    return Owner("v1", "ConfigMap", namespace, "owner", uid)


def test_an_owner_is_remembered_with_all_that_names_it() -> None:
    absent = AbsentOwners()
    absent.add(owner("one"))
    assert owner("one") in absent
    assert owner("two") not in absent
    assert owner("one", "other") not in absent


def test_beyond_the_capacity_those_not_asked_for_are_forgotten() -> None:
    absent = AbsentOwners(capacity=2)
    absent.add(owner("one"))
    absent.add(owner("two"))
    assert owner("one") in absent
    absent.add(owner("three"))
    assert owner("two") not in absent
    assert owner("one") in absent
    assert owner("three") in absent
