"""Reading and filling fields of nested objects by their dotted paths."""

from copy import deepcopy
from typing import Any

from kube.objects import Object


def field(obj: Object, path: str) -> Any:
    """Return what is at ``path``, such as ``domain.cpu.model``, or None."""
    found: Any = obj
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def put(obj: Object, path: str, value: Any) -> None:
    """Set ``path`` to a copy of ``value``, making the objects on the way."""
    *ahead, last = path.split(".")
    for name in ahead:
        obj = obj.setdefault(name, {})
    obj[last] = deepcopy(value)


def is_open(obj: Object, path: str) -> bool:
    """Return True when nobody has said anything at ``path``: what Go calls the zero value of a field."""
    return field(obj, path) in (None, "", 0, [])


def fill(obj: Object, path: str, value: Any) -> None:
    """Set ``path`` unless something is said there, or nothing is said in ``value``."""
    if value not in (None, "") and is_open(obj, path):
        put(obj, path, value)
