"""Taking from an object what its applier no longer applies and nobody else owns.

Source: ``sigs.k8s.io/structured-merge-diff/merge``, prune.
"""

from collections.abc import Sequence
from typing import Protocol

from apiserver.machinery.applying import remove
from apiserver.machinery.comparison import applied_fields, with_declared_parents
from apiserver.machinery.errors import FieldError
from apiserver.machinery.fields import SELF, Fields, difference, intersection, union
from apiserver.machinery.managers import Manager, Managers
from apiserver.machinery.resource import Object
from apiserver.machinery.structural import Node

_METADATA = "f:metadata"


class UnconvertibleError(Exception):
    """An object that breaks the schema of its version, and so cannot be told in another."""

    def __init__(self, wrong: Sequence[FieldError]) -> None:
        super().__init__(f"{len(wrong)} fields break the schema")
        self.wrong = wrong


class Versions(Protocol):
    """The versions of one kind, by apiVersion."""

    def node(self, api_version: str) -> Node:
        """Return the compiled schema of a version. Raises KeyError when it is not served (any more)."""
        ...

    def convert(self, obj: Object, source: str, target: str) -> Object:
        """Return ``obj`` in another version. Raises KeyError as above, and UnconvertibleError."""
        ...


def without_disowned(versions: Versions, merged: Object, managers: Managers, last: Manager, api_version: str) -> Object:
    """Return ``merged``, in ``api_version``, without the fields of ``last`` that ``managers`` do not own now.

    ``last`` is what the applier owned before, ``managers`` who owns what afterwards. Parts are shared with ``merged``.
    Nothing is taken away where other versions must be asked and cannot be, because one is not served any more or a
    required field would go.
    """
    try:
        node, whole = versions.node(last.api_version), versions.convert(merged, api_version, last.api_version)
        wide, there = _wide(node, last.fields), _all(node, whole)
        kept = union(_all(node, remove(node, whole, wide)), _owned(node, managers, last.api_version))
        gone = intersection(difference(there, kept), wide)
        if not gone:
            return merged
        pruned = remove(node, whole, gone)
        for other in {each.api_version for each in managers.values()} - {last.api_version}:
            restored = _with_owned(versions, whole, pruned, managers, last.api_version, other)
            pruned = remove(node, whole, intersection(difference(there, _all(node, restored)), wide))
        return versions.convert(pruned, last.api_version, api_version)
    except (KeyError, UnconvertibleError):
        return merged


def _with_owned(
    versions: Versions, whole: Object, pruned: Object, managers: Managers, api_version: str, other: str
) -> Object:
    """Return ``pruned`` with what managers that write in the version ``other`` own of ``whole``."""
    node = versions.node(other)
    there, left = (versions.convert(each, api_version, other) for each in (whole, pruned))
    kept = union(_all(node, left), _owned(node, managers, other))
    return versions.convert(remove(node, there, difference(_all(node, there), kept)), other, api_version)


def _owned(node: Node, managers: Managers, api_version: str) -> Fields:
    owned: Fields = {}
    for each in managers.values():
        if each.api_version == api_version:
            owned = union(owned, each.fields)
    return _wide(node, owned)


def _all(node: Node, obj: Object) -> Fields:
    return _wide(node, applied_fields(node, obj))


def _wide(node: Node, fields: Fields) -> Fields:
    """Return ``fields`` with declared parents; metadata, which holds more than can be owned, never goes as a whole."""
    wide = with_declared_parents(node, fields)
    if _METADATA in wide:
        wide[_METADATA] = {element: below for element, below in wide[_METADATA].items() if element != SELF}
        if not wide[_METADATA]:
            del wide[_METADATA]
    return wide
