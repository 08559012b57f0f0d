"""Which fields an object has, and which ones differ between two states of it, by the schema of its kind.

Maps are sets of fields that are owned one by one, unless they are atomic; so are the items of lists of type ``map``
(named by their keys) and ``set`` (named by their value). Everything else, other lists above all, is owned as a whole.
Source: ``sigs.k8s.io/structured-merge-diff/typed``; Kubernetes' documentation of server-side apply, "Merge strategy".
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from apiserver.machinery.fields import LEAF, SELF, Fields, key_element, value_element
from apiserver.machinery.structural import UNTYPED, Node


@dataclass(frozen=True, slots=True)
class Comparison:
    """The fields in which a new state differs from an old one."""

    removed: Fields = field(default_factory=Fields)
    modified: Fields = field(default_factory=Fields)
    added: Fields = field(default_factory=Fields)

    def put(self, element: str, below: "Comparison") -> None:
        """Add what differs ``below`` an element."""
        if below.removed:
            self.removed[element] = below.removed
        if below.modified:
            self.modified[element] = below.modified
        if below.added:
            self.added[element] = below.added


def compare(node: Node, old: dict[str, Any], new: dict[str, Any]) -> Comparison:
    """Return how ``new`` differs from ``old``. What is added or removed is told with all that is below it."""
    found = Comparison()
    _compare_maps(node, old, new, found)
    return found


def _compare_maps(node: Node, old: dict[str, Any], new: dict[str, Any], found: Comparison) -> None:
    for name, value in new.items():
        if name not in old:
            found.added[f"f:{name}"] = fields_of(node.field(name), value)
        elif differ(was := old[name], value):
            _compare_values(node.field(name), was, value, f"f:{name}", found)
    for name, was in old.items():
        if name not in new:
            found.removed[f"f:{name}"] = fields_of(node.field(name), was)


def _compare_values(node: Node, old: Any, new: Any, element: str, found: Comparison) -> None:
    below = Comparison()
    if isinstance(old, dict) and isinstance(new, dict) and not node.atomic:
        _compare_maps(node, old, new, below)
    elif isinstance(old, list) and isinstance(new, list) and node.list_keys is not None:
        _compare_lists(node, old, new, below)
    else:
        found.modified[element] = LEAF
        if old.__class__ is not new.__class__:
            # What had parts and has none now has lost them, and the other way round.
            below = Comparison(removed=_parts(node, old), added=_parts(node, new))
    found.put(element, below)


def _compare_lists(node: Node, old: list[Any], new: list[Any], found: Comparison) -> None:
    item = node.items or UNTYPED
    was, now = items_by_element(node, old), items_by_element(node, new)
    for element, items in now.items():
        before = was.get(element, [])
        if not before:
            found.added[element] = _fields_of_items(item, items)
        elif len(before) == len(items) == 1:
            if differ(before[0], items[0]):
                _compare_values(item, before[0], items[0], element, found)
        elif differ(before, items):
            _compare_repeated(item, before, items, element, found)
    for element, before in was.items():
        if element not in now:
            found.removed[element] = _fields_of_items(item, before)


def _compare_repeated(item: Node, old: list[Any], new: list[Any], element: str, found: Comparison) -> None:
    """Compare items of one name, of which there are several: they are told apart no further, only that they differ."""
    if len(old) > 1 and len(new) > 1:
        found.modified[element] = LEAF
    elif len(old) > 1:
        found.removed[element] = LEAF
        found.added[element] = fields_of(item, new[0])
    else:
        found.removed[element] = fields_of(item, old[0])
        found.added[element] = LEAF


def differ(one: Any, other: Any) -> bool:
    """Return True for unequal JSON values; unlike for Python, true is not 1."""
    if one.__class__ is bool or other.__class__ is bool:
        return one is not other
    return one != other


def fields_of(node: Node, value: Any) -> Fields:
    """Return the node of a set that owns ``value`` with everything below it."""
    below = _parts(node, value)
    return {SELF: LEAF, **below} if below else LEAF


def _fields_of_items(item: Node, items: list[Any]) -> Fields:
    return fields_of(item, items[0]) if len(items) == 1 else LEAF


def _parts(node: Node, value: Any) -> Fields:
    if isinstance(value, dict):
        if node.atomic:
            return LEAF
        field_of = node.field
        return {
            f"f:{name}": fields_of(field_of(name), each) if isinstance(each, dict | list) else LEAF
            for name, each in value.items()
        }
    if isinstance(value, list) and node.list_keys is not None:
        item = node.items or UNTYPED
        return {element: _fields_of_items(item, items) for element, items in items_by_element(node, value).items()}
    return LEAF


def items_by_element(node: Node, items: list[Any]) -> dict[str, list[Any]]:
    """Return the items of a keyed list or a set by their path element, in order; most often one each."""
    named: dict[str, list[Any]] = {}
    for each in items:
        named.setdefault(item_element(node, each), []).append(each)
    return named


def item_element(node: Node, item: Any) -> str:
    """Return the path element of an item of a keyed list or a set. A key that is left out has its default."""
    if not node.list_keys or not isinstance(item, dict):
        return value_element(item)
    known = (node.items or UNTYPED).properties
    key: dict[str, Any] = {}
    for name in node.list_keys:
        if name in item:
            key[name] = item[name]
        elif name in known and known[name].default is not None:
            key[name] = known[name].default
    return key_element(key)


def applied_fields(node: Node, config: dict[str, Any]) -> Fields:
    """Return the fields that an applied configuration owns: leaves, items of lists, keys of maps.

    Unlike what a write changes, a declared field of an object is not owned for having owned fields below it.
    """
    return dict(_applied_fields(node, config))


def _applied_fields(node: Node, config: dict[str, Any]) -> Iterator[tuple[str, Fields]]:
    for name, value in config.items():
        whole, below = _applied_value(node.field(name), value)
        if whole or name not in node.properties:
            yield f"f:{name}", {SELF: LEAF, **below} if below else LEAF
        elif below:
            yield f"f:{name}", below


def _applied_value(node: Node, value: Any) -> tuple[bool, Fields]:
    """Return whether ``value`` is owned as a whole, and what is owned below it."""
    if isinstance(value, dict) and value and not node.atomic:
        return False, applied_fields(node, value)
    if isinstance(value, list) and node.list_keys is not None:
        item = node.items or UNTYPED
        named = items_by_element(node, value)
        return False, {element: _applied_items(item, items) for element, items in named.items()}
    return True, LEAF


def _applied_items(item: Node, items: list[Any]) -> Fields:
    below = _applied_value(item, items[0])[1] if len(items) == 1 else LEAF
    return {SELF: LEAF, **below} if below else LEAF


def with_declared_parents(node: Node, fields: Fields) -> Fields:
    """Return a set to which the declared fields on the way to its members belong too.

    What is taken from an object goes by this set, so that an object of declared fields goes with the last of them.
    """
    widened: Fields = {}
    for element, below in fields.items():
        if element == SELF or not below:
            widened[element] = below
            continue
        name = element[2:]
        child = node.field(name) if element.startswith("f:") else node.items or UNTYPED
        deeper = with_declared_parents(child, below)
        if element.startswith("f:") and name in node.properties:
            deeper = {SELF: LEAF, **deeper}
        widened[element] = deeper
    return widened
