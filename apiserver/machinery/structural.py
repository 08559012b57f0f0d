"""Structural schemas, compiled for walking objects: pruning, defaulting and the rules of keyed lists.

Source: ``k8s.io/apiextensions-apiserver/pkg/apiserver/schema`` (pruning, defaulting, listtype).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from apiserver.machinery.cloning import clone
from apiserver.machinery.errors import FieldError

REF_PREFIX = "#/components/schemas/"
"""How published schemas refer to each other."""

_WHOLE = 2**53
"""Below this a floating-point number that is whole is that very integer."""
RESOURCE_FIELDS = ("apiVersion", "kind", "metadata")
"""What every resource has, an embedded one too, whether its schema tells or not."""


@dataclass(slots=True, eq=False)
class Node:
    """What is known about one place in an object. Nodes of recursive schemas form cycles."""

    properties: dict[str, "Node"] = field(default_factory=dict[str, "Node"])
    items: "Node | None" = None
    values: "Node | None" = None
    """The schema of the values of a map (``additionalProperties``)."""
    preserve: bool = False
    """True when unknown fields stay."""
    nullable: bool = False
    default: Any = None
    """The JSON value that an absent field takes; None when there is none."""
    defaulted: tuple[tuple[str, Any], ...] = ()
    """The properties that have a default, with it."""
    list_keys: tuple[str, ...] | None = None
    """The keys that tell the items of a ``map`` list apart; empty for a ``set``; None for other lists."""
    atomic: bool = False
    """True for a map that has one owner as a whole (``x-kubernetes-map-type: atomic``)."""
    patch_merge_key: str = ""
    """The key by which a strategic merge patch finds the items of a list."""
    patch_strategies: frozenset[str] = frozenset()
    """``merge``, ``replace``, ``retainKeys``: how a strategic merge patch changes the value."""
    fills: bool = True
    """False where nothing has a default, here and below (:func:`mark`)."""
    tells_apart: bool = True
    """False where no list is of type ``map`` or ``set``, here and below (:func:`mark`)."""

    def field(self, name: str) -> "Node":
        """Return the node of a field of this object or a value of this map."""
        return self.properties.get(name) or self.values or UNTYPED

    def prune(self, value: Any) -> list[str]:
        """Drop what the schema does not know from ``value``; return the dropped paths, relative to it."""
        if isinstance(value, dict):
            return self._prune_object(value)
        if isinstance(value, list) and self.items is not None:
            prune = self.items.prune
            return [join(f"[{i}]", rest) for i, each in enumerate(value) for rest in prune(each)]
        return []

    def _prune_object(self, value: dict[str, Any]) -> list[str]:
        dropped: list[str] = []
        known, others = self.properties, self.values
        if others is None and not self.preserve and not value.keys() <= known.keys():
            dropped = sorted(value.keys() - known.keys())
            for key in dropped:
                del value[key]
        for key, each in value.items():
            if isinstance(each, dict | list) and (node := known.get(key, others)) and (lost := node.prune(each)):
                dropped.extend(join(key, rest) for rest in lost)
        return dropped

    def fill(self, value: Any) -> None:
        """Set absent fields below ``value`` that have a default."""
        if not self.fills:
            return
        if isinstance(value, dict):
            for key, default in self.defaulted:
                if key not in value:
                    value[key] = clone(default)
            for key, each in value.items():
                if isinstance(each, dict | list) and (node := self.properties.get(key, self.values)) is not None:
                    node.fill(each)
        elif isinstance(value, list) and self.items is not None:
            for each in value:
                self.items.fill(each)

    def tidy(self, value: Any) -> None:
        """Drop nulls below ``value`` where null is not a value, and write 2.0 as 2."""
        if isinstance(value, dict):
            self._tidy_object(value)
        elif isinstance(value, list) and self.items is not None:
            item = self.items
            for i, each in enumerate(value):
                if each is None and item.default is not None and not item.nullable:
                    value[i] = clone(item.default)
                item.tidy(value[i])

    def _tidy_object(self, value: dict[str, Any]) -> None:
        if None in value.values():
            self._drop_nulls(value)
        for key, each in value.items():
            if isinstance(each, dict | list) and (node := self.properties.get(key, self.values)) is not None:
                node.tidy(each)
            elif type(each) is float and each.is_integer() and abs(each) < _WHOLE:
                value[key] = int(each)  # Go writes 2.0 as 2, and who reads an integer counts on one

    def _drop_nulls(self, value: dict[str, Any]) -> None:
        for key in [key for key, each in value.items() if each is None]:
            node = self.properties.get(key, self.values)
            if node is not None and not node.nullable:
                del value[key]

    def duplicates(self, value: Any, path: str) -> Iterator[FieldError]:
        """Yield an error for every list item that repeats the key (or, in a set, the value) of another."""
        if not self.repeats(value):
            return  # as nearly always: paths would take most of the time
        if isinstance(value, dict):
            for key, each in value.items():
                if (node := self.properties.get(key, self.values)) is not None:
                    yield from node.duplicates(each, join(path, key))
            return
        if self.list_keys is not None:
            yield from _repeated(value, self.list_keys, path)
        if self.items is not None:
            for i, each in enumerate(value):
                yield from self.items.duplicates(each, f"{path}[{i}]")

    def repeats(self, value: Any) -> bool:
        """Return True when an item in a list below ``value`` repeats another."""
        if not self.tells_apart:
            return False
        if isinstance(value, dict):
            known, others = self.properties, self.values
            for key, each in value.items():
                if isinstance(each, dict | list) and (node := known.get(key, others)) and node.repeats(each):
                    return True
            return False
        if not isinstance(value, list):
            return False
        if self.list_keys is not None and len(value) > 1 and any(_repeated(value, self.list_keys, "")):
            return True
        return self.items is not None and any(map(self.items.repeats, value))


UNTYPED = Node(preserve=True)
"""Any JSON: maps of separate fields, lists as a whole (structured-merge-diff's deduced type)."""


def mark(root: Node) -> None:
    """Find out which nodes below ``root`` need not be walked; until then all are."""
    parents: dict[Node, list[Node]] = {root: []}
    ahead = [root]
    while ahead:
        node = ahead.pop()
        for child in filter(None, (*node.properties.values(), node.items, node.values)):
            if child not in parents:
                parents[child] = []
                ahead.append(child)
            parents[child].append(node)
    filling = _and_above((each for each in parents if each.defaulted or each.default is not None), parents)
    telling = _and_above((each for each in parents if each.list_keys is not None), parents)
    for node in parents:
        node.fills, node.tells_apart = node in filling, node in telling


def _and_above(nodes: Iterable[Node], parents: Mapping[Node, Sequence[Node]]) -> set[Node]:
    """Return ``nodes`` and all from which one gets to them."""
    found: set[Node] = set()
    ahead = list(nodes)
    while ahead:
        if (node := ahead.pop()) not in found:
            found.add(node)
            ahead.extend(parents[node])
    return found


class Compiler:
    """Turns published schemas into nodes; every schema becomes a node once."""

    def __init__(self, published: Mapping[str, dict[str, Any]]) -> None:
        self._published = published
        self._nodes: dict[tuple[str, bytes], Node] = {}

    def root(self, name: str) -> Node:
        """Return the node of the kind published as ``name``. Raises KeyError when there is none."""
        return self._fill(Node(), {**self._published[name], "x-kubernetes-embedded-resource": True})

    def node(self, schema: dict[str, Any]) -> Node:
        """Return the node of any schema; references with the same overrides share one."""
        name, overrides = referenced(schema)
        if name is None:
            return self._fill(Node(), schema)
        key = (name, orjson.dumps(overrides, option=orjson.OPT_SORT_KEYS))
        if key not in self._nodes:
            self._nodes[key] = Node()  # known before it is filled: schemas may contain themselves
            self._fill(self._nodes[key], {**self._published[name], **overrides})
        return self._nodes[key]

    def _fill(self, node: Node, schema: dict[str, Any]) -> Node:
        name, overrides = referenced(schema)
        if name is not None:  # a definition that is another name for a definition
            return self._fill(node, {**self._published[name], **overrides})
        node.properties = {key: self.node(each) for key, each in schema.get("properties", {}).items()}
        if "items" in schema:
            node.items = self.node(schema["items"])
        values = schema.get("additionalProperties")
        if isinstance(values, dict):
            node.values = self.node(values)
        node.preserve = preserves(schema)
        node.nullable = schema.get("nullable", False)
        node.default = schema.get("default")
        node.list_keys = _list_keys(schema)
        node.atomic = schema.get("x-kubernetes-map-type") == "atomic"
        node.patch_merge_key = schema.get("x-kubernetes-patch-merge-key", "")
        node.patch_strategies = frozenset(filter(None, schema.get("x-kubernetes-patch-strategy", "").split(",")))
        if schema.get("x-kubernetes-embedded-resource"):
            for key in RESOURCE_FIELDS:
                node.properties.setdefault(key, Node(preserve=True))
        node.defaulted = tuple((k, n.default) for k, n in node.properties.items() if n.default is not None)
        return node


def referenced(schema: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
    """Return the published name that ``schema`` refers to, if it does, and what it overrides there."""
    refs = [schema] if "$ref" in schema else schema.get("allOf", [])
    if len(refs) != 1 or "$ref" not in refs[0]:
        return None, {}
    ignored = ("$ref", "allOf", "description")
    overrides = {key: each for key, each in schema.items() if key not in ignored}
    return refs[0]["$ref"].removeprefix(REF_PREFIX), overrides


def join(path: str, rest: str) -> str:
    """Join two parts of a field path: ``a`` and ``b`` to ``a.b``, ``a`` and ``[0]`` to ``a[0]``."""
    return f"{path}{rest}" if not path or rest.startswith("[") else f"{path}.{rest}"


def preserves(schema: dict[str, Any]) -> bool:
    """Return True when unknown fields stay in what has this schema."""
    if schema.get("x-kubernetes-preserve-unknown-fields") or schema.get("additionalProperties") is True:
        return True
    return "type" not in schema and "properties" not in schema  # untyped: any JSON


def _list_keys(schema: dict[str, Any]) -> tuple[str, ...] | None:
    match schema.get("x-kubernetes-list-type"):
        case "map":
            return tuple(schema["x-kubernetes-list-map-keys"])
        case "set":
            return ()
        case _:
            return None


def _repeated(items: list[Any], keys: tuple[str, ...], path: str) -> Iterator[FieldError]:
    if not keys and all(isinstance(each, str) for each in items) and len(set(items)) == len(items):
        return
    seen: set[Any] = set()
    for i, item in enumerate(items):
        if keys and not isinstance(item, dict):
            continue  # a wrong type, which validation has told already
        identity = {key: item[key] for key in keys if key in item} if keys else item
        encoded = orjson.dumps(identity, option=orjson.OPT_SORT_KEYS)
        if encoded in seen:
            yield FieldError.duplicate(f"{path}[{i}]", identity)
        seen.add(encoded)
