"""Ownership that was written under another schema."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from apiserver.machinery.cloning import clone
from apiserver.machinery.fieldmanager import FieldManager, Writer
from apiserver.machinery.fields import paths, text
from apiserver.machinery.managers import ContestedError, Manager, Managers
from apiserver.machinery.reconciling import reconciled
from apiserver.machinery.resource import Object
from apiserver.machinery.structural import Compiler, Node

CASES = yaml.safe_load((Path(__file__).parent / "merges" / "schema_changes.yaml").read_text())


def compiled(properties: dict[str, Any]) -> Node:
    spec = {"type": "object", "properties": properties}
    return Compiler({"K": {"type": "object", "properties": {"spec": spec}}}).root("K")


class Present:
    """One version, whose schema changes."""

    def __init__(self) -> None:
        self.root = Node()

    def node(self, api_version: str) -> Node:
        if api_version != "v1":
            raise KeyError(api_version)
        return self.root

    def convert(self, obj: Object, source: str, target: str) -> Object:
        assert source == target
        return obj


@pytest.mark.parametrize("case", CASES["sets"].values(), ids=CASES["sets"])
def test_what_was_owned_in_parts_is_owned_as_the_schema_now_says(case: dict[str, Any]) -> None:
    before = {"f:spec": case["before"]}
    after = reconciled(compiled(case["schema"]), before)
    assert after == {"f:spec": case.get("after", case["before"])}
    assert (after is before) is ("after" not in case)


@pytest.mark.parametrize("steps", CASES["writes"].values(), ids=CASES["writes"])
def test_writes_after_a_change_of_schema_do_what_structured_merge_diff_does(steps: list[dict[str, Any]]) -> None:
    versions = Present()
    fields = FieldManager(versions=versions, only="spec")
    live: Object = {"metadata": {}}
    managers: Managers = {}
    for step in steps:
        if "schema" in step:
            versions.root = compiled(step["schema"])
        config, writer = {"metadata": {}, "spec": step["apply"]}, Writer(name=step["by"], api_version="v1", time="now")
        try:
            new, managers = fields.apply(managers, live, config, writer, force=step.get("force", False))
        except ContestedError as refused:
            told = [[key.name, text(path)] for key, lost in refused.contested.items() for path in paths(lost)]
            assert told == step["conflicts"]
        else:
            assert "conflicts" not in step
            live = clone(new)
            assert live["spec"] == step["then"]
            assert {key.name: each.fields["f:spec"] for key, each in managers.items()} == step["managed"]


def test_a_manager_of_a_version_that_is_gone_holds_up_nobody() -> None:
    versions = Present()
    versions.root = compiled(CASES["schemas"]["granular"])
    old: Managers = {
        Writer(name="old", api_version="v0", time="t").identity("Update"): Manager("v0", {"f:spec": {"f:x": {}}})
    }
    fields = FieldManager(versions=versions, only="spec")
    before, after = ({"metadata": {}, "spec": {"unchanged": {"numeric": each}}} for each in (1, 2))
    left = fields.update(old, {"v1": before}, {"v1": after}, Writer(name="new", api_version="v1", time="t"))
    assert [key.name for key in left] == ["new"]
