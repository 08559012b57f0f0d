"""JSON and YAML from clients: decoded, with the fields that appear twice, and refused with a reason.

Source: ``k8s.io/apimachinery/pkg/runtime/serializer/json`` (strict decoding), ``sigs.k8s.io/json``; KEP-2885.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson

from apiserver.machinery import errors
from apiserver.machinery.structural import join
from apiserver.machinery.yamldocument import RefusedError, read_document

MAX_BODY_BYTES = 3 * 1024 * 1024
"""Kubernetes' limit on request bodies (``k8s.io/apiserver`` MaxRequestBodyBytes), and on what YAML expands to."""
_MAX_REPEATED = 100
"""How many repeated fields are told (``sigs.k8s.io/json`` stops there too)."""
_ESCAPED_COLON = b"\\u003"
"""How a colon in a string can be hidden (in part: Go escapes angle brackets with it too)."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a body says."""

    value: Any
    """Its keys are in the order in which the body names them last."""
    repeated: list[str] = field(default_factory=list[str])
    """A text for every field that appears twice (the last one counts), as strict decoding words it."""


def from_json(body: bytes, *, strict: bool = True) -> Decoded:
    """Decode JSON; without ``strict`` nobody asks for repeated fields. Raises 400, also beyond 254 levels.

    So whatever this returns can be copied, compared and stored.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as broken:
        raise errors.bad_request(f"the object provided is not valid JSON: {broken}") from broken
    try:
        again = orjson.dumps(value)
    except orjson.JSONEncodeError as too_deep:  # reading allows more levels than writing
        raise errors.nested_too_deeply() from too_deep
    if not strict or not _may_repeat(body, again):
        return Decoded(value)
    return Decoded(value, [f'duplicate field "{path}"' for path in _repeated_paths(body, value)])


def from_yaml(body: bytes) -> Decoded:
    """Decode YAML, of which JSON is a part, as Kubernetes reads it: the first document. Raises 400.

    This takes about 2 s for the longest body: let a thread do it.
    """
    if body.lstrip()[:1] == b"{":
        # It may still be a flow mapping that is not JSON.
        with suppress(errors.StatusError):
            return from_json(body)
    try:
        value, repeated = read_document(body, MAX_BODY_BYTES)
    except RefusedError as refused:
        raise errors.bad_request(f"the object provided is not valid YAML: {refused}") from refused
    return Decoded(value, [f'line {line}: key "{key}" already set in map' for line, key in repeated[:_MAX_REPEATED]])


def _may_repeat(body: bytes, again: bytes) -> bool:
    """Return False when no object in ``body`` can have a key twice.

    ``body`` and its value encoded ``again`` hold a colon for every key and those in their strings. So unless a string
    of ``body`` hides one, equal counts mean that no key was dropped. This costs a fifth of looking at every key.
    """
    return body.count(b":") != again.count(b":") or _ESCAPED_COLON in body


def paths(root: Any) -> Iterator[str]:
    """Yield the path of everything below ``root``, in its order."""
    ahead = [("", root)]
    while ahead:
        path, value = ahead.pop()
        if path:
            yield path
        if isinstance(value, dict):
            ahead.extend((join(path, key), each) for key, each in reversed(value.items()))
        elif isinstance(value, list):
            ahead.extend((f"{path}[{i}]", each) for i, each in reversed(list(enumerate(value))))


@dataclass(frozen=True, slots=True)
class _Repeating:
    """An object that names some keys more than once."""

    value: dict[str, Any]
    """It is kept here so that no other object gets its identity, even when it is the value of such a key itself."""
    twice: list[str]
    order: list[str]
    """All its keys, by where each is named last."""


def _repeated_paths(body: bytes, value: Any) -> list[str]:
    """Return the paths of the keys that ``body``, known to be JSON, has twice in one object.

    The keys of its ``value`` are put in order, in place.
    """
    repeating: dict[int, _Repeating] = {}

    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        built = dict(pairs)
        if len(built) != len(pairs):
            seen: set[str] = set()
            twice = list(dict.fromkeys(key for key, _ in pairs if key in seen or seen.add(key)))
            order = list(dict.fromkeys(key for key, _ in reversed(pairs)))[::-1]
            repeating[id(built)] = _Repeating(built, twice, order)
        return built

    root = json.loads(body, object_pairs_hook=build)
    if not repeating:
        return []
    found: list[str] = []
    unordered: list[tuple[dict[str, Any], list[str]]] = []
    for (path, each), (_, shown) in zip(_objects(root), _objects(value), strict=True):
        if known := repeating.get(id(each)):
            found.extend(join(path, key) for key in known.twice)
            unordered.append((shown, known.order))
        if len(found) >= _MAX_REPEATED:
            break
    for shown, keys in unordered:
        ordered = {key: shown[key] for key in keys}
        shown.clear()
        shown.update(ordered)
    return found[:_MAX_REPEATED]


def _objects(root: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every object below ``root`` with its path, parents first."""
    ahead = [("", root)]
    while ahead:
        path, value = ahead.pop()
        if isinstance(value, dict):
            yield path, value
            ahead.extend((join(path, key), each) for key, each in reversed(value.items()))
        elif isinstance(value, list):
            ahead.extend((f"{path}[{i}]", each) for i, each in reversed(list(enumerate(value))))
