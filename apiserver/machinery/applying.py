"""Merging a configuration into an object, and taking fields from it, by the schema of its kind.

Source: ``sigs.k8s.io/structured-merge-diff/typed``, merge and remove; ``…/typed/validate`` for what is refused.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any

from apiserver.machinery.comparison import item_element, items_by_element
from apiserver.machinery.fields import Fields, is_member, text
from apiserver.machinery.structural import UNTYPED, Node


def problems(node: Node, config: Any, path: str = "") -> Iterator[str]:
    """Yield why a configuration cannot be merged: unknown fields, and list items that cannot be told apart."""
    if isinstance(config, dict):
        for name, value in config.items():
            if name not in node.properties and node.values is None and not node.preserve:
                yield f"{path}.{name}: field not declared in schema"
            else:
                yield from problems(node.field(name), value, f"{path}.{name}")
    elif config is not None and _is_map(node):
        yield f"{path}: expected map, got &{{{config}}}"
    elif isinstance(config, list):
        yield from _item_problems(node, config, path)


def _is_map(node: Node) -> bool:
    return bool(node.properties) or node.values is not None


def _item_problems(node: Node, items: list[Any], path: str) -> Iterator[str]:
    seen: set[str] = set()
    for i, item in enumerate(items):
        step = f"[{i}]"
        if node.list_keys is not None:
            if problem := _unnamed(node, item):
                yield f"{path}: element {i}: {problem}"
                continue
            element = item_element(node, item)
            step = text((element,))
            if element in seen:
                yield f"{path}: duplicate entries for key {step}"
            seen.add(element)
        yield from problems(node.items or UNTYPED, item, path + step)


def _unnamed(node: Node, item: Any) -> str | None:
    """Return why an item of a keyed list or a set has no name of its own, or None."""
    if not node.list_keys:
        return "associative list without keys has an element that's an explicit null" if item is None else None
    if item is None:
        return "associative list with keys may not have a null element"
    if not isinstance(item, dict):
        return "associative list with keys may not have non-map elements"
    if item_element(node, item) == "k:{}":
        keys = " ".join(f'"{key}"' for key in node.list_keys)
        return (
            f"associative list with keys has an element that omits all key fields [{keys}] "
            "(and doesn't have default values for any key fields)"
        )
    return None


def merge(node: Node, live: Any, config: Any) -> Any:
    """Return ``live`` with ``config`` merged in. Neither is changed; the result shares parts with both."""
    if isinstance(live, dict) and isinstance(config, dict) and not node.atomic:
        merged = dict(live)
        for name, value in config.items():
            merged[name] = merge(node.field(name), live[name], value) if name in live else value
        return merged
    if isinstance(live, list) and isinstance(config, list) and node.list_keys is not None:
        return _merge_lists(node, live, config)
    return config


def _merge_lists(node: Node, live: list[Any], config: list[Any]) -> list[Any]:
    """Merge item by item, in the configuration's order; live items that it lacks stay near their neighbours."""
    item = node.items or UNTYPED
    known, wanted = items_by_element(node, live), items_by_element(node, config)
    merged: list[Any] = []
    placed: set[str] = set()
    ahead = [(item_element(node, each), each) for each in live]
    left = 0
    shared = deque(element for element in wanted if element in known)
    for element, values in wanted.items():
        while left < len(ahead) and ahead[left][0] != element:
            name, each = ahead[left]
            if name not in wanted:
                merged.append(each)
            elif name not in placed and (not shared or shared[0] == name):
                break  # its turn comes, and what stands before it in the configuration goes first
            left += 1
        was = known.get(element, [])
        # Of several live items of one name, none is the one to merge with: the configuration's replaces them.
        merged.append(merge(item, was[0], values[0]) if len(was) == 1 else values[0])
        placed.add(element)
        if left < len(ahead) and ahead[left][0] == element:
            left += 1
        if shared and shared[0] == element:
            shared.popleft()
    merged.extend(each for name, each in ahead[left:] if name not in wanted)
    return merged


def remove(node: Node, value: Any, fields: Fields) -> Any:
    """Return ``value`` without the members of ``fields``. What loses all its parts and is no member stays, empty.

    ``value`` is not changed, and the result shares parts with it.
    """
    if isinstance(value, dict) and not node.atomic:
        kept = ((name, each, fields.get(f"f:{name}")) for name, each in value.items())
        return {name: _left(node.field(name), each, below) for name, each, below in kept if not _goes(below)}
    if isinstance(value, list) and node.list_keys is not None:
        item = node.items or UNTYPED
        items = ((each, fields.get(item_element(node, each))) for each in value)
        return [_left(item, each, below) for each, below in items if not _goes(below)]
    return value


def _goes(fields: Fields | None) -> bool:
    return fields is not None and is_member(fields)


def _left(node: Node, value: Any, fields: Fields | None) -> Any:
    return value if fields is None else remove(node, value, fields)
