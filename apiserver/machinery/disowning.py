"""Taking from an object what its applier no longer applies and nobody else owns.

Source: ``sigs.k8s.io/structured-merge-diff/merge``, prune.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

from apiserver.machinery.applying import remove
from apiserver.machinery.comparison import applied_fields, compare, with_declared_parents
from apiserver.machinery.errors import FieldError
from apiserver.machinery.fields import SELF, Fields, Path, difference, from_paths, intersection, is_member, union
from apiserver.machinery.managers import Manager, Managers
from apiserver.machinery.resource import Object
from apiserver.machinery.structural import Node

MAX_TRIALS = 100
"""How often it is tried what can go where managers of other versions are concerned; the rest stays."""
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
    Where ``last`` is of a version that is not served any more, nothing is taken away.
    """
    try:
        node, whole = versions.node(last.api_version), versions.convert(merged, api_version, last.api_version)
        wide, there = _wide(node, last.fields), _all(node, whole)
        kept = union(_all(node, remove(node, whole, wide)), _owned(node, managers, last.api_version))
        gone = intersection(difference(there, kept), wide)
        if not gone:
            return merged
        others = _Others(versions, whole, last.api_version, managers)
        pruned = others.take_out(node, gone) if others else remove(node, whole, gone)
        return versions.convert(pruned, last.api_version, api_version)
    except (KeyError, UnconvertibleError):
        return merged


class _Others:
    """What managers that write in other versions own of an object.

    Kubernetes converts what is left when everything is taken away. Here only whole objects can be converted, so it is
    tried out what can go: all of it, else its halves, else its parts.
    """

    def __init__(self, versions: Versions, whole: Object, api_version: str, managers: Managers) -> None:
        self._versions = versions
        self._whole = whole
        self._api_version = api_version
        self._owned: dict[str, Fields] = {}
        for each in managers.values():
            if each.api_version != api_version:
                self._owned[each.api_version] = union(self._owned.get(each.api_version, {}), each.fields)

    def __bool__(self) -> bool:
        return bool(self._owned)

    def take_out(self, node: Node, gone: Fields) -> Object:
        """Return the object without the members of ``gone`` that none of these managers owns anything of."""
        left = self._whole
        ahead = [list(_outermost(gone))]
        for _ in range(MAX_TRIALS):
            if not ahead:
                break
            batch = ahead.pop()
            trial = remove(node, left, from_paths(path for path, _ in batch))
            if self._allow(trial):
                left = trial
            elif len(batch) > 1:
                half = len(batch) // 2
                ahead += [batch[half:], batch[:half]]
            elif parts := [((*batch[0][0], *path), below) for path, below in _outermost(batch[0][1])]:
                ahead.append(parts)
        return left

    def _allow(self, trial: Object) -> bool:
        """Return True when the object can become ``trial`` and nobody loses anything by it."""
        for api_version, owned in self._owned.items():
            try:
                node = self._versions.node(api_version)
                before, after = (
                    self._versions.convert(each, self._api_version, api_version) for each in (self._whole, trial)
                )
            except KeyError:  # nobody can name these fields any more
                continue
            except UnconvertibleError:
                return False
            changed = compare(node, before, after)
            if intersection(owned, union(changed.removed, union(changed.modified, changed.added))):
                return False
        return True


def _outermost(fields: Fields) -> Iterator[tuple[Path, Fields]]:
    """Yield the members of a set that are not below other members, with what is below them."""
    for element, below in fields.items():
        if element == SELF:
            continue
        if is_member(below):
            yield (element,), below
        else:
            yield from (((element, *path), deeper) for path, deeper in _outermost(below))


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
