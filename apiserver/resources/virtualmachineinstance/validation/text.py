"""Text that becomes part of libvirt's XML."""

import re
from collections.abc import Iterator
from typing import Any

import orjson

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object
from apiserver.machinery.structural import join

_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
"""What XML 1.0 cannot contain, and the delete character."""
_SUSPICIOUS = re.compile(rb"\\[bfu]|\x7f|\xef\xbf[\xbe\xbf]")
"""How any of these looks in JSON. Nearly no object has it: to look there first is many times faster than to walk."""


def printable(spec: Object, path: str) -> Iterator[FieldError]:
    """No text about the hardware has characters that XML cannot contain."""
    if _may_hold_any(spec["domain"]):
        yield from _texts(spec["domain"], f"{path}.domain")


def _may_hold_any(value: Any) -> bool:
    try:
        return _SUSPICIOUS.search(orjson.dumps(value)) is not None
    except orjson.JSONEncodeError:
        return True  # that it cannot be stored either is told by who stores it


def _texts(value: Any, path: str) -> Iterator[FieldError]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _texts(each, join(path, key))
    elif isinstance(value, list):
        for i, each in enumerate(value):
            yield from _texts(each, f"{path}[{i}]")
    elif isinstance(value, str) and _UNPRINTABLE.search(value):
        yield FieldError("FieldValueInvalid", path, "Invalid value: contains control characters; remove them")


RULES = (printable,)
