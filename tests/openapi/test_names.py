"""Our kinds have KubeVirt's names, columns and subresources.

``facts/resources.json`` holds what the custom resources of KubeVirt's newest versions say about each kind.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from apiserver.resources import resources
from tests.apiserver.resources.generated import CATALOGUE
from tests.apiserver.resources.surroundings import Remembered

FACTS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "facts" / "resources.json").read_text())
KINDS = {(resource.group, resource.kind): resource for resource in resources(CATALOGUE, Remembered())}

DELIBERATE = {
    ("VirtualMachineInstance", "subresources"): (["status"], "so that an agent may write a status and nothing else"),
    ("VirtualMachineInstancePreset", "hub"): ("v1", "the hub is the newest version of every kind"),
}
"""Where we differ: what it is here, and why."""


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact["kind"])
def test_a_kind_is_called_and_shown_as_in_kubevirt(fact: dict[str, Any]) -> None:
    resource, known = KINDS[fact["group"], fact["kind"]], fact["versions"]
    ours = {
        "plural": resource.plural,
        "singular": resource.singular,
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "shortNames": list(resource.short_names),
        "categories": list(resource.categories),
        "subresources": sorted(resource.subresources),
        "hub": resource.hub.name,
        "deprecated": {each.name for each in resource.versions if each.deprecation and each.name in known},
    }
    wanted = {key: fact[key] for key in ours.keys() & fact.keys()}
    wanted["hub"] = next(name for name, version in known.items() if version["storage"])
    wanted["deprecated"] = {name for name, version in known.items() if version["deprecated"]}
    for (kind, key), (here, _) in DELIBERATE.items():
        if kind == fact["kind"]:
            assert wanted[key] != here
            wanted[key] = here
    assert ours == wanted


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact["kind"])
def test_every_version_of_kubevirt_is_served_and_shows_its_columns(fact: dict[str, Any]) -> None:
    resource = KINDS[fact["group"], fact["kind"]]
    assert fact["versions"].keys() <= {version.name for version in resource.versions}
    for version in resource.versions:
        columns = [[each.name, each.type, each.json_path, each.priority] for each in version.columns]
        assert columns == fact["columns"]
