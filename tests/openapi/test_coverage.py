"""Our schemas say what KubeVirt's say, field by field.

``facts/schemas.json`` holds the definitions behind KubeVirt's newest versions: names, types and rules, no words. A
default that is Go's zero value is not among them: the custom resources have none, and absent means the same.
"""

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from apiserver.machinery.structural import REF_PREFIX, referenced
from apiserver.resources import resources
from tests.apiserver.resources.generated import CATALOGUE
from tests.apiserver.resources.surroundings import Remembered

Schema = dict[str, Any]

FACTS: dict[str, Schema] = json.loads((Path(__file__).parent / "facts" / "schemas.json").read_text())
SERVED = resources(CATALOGUE, Remembered())
KINDS = [
    *(
        ("kubevirt.io", "v1", f"VirtualMachine{kind}")
        for kind in ("", "Instance", "InstanceMigration", "InstancePreset", "InstanceReplicaSet")
    ),
    ("kubevirt.io", "v1", "KubeVirt"),
    *(
        ("instancetype.kubevirt.io", "v1beta1", f"VirtualMachine{kind}")
        for kind in ("Instancetype", "ClusterInstancetype", "Preference", "ClusterPreference")
    ),
    ("pool.kubevirt.io", "v1beta1", "VirtualMachinePool"),
    *(
        ("snapshot.kubevirt.io", "v1beta1", f"VirtualMachine{kind}")
        for kind in ("Snapshot", "SnapshotContent", "Restore")
    ),
    ("clone.kubevirt.io", "v1beta1", "VirtualMachineClone"),
    ("export.kubevirt.io", "v1", "VirtualMachineExport"),
    ("migrations.kubevirt.io", "v1alpha1", "MigrationPolicy"),
]

_NEWER_IMPORTER = "KubeVirt builds on an older release of the data importer than the kind DataVolume is from"
_EMPTY = "KubeVirt's webhooks refuse an instance without memory, and so every template without a spec"
DELIBERATE: dict[str, str] = {
    "* nullable": "to Go null means absent, and so it does here: it is dropped",
    "* x-kubernetes-validations": "rules in CEL are rules in Python, beside the kind",
    "k8s.io.apimachinery.pkg.apis.meta.v1.LabelSelectorRequirement.operator enum": "Kubernetes knows no other operator",
    "k8s.io.apimachinery.pkg.apis.meta.v1.ManagedFieldsEntry.fieldsV1 x-kubernetes-preserve-unknown-fields": "any path",
    "k8s.io.apimachinery.pkg.apis.meta.v1.ObjectMeta.creationTimestamp format": "it is a time as any other",
    "v1.VirtualMachineInstanceReplicaSetSpec.template required": _EMPTY,
    "v1.VirtualMachineSpec.template required": _EMPTY,
    "v1beta1.DataVolumeSpec.serviceAccountName added": _NEWER_IMPORTER,
    "v1beta1.DataVolumeSourceHTTP.checksum added": _NEWER_IMPORTER,
    "v1beta1.DataVolumeSourceHTTP.insecureSkipVerify added": _NEWER_IMPORTER,
    "v1beta1.DataVolumeSourceVDDK.certConfigMap added": _NEWER_IMPORTER,
}
"""Why a place differs, by ``definition.field keyword``; ``*`` stands for any place."""

