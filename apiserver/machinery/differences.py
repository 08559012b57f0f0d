"""Differences between two states of an object, and putting them back into a third.

A difference is addressed by a path of steps: a string is the key of a mapping, ``{"name": n}`` the item called ``n``
of a list whose items have names (found wherever it moved; ``at`` is where to put it when it is missing), and ``[i, n]``
item ``i`` of a list of ``n`` nameless items (meaningless once the list has another length).
"""

from collections.abc import Iterator
from typing import Any

from apiserver.machinery.cloning import clone

Difference = dict[str, Any]
"""``path``; ``value``, what should be there (absent: nothing); ``was``, what is there instead (absent: nothing)."""


class _Missing:
    """Nothing at all, as opposed to null."""


_MISSING = _Missing()


def differences(wanted: Any, found: Any, path: tuple[Any, ...] = ()) -> Iterator[Difference]:
    """Yield what must change in ``found`` to make it ``wanted``."""
    if wanted is found:  # as most parts are that a conversion hands on
        return
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key in sorted(wanted.keys() | found.keys()):
            yield from differences(wanted.get(key, _MISSING), found.get(key, _MISSING), (*path, key))
    elif isinstance(wanted, list) and isinstance(found, list):
        yield from _list_differences(wanted, found, path)
    elif type(wanted) is not type(found) or wanted != found:
        yield _difference(wanted, found, path)


def put_back(obj: dict[str, Any], carried: list[Difference]) -> None:
    """Apply ``carried`` to ``obj`` in place, each only where ``obj`` still has what the difference ``was``."""
    for each in carried:
        *ahead, last = each["path"]
        parent: Any = obj
        for step in ahead:
            parent = _get(parent, step)
        if isinstance(parent, dict | list) and _same(_get(parent, last), each.get("was", _MISSING)):
            _set(parent, last, each.get("value", _MISSING))


def well_formed(carried: Any) -> bool:
    """Return True when ``carried``, which a user may have written, is a list of differences."""
    return isinstance(carried, list) and all(
        isinstance(each, dict)
        and isinstance(each.get("path"), list)
        and bool(each["path"])
        and all(_is_step(step) for step in each["path"])
        for each in carried
    )


def _is_step(step: Any) -> bool:
    match step:
        case {"name": str(), "at": at}:
            return isinstance(at, int)
        case str() | {"name": str()} | [int(), int()]:
            return True
        case _:
            return False


def _difference(wanted: Any, found: Any, path: tuple[Any, ...]) -> Difference:
    difference: Difference = {"path": list(path)}
    if wanted is not _MISSING:
        difference["value"] = wanted
    if found is not _MISSING:
        difference["was"] = found
    return difference


def _list_differences(wanted: list[Any], found: list[Any], path: tuple[Any, ...]) -> Iterator[Difference]:
    wanted_names, found_names = _names(wanted), _names(found)
    if wanted_names is None or found_names is None:
        if len(wanted) == len(found):
            for i, (want, have) in enumerate(zip(wanted, found, strict=True)):
                yield from differences(want, have, (*path, [i, len(wanted)]))
        else:
            yield _difference(wanted, found, path)
        return
    common = [name for name in wanted_names if name in found_names]
    if common != [name for name in found_names if name in wanted_names]:
        yield _difference(wanted, found, path)
        return
    # Removals, then insertions from the front: each finds its place when applied in this order.
    for name in found_names:
        if name not in wanted_names:
            yield _difference(_MISSING, found_names[name], (*path, {"name": name}))
    for at, name in enumerate(wanted_names):
        if name not in found_names:
            yield _difference(wanted_names[name], _MISSING, (*path, {"name": name, "at": at}))
    for name in common:
        yield from differences(wanted_names[name], found_names[name], (*path, {"name": name}))


def _names(items: list[Any]) -> dict[str, Any] | None:
    """Return the items by name, or None when they cannot be told apart by it."""
    named: dict[str, Any] = {}
    for item in items:
        if not isinstance(item, dict) or not isinstance(name := item.get("name"), str) or name in named:
            return None
        named[name] = item
    return named


def _get(parent: Any, step: Any) -> Any:
    if isinstance(parent, dict) and isinstance(step, str):
        return parent.get(step, _MISSING)
    if isinstance(parent, list) and not isinstance(step, str):
        index = _index(parent, step)
        return _MISSING if index is None else parent[index]
    return _MISSING


def _index(items: list[Any], step: Any) -> int | None:
    match step:
        case {"name": name}:
            return next(
                (i for i, each in enumerate(items) if isinstance(each, dict) and each.get("name") == name), None
            )
        case [index, count] if count == len(items) and 0 <= index < count:
            return index
        case _:
            return None


def _set(parent: Any, step: Any, value: Any) -> None:
    if isinstance(parent, dict) and isinstance(step, str):
        if value is _MISSING:
            parent.pop(step, None)
        else:
            parent[step] = clone(value)
    elif isinstance(parent, list) and not isinstance(step, str):
        _set_item(parent, step, value)


def _set_item(items: list[Any], step: Any, value: Any) -> None:
    index = _index(items, step)
    if index is not None and value is _MISSING:
        del items[index]
    elif index is not None:
        items[index] = clone(value)
    elif value is not _MISSING and isinstance(step, dict):
        items.insert(step.get("at", len(items)), clone(value))


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one == other
