"""The kinds that have an example in their schema, and objects made from it by edits; for the tests of their rules."""

from typing import Any

from apiserver.machinery.cloning import clone
from apiserver.machinery.resource import Caller, Object, Resource, Strategy
from apiserver.resources import resources
from tests.apiserver.resources.generated import CATALOGUE
from tests.apiserver.resources.surroundings import Remembered, configured

USER = Caller("jane")
INVALID, REQUIRED, FORBIDDEN = "FieldValueInvalid", "FieldValueRequired", "FieldValueForbidden"
UNSUPPORTED = "FieldValueNotSupported"
ABSENT = object()
"""Takes a field away."""


def served(**objects: list[Object]) -> dict[str, Resource]:
    """The kinds as they are while ``objects`` are stored."""
    return {resource.kind: resource for resource in resources(CATALOGUE, Remembered(**objects))}


KINDS = served()
EXAMPLES = {
    kind: each.hub.schema.document["example"]
    for kind, each in KINDS.items()
    if each.group.endswith(".kubevirt.io") and "example" in each.hub.schema.document
}


def edited(kind: str, edits: Object) -> Object:
    """The example of a kind with the values at these paths, such as ``spec.source.kind``."""
    obj = clone({**EXAMPLES[kind], "metadata": {"namespace": "default", **EXAMPLES[kind]["metadata"]}})
    for path, value in edits.items():
        *ahead, last = path.split(".")
        at: Any = obj
        for part in ahead:
            at = at.setdefault(part, {})
        if value is ABSENT:
            del at[last]
        else:
            at[last] = clone(value)
    KINDS[kind].hub.schema.apply_defaults(obj)
    return obj


def with_gates(kind: str, gates: list[str]) -> Strategy:
    """The rules of a kind while these gates are on."""
    stored = configured(developerConfiguration={"featureGates": gates}).stored
    return {each.kind: each for each in resources(CATALOGUE, stored)}[kind].strategy
