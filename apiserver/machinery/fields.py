"""Sets of fields as ``metadata.managedFields`` writes them, and their algebra.

A set is kept in the very form of ``fieldsV1``: a tree of mappings whose keys are path elements (``f:`` a field, ``k:``
an item of a keyed list, ``v:`` an item of a set, ``i:`` an index). An empty node is a member of the set; a node with
children is one when it also holds the key ``.``. So nothing is translated when a set is read or stored.

Sets are values: no function changes one, and results share parts with what they were made from.
Source of format and algebra: ``sigs.k8s.io/structured-merge-diff/fieldpath``; KEP-555 (server-side apply).
"""

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

Fields = dict[str, Any]
"""A set of fields, or one node of it. At the root the empty mapping is the empty set, not a member."""
Path = tuple[str, ...]
"""The elements that lead to a field."""

SELF = "."
"""The key of a node with children that is itself a member."""
LEAF: Fields = {}
"""A member without children."""
_KINDS = ("f:", "k:", "v:", "i:")
"""The kinds of path elements, in the order in which paths are told."""


def key_element(key: dict[str, Any]) -> str:
    """Return the path element of the list item that has ``key``, its names and values."""
    return "k:" + orjson.dumps(key, option=orjson.OPT_SORT_KEYS).decode()


def value_element(value: Any) -> str:
    """Return the path element of the item ``value`` of a set."""
    return "v:" + orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def node(*, member: bool, children: Fields) -> Fields | None:
    """Return a node; None when it would be neither a member nor lead to one."""
    if member:
        return {SELF: LEAF, **children} if children else LEAF
    return children or None


def is_member(fields: Fields) -> bool:
    """Return True when the field of this node, which is not a root, belongs to the set."""
    return not fields or SELF in fields


def union(one: Fields, other: Fields) -> Fields:
    """Return what is in ``one`` or in ``other``."""
    if not one or one is other:
        return other
    return _united(one, other) if other else one


def _united(one: Fields, other: Fields) -> Fields:
    united = dict(one)
    for element, theirs in other.items():
        mine = united.get(element)
        united[element] = theirs if mine is None else _united_nodes(mine, theirs)
    return united


def _united_nodes(one: Fields, other: Fields) -> Fields:
    if not one:
        return other if is_member(other) else {SELF: LEAF, **other}
    if not other:
        return one if is_member(one) else {SELF: LEAF, **one}
    return _united(one, other)


def difference(one: Fields, other: Fields) -> Fields:
    """Return what is in ``one`` and not in ``other``. A member of ``other`` takes away itself, not its children."""
    if not one or not other:
        return one
    return _less(one, other, root=True) or {}


def _less(one: Fields, other: Fields, *, root: bool = False) -> Fields | None:
    children: Fields = {}
    for element, mine in one.items():
        if element == SELF:
            continue
        theirs = other.get(element)
        left = mine if theirs is None else _less(mine, theirs)
        if left is not None:
            children[element] = left
    return node(member=not root and is_member(one) and not is_member(other), children=children)


def intersection(one: Fields, other: Fields) -> Fields:
    """Return what is in both."""
    if not one or not other:
        return {}
    return _common(one, other, root=True) or {}


def _common(one: Fields, other: Fields, *, root: bool = False) -> Fields | None:
    children: Fields = {}
    fewer, more = (one, other) if len(one) <= len(other) else (other, one)
    for element, mine in fewer.items():
        if element != SELF and (theirs := more.get(element)) is not None:
            both = _common(mine, theirs)
            if both is not None:
                children[element] = both
    return node(member=not root and is_member(one) and is_member(other), children=children)


def has(fields: Fields, path: Path) -> bool:
    """Return True when ``path`` is a member of the set."""
    at: Fields | None = fields
    for element in path:
        at = at.get(element)
        if at is None:
            return False
    return bool(path) and is_member(at)


def paths(fields: Fields) -> Iterator[Path]:
    """Yield every member of a set: of each level first the members, then what is below them."""
    elements = sorted((element for element in fields if element != SELF), key=_order)
    yield from ((element,) for element in elements if is_member(fields[element]))
    for element in elements:
        for path in paths(fields[element]):
            yield (element, *path)


def from_paths(members: Iterable[Path]) -> Fields:
    """Return the set of ``members``."""
    fields: Fields = {}
    for path in members:
        at = fields
        for element in path:
            at = at.setdefault(element, {})
        at[SELF] = LEAF
    return _tidy(fields)


def _tidy(fields: Fields) -> Fields:
    if fields.keys() == {SELF}:
        return LEAF
    return {element: below if element == SELF else _tidy(below) for element, below in fields.items()}


def text(path: Path) -> str:
    """Return a path for people, as Kubernetes tells it: ``.spec.disks[name="root"].cache``."""
    return "".join(_element_text(element) for element in path)


def _element_text(element: str) -> str:
    kind, rest = element[:2], element[2:]
    match kind:
        case "f:":
            return f".{rest}"
        case "k:":
            key = orjson.loads(rest)
            return "[" + ",".join(f"{name}={_shown(key[name])}" for name in sorted(key)) + "]"
        case "v:":
            return f"[={_shown(orjson.loads(rest))}]"
        case _:
            return f"[{rest}]"


def _shown(value: Any) -> str:
    return orjson.dumps(value).decode()


def _order(element: str) -> tuple[int, str]:
    return _KINDS.index(element[:2]), element


def canonical(fields: Any) -> Fields:
    """Return a set that a client has written in the one form that this server writes it in.

    Elements of kinds unknown here are left out, as Kubernetes does. Raises ValueError for what is no set.
    """
    if not isinstance(fields, dict):
        raise ValueError("a set of fields is an object")  # noqa: TRY004 - one error for every way to be malformed
    known: Fields = {}
    for element, below in fields.items():
        if element == SELF:
            known[SELF] = LEAF
        elif (name := _canonical_element(element)) is not None:
            known[name] = canonical(below)
    return LEAF if known.keys() == {SELF} else known


def _canonical_element(element: str) -> str | None:
    kind, rest = element[:2], element[2:]
    if kind[1:] != ":":
        raise ValueError(f"{element!r} is no path element")
    match kind:
        case "f:":
            return element
        case "k:":
            key = orjson.loads(rest)
            if not isinstance(key, dict):
                raise ValueError(f"{element!r} has no key")  # noqa: TRY004 - as above
            return key_element(key)
        case "v:":
            return value_element(orjson.loads(rest))
        case "i:":
            return f"i:{int(rest)}"
        case _:
            return None
