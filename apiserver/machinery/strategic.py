"""Strategic merge patches: merge patches that know which lists are merged item by item.

Beside values a patch holds directives: ``$patch`` (``replace``, ``delete``) in a map or among the items of a list,
``$retainKeys`` with the only keys that stay, ``$deleteFromPrimitiveList/x`` with what to take from the list ``x``, and
``$setElementOrder/x`` with the order of its items.
Source: ``k8s.io/apimachinery/pkg/util/strategicpatch``; Kubernetes' design document "strategic-merge-patch".
"""

from typing import Any

import orjson

from apiserver.machinery.structural import UNTYPED, Node

_PATCH = "$patch"
_RETAIN_KEYS = "$retainKeys"
_DELETE_FROM = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"


class UnfitPatchError(Exception):
    """A patch whose directives make no sense."""


def strategic_merge(node: Node, original: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Return ``original`` with ``patch`` applied. Neither is changed; the result shares parts with both.

    Raises UnfitPatchError.
    """
    match patch.get(_PATCH):
        case None:
            pass
        case "replace":
            return {name: value for name, value in patch.items() if name != _PATCH}
        case "delete":
            return {}
        case other:
            raise UnfitPatchError(f"unknown patch type {other!r}")
    merged = _retained(original, patch)
    _take_out(merged, patch)
    for name, value in patch.items():
        if name.startswith("$"):
            continue
        if value is None or (isinstance(value, dict) and _PATCH in value and not isinstance(merged.get(name), dict)):
            merged.pop(name, None)  # a directive about what is not there leaves nothing
        else:
            merged[name] = _merge_value(node.field(name), merged.get(name), value)
    for name, order in patch.items():
        if name.startswith(_ORDER):
            _order(node, merged, name.removeprefix(_ORDER), order, original, patch)
    return merged


def _retained(original: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of ``original`` with the keys that the patch retains, all of them without the directive."""
    if _RETAIN_KEYS not in patch:
        return dict(original)
    keys = patch[_RETAIN_KEYS]
    if not isinstance(keys, list):
        raise UnfitPatchError("invalid patch format of retainKeys")
    if any(value is not None and name not in keys for name, value in patch.items() if not name.startswith("$")):
        raise UnfitPatchError("invalid patch format of retainKeys: a patched field is not among them")
    return {name: value for name, value in original.items() if name in keys}


def _take_out(merged: dict[str, Any], patch: dict[str, Any]) -> None:
    """Take from the lists in ``merged`` the values that directives name."""
    for directive, values in patch.items():
        if not directive.startswith(_DELETE_FROM):
            continue
        if not isinstance(values, list):
            raise UnfitPatchError("invalid patch format of primitive list")
        name = directive.removeprefix(_DELETE_FROM)
        if isinstance(items := merged.get(name), list):
            gone = {_named(value, "") for value in values}
            merged[name] = [item for item in items if _named(item, "") not in gone]


def _merge_value(node: Node, original: Any, patch: Any) -> Any:
    if isinstance(patch, dict):
        if not isinstance(original, dict):
            return strategic_merge(node, {}, patch)
        return patch if "replace" in node.patch_strategies else strategic_merge(node, original, patch)
    if isinstance(patch, list):
        if "merge" in node.patch_strategies:
            return _merge_list(node, original if isinstance(original, list) else [], patch)
        return [strategic_merge(UNTYPED, {}, item) if isinstance(item, dict) else item for item in patch]
    return patch


def _merge_list(node: Node, original: list[Any], patch: list[Any]) -> list[Any]:
    key = node.patch_merge_key
    kept, wanted = _directed(original, patch, key) if key else (original, patch)
    merged = {_named(item, key): item for item in kept}
    item_node = node.items or UNTYPED
    for item in wanted:
        name = _named(item, key)
        if key:
            merged[name] = strategic_merge(item_node, merged.get(name, {}), item)
        else:
            merged.setdefault(name, item)
    return _ordered(merged, [_named(item, key) for item in wanted], original, key)


def _directed(original: list[Any], patch: list[Any], key: str) -> tuple[list[Any], list[Any]]:
    """Return what the directives in ``patch`` leave of ``original``, and the patch without them."""
    gone, wanted = set[bytes](), list[Any]()
    kept = original
    for item in patch:
        if not isinstance(item, dict):
            raise UnfitPatchError("a list that is merged by key has an item that is no object")
        match item.get(_PATCH):
            case "replace":
                kept = []
            case _ if key not in item:
                raise UnfitPatchError(f"map: {item} does not contain declared merge key: {key}")
            case "delete":
                gone.add(_named(item, key))
            case None:
                wanted.append(item)
            case other:
                raise UnfitPatchError(f"unknown patch type {other!r}")
    return [item for item in kept if _named(item, key) not in gone], wanted


def _order(
    node: Node, merged: dict[str, Any], name: str, order: Any, original: dict[str, Any], patch: dict[str, Any]
) -> None:
    """Put the list ``name`` in the order that a directive gives."""
    listed = node.field(name)
    key = listed.patch_merge_key
    if not isinstance(order, list) or (key and not all(isinstance(each, dict) and key in each for each in order)):
        raise UnfitPatchError("invalid patch format of setElementOrder list")
    items = merged.get(name)
    if not isinstance(items, list) or "merge" not in listed.patch_strategies:
        return
    wanted = [_named(each, key) for each in order]
    patched = [_named(each, key) for each in patch.get(name) or () if not (key and _PATCH in each)]
    asked = set(patched)
    if [each for each in wanted if each in asked] != patched:
        raise UnfitPatchError(f"the order of the patch list {name} does not match that of {_ORDER}{name}")
    merged[name] = _ordered({_named(each, key): each for each in items}, wanted, original.get(name) or [], key)


def _named(item: Any, key: str) -> bytes:
    """Return what tells an item of a merged list apart."""
    return orjson.dumps(item.get(key) if key and isinstance(item, dict) else item, option=orjson.OPT_SORT_KEYS)


def _ordered(items: dict[bytes, Any], order: list[bytes], before: list[Any], key: str) -> list[Any]:
    """Return ``items`` with those of ``order`` in its order, and the others in theirs in between.

    Of the next ordered and the next other one, the other goes first only if it stood before that in ``before``.
    """
    stood = {_named(each, key): i for i, each in enumerate(before)}
    ranked = list(dict.fromkeys(name for name in order if name in items))
    chosen = set(ranked)
    result: list[Any] = []
    left = 0
    for name in (name for name in items if name not in chosen):
        while left < len(ranked) and not stood.get(name, len(before)) < stood.get(ranked[left], -1):
            result.append(items[ranked[left]])
            left += 1
        result.append(items[name])
    return [*result, *(items[name] for name in ranked[left:])]