RULES = (
    *("type", "format", "enum", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"),
    *("default", "nullable", "required", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string"),
    *("x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type", "x-kubernetes-validations"),
    *("x-kubernetes-patch-strategy", "x-kubernetes-patch-merge-key"),
)


class Comparison:
    """Walks a fact and our definition side by side; what it has walked once it does not walk again."""

    def __init__(self, definitions: dict[str, Schema]) -> None:
        self._definitions = definitions
        self._walked: set[tuple[str, str]] = set()

    def differences(self, place: str, fact: Schema, ours: Schema) -> Iterator[str]:
        """Yield ``definition.field keyword: fact, ours`` for everything that differs at ``place`` and below."""
        name, (our_name, _) = fact.get("$ref"), referenced(ours)
        fact, ours = self._whole(fact, FACTS, name), self._whole(ours, self._definitions, _plain(our_name))
        for rule in RULES:
            if (wanted := _rule(fact, rule)) != (found := _rule(ours, rule)):
                yield f"{place} {rule}: {wanted}, ours {found}"
        if (name or place, str(our_name)) in self._walked:
            return
        self._walked.add((name or place, str(our_name)))
        yield from self._below(name or place, fact, ours)

    def _below(self, place: str, fact: Schema, ours: Schema) -> Iterator[str]:
        wanted, found = fact.get("properties", {}), ours.get("properties", {})
        yield from (f"{place}.{field} missing" for field in wanted.keys() - found.keys())
        yield from (f"{place}.{field} added" for field in found.keys() - wanted.keys())
        for field in wanted.keys() & found.keys():
            yield from self.differences(f"{place}.{field}", wanted[field], found[field])
        for part, mark in (("items", "[]"), ("additionalProperties", "{}")):
            if isinstance(fact.get(part), dict) and isinstance(ours.get(part), dict):
                yield from self.differences(place + mark, fact[part], ours[part])
            elif fact.get(part) != ours.get(part):
                yield f"{place} {part}: {fact.get(part)}, ours {ours.get(part)}"

    def _whole(self, schema: Schema, definitions: dict[str, Schema], name: str | None) -> Schema:
        while name is not None:
            target = definitions[name]
            schema = {**target, **{key: each for key, each in schema.items() if key not in ("$ref", "allOf")}}
            name = target.get("$ref") or _plain(referenced(target)[0])
        return schema


def _plain(name: str | None) -> str | None:
    return None if name is None else name.removeprefix(REF_PREFIX)


def _rule(schema: Schema, rule: str) -> Any:
    if schema.get("format") == "int-or-string":  # what Go writes for IntOrString
        schema = {"x-kubernetes-int-or-string": True}
    value = schema.get(rule)
    match rule:
        case "type" | "x-kubernetes-int-or-string" if schema.get("x-kubernetes-int-or-string"):
            return "int-or-string"
        case "type" if isinstance(value, list):
            # What Go reads from a string or a number; or null, which "nullable" says again.
            return "int-or-string" if "integer" in value else next(each for each in value if each != "null")
        case "x-kubernetes-int-or-string" if isinstance(schema.get("type"), list) and "integer" in schema["type"]:
            return "int-or-string"
        case "nullable":
            return bool(value) or "null" in (schema.get("type") or ())
        case "required" | "enum":
            return sorted(value or ())
        case "default":
            return value or None
        case _:
            return value


def reason(difference: str) -> str | None:
    """Return the key of DELIBERATE that ``difference`` falls under, or None."""
    place, _, told = difference.partition(" ")
    keyword = told.partition(":")[0]
    return next((key for key in (f"{place} {keyword}", f"* {keyword}") if key in DELIBERATE), None)


@functools.cache
def differences() -> list[str]:
    found: set[str] = set()
    for group, version, kind in KINDS:
        ours = CATALOGUE.schema(group, version, kind)
        comparison = Comparison(CATALOGUE.definitions(group, version))
        found.update(comparison.differences(kind, FACTS[f"{version}.{kind}"], ours.document))
    return sorted(found)


def test_every_field_of_kubevirt_is_there_with_its_type_and_rules() -> None:
    assert [each for each in differences() if reason(each) is None] == []


def test_every_deliberate_difference_is_one() -> None:
    assert DELIBERATE.keys() - {reason(each) for each in differences()} == set()


def test_every_field_of_every_version_can_be_explained() -> None:
    served = {(resource.group, version.name) for resource in SERVED for version in resource.versions}
    silent = {
        f"{name}.{field}"
        for group, version in served
        for name, schema in CATALOGUE.definitions(group, version).items()
        for field, each in schema.get("properties", {}).items()
        if not each.get("description")
    }
    assert sorted(silent) == []
