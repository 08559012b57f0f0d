"""Patches of a status turn exactly the old one into the new one."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from apiserver.machinery.patch import merge
from kube.metadata import status_patch

values = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
statuses = st.dictionaries(st.sampled_from("abcd"), values, max_size=4)


def instance(status: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": "web", "resourceVersion": "7"}, "status": status}


@given(statuses, statuses)
def test_the_patch_makes_the_old_status_the_new_one(old: dict[str, Any], new: dict[str, Any]) -> None:
    patch = status_patch(instance(old), new)
    patched = instance(old) if patch is None else merge(instance(old), patch)
    assert patched["status"] == new


@given(statuses)
def test_nothing_is_written_when_nothing_changed(status: dict[str, Any]) -> None:
    assert status_patch(instance(status), status) is None


def test_a_patch_names_the_version_it_was_made_from() -> None:
    patch = status_patch(instance({}), {"phase": "Running"})
    assert patch is not None
    assert patch["metadata"] == {"resourceVersion": "7"}
