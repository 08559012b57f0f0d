"""YAML as Kubernetes reads it: into what JSON can say, with bounds on what a small text can expand to.

Kubernetes turns YAML into JSON first (``sigs.k8s.io/yaml`` on go-yaml v2), so that is what decides here: YAML 1.1's
booleans, no timestamps, no base 60, keys that are numbers or booleans become strings, an alias is a copy, and only the
first document counts.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from apiserver.machinery.cloning import clone

_MAX_DEPTH = 200
"""Levels of nesting; deeper objects could not be stored."""
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_INTEGER = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+|[0-9]+)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_BASES = {"x": 16, "b": 2, "o": 8}
_TEXT_TAGS = ("tag:yaml.org,2002:str", "!")
_MERGE = "<<"


class RefusedError(Exception):
    """Text that is no YAML, or says what JSON cannot; the message says where and why."""


@dataclass(slots=True)
class _Open:
    """A collection whose end has not been seen."""

    value: Any
    anchor: str | None
    began_at: int
    """What the whole document weighed before it."""
    key: str | None = None
    """The key of a mapping that waits for its value."""
    key_line: int = 0
    merges: bool = False
    """True when the next value is to be merged into the mapping."""
    merged: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


def read_document(text: bytes, max_weight: int) -> tuple[Any, list[tuple[int, str]]]:
    """Return the value of the first document, and line and name of each key that is not the first of its name.

    ``max_weight`` bounds the document with its aliases expanded: a scalar weighs its characters, and every node one
    more, which is never more than its text. Raises RefusedError.
    """
    reader = _Reader(max_weight)
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.DocumentEndEvent):
                break
            reader.take(event)
    except yaml.YAMLError as broken:
        raise RefusedError(" ".join(str(broken).split())) from broken
    return reader.result, reader.repeated


class _Reader:
    """Builds a value from the parser's events, without recursion."""

    def __init__(self, max_weight: int) -> None:
        self.result: Any = None
        self.repeated: list[tuple[int, str]] = []
        self._max_weight = max_weight
        self._weight = 0
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        """What each anchor names, and its weight."""

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._grow(len(event.value) + 1, event)
            value = _scalar(event)
            if event.anchor is not None:
                self._anchors[event.anchor] = (value, len(event.value) + 1)
            self._put(value, event)
        elif isinstance(event, yaml.AliasEvent):
            self._put(self._alias(event), event)
        elif isinstance(event, yaml.CollectionStartEvent):
            if len(self._open) >= _MAX_DEPTH:
                raise RefusedError(f"it is nested too deeply at {_place(event)}")
            value = {} if isinstance(event, yaml.MappingStartEvent) else []
            self._open.append(_Open(value, event.anchor, self._weight))
            self._grow(1, event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._close(event)

    def _grow(self, weight: int, event: yaml.Event) -> None:
        self._weight += weight
        if self._weight > self._max_weight:
            raise RefusedError(f"its aliases expand to more than {self._max_weight} bytes at {_place(event)}")

    def _alias(self, event: yaml.AliasEvent) -> Any:
        # An anchor is known once its node has ended: a node that contains itself has no JSON.
        if event.anchor not in self._anchors:
            raise RefusedError(f"the alias {event.anchor!r} at {_place(event)} names nothing before it")
        value, weight = self._anchors[event.anchor]
        self._grow(weight, event)
        return clone(value) if isinstance(value, dict | list) else value

    def _close(self, event: yaml.Event) -> None:
        done = self._open.pop()
        for each in done.merged:
            for key, value in each.items():
                done.value.setdefault(key, value)
        if done.anchor is not None:
            self._anchors[done.anchor] = (done.value, self._weight - done.began_at)
        self._put(done.value, event)

    def _put(self, value: Any, event: yaml.Event) -> None:
        if not self._open:
            self.result = value
            return
        parent = self._open[-1]
        if isinstance(parent.value, list):
            parent.value.append(value)
        elif parent.merges:
            self._merge(parent, value, event)
        elif parent.key is not None:
            self._set(parent, parent.key, value)
        elif value == _MERGE and isinstance(event, yaml.ScalarEvent) and event.implicit[0]:
            parent.merges = True
        else:
            parent.key, parent.key_line = _key(value, event), event.start_mark.line + 1

    def _set(self, parent: _Open, key: str, value: Any) -> None:
        if key in parent.value:
            self.repeated.append((parent.key_line, key))
        parent.value[key] = value
        parent.key = None

    def _merge(self, parent: _Open, value: Any, event: yaml.Event) -> None:
        mappings = value if isinstance(value, list) else [value]
        if not all(isinstance(each, dict) for each in mappings):
            raise RefusedError(f"what is merged at {_place(event)} is not a mapping")
        parent.merged.extend(mappings)
        parent.merges = False


def _scalar(event: yaml.ScalarEvent) -> Any:
    text: str = event.value
    if not event.implicit[0] and (event.tag in _TEXT_TAGS or event.tag is None or event.style is not None):
        return text
    if text in _WORDS:
        return _WORDS[text]
    if not text[0].isascii() or not (text[0].isdigit() or text[0] in "+-."):
        return text
    if _NOT_FINITE.fullmatch(text):
        raise RefusedError(f"{text} at {_place(event)} is not a number that JSON has")
    return _number(text, event)


def _number(text: str, event: yaml.Event) -> Any:
    digits = text.replace("_", "")
    try:
        if _INTEGER.fullmatch(digits):
            whole = _integer(digits)
            if -(2**63) <= whole < 2**64:
                return whole
        if _FLOAT.fullmatch(digits):
            real = float(digits)
            if real in (float("inf"), float("-inf")):
                raise RefusedError(f"the number at {_place(event)} is too large")
            return real
    except ValueError:  # an octal with an 8 in it, or more digits than anybody needs: text
        return text
    return text


def _integer(digits: str) -> int:
    unsigned = digits.lstrip("+-").lower()
    if len(unsigned) > 1 and unsigned[0] == "0":
        base = _BASES.get(unsigned[1])
        magnitude = int(unsigned[2:], base) if base else int(unsigned, 8)
    else:
        magnitude = int(unsigned)
    return -magnitude if digits[0] == "-" else magnitude


def _key(value: Any, event: yaml.Event) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case _:
            raise RefusedError(f"the key at {_place(event)} is neither text nor a number nor a boolean")


def _place(event: yaml.Event) -> str:
    mark = event.start_mark
    return f"line {mark.line + 1}, column {mark.column + 1}"
