"""JSON values as YAML text: block style and sorted keys, as Kubernetes writes it; much faster than PyYAML."""

import re
from collections.abc import Iterator
from typing import Any

_PLAIN = re.compile(r"[A-Za-z_/](?:[A-Za-z0-9_./@+=-]|:(?=[^\s])|(?<=\S) (?=[A-Za-z0-9_./(]))*")
"""Text that no reader takes for anything else, unless it is one of the words below."""
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_ESCAPED = re.compile('[\\\\"\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]')
_NO_BLOCK = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""What cannot stand as it is in a literal block."""
_NAMED = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_MAX_KEY = 1000
"""Longer keys need a question mark (YAML's limit is 1024)."""


def to_yaml(value: Any) -> str:
    """Return a JSON value as one YAML document."""
    if isinstance(value, dict | list) and value:
        return "\n".join(_lines(value, "")) + "\n"
    return _scalar(value) + "\n"


def _lines(value: dict[str, Any] | list[Any], indent: str) -> Iterator[str]:
    """Yield the lines of a collection that is not empty."""
    if isinstance(value, list):
        for each in value:
            yield from _entry(f"{indent}-", each, f"{indent}  ", inline=True)
        return
    for key in sorted(value):
        name = _text(key)
        if len(name) > _MAX_KEY:
            yield f"{indent}? {name}"
            name = ""
        # A list in a mapping needs no indent of its own: its dashes are one.
        each = value[key]
        yield from _entry(f"{indent}{name}:", each, indent if isinstance(each, list) else f"{indent}  ", inline=False)


def _entry(head: str, value: Any, indent: str, *, inline: bool) -> Iterator[str]:
    """Yield the lines of a value behind ``head``; ``inline`` lets a collection start on that line."""
    if isinstance(value, str) and "\n" in value and value[0] not in " \t\n" and not _NO_BLOCK.search(value):
        yield from _block(head, value, indent)
    elif not isinstance(value, dict | list) or not value:
        yield f"{head} {_scalar(value)}"
    elif inline:
        lines = _lines(value, indent)
        yield f"{head} {next(lines)[len(indent) :]}"
        yield from lines
    else:
        yield head
        yield from _lines(value, indent)


def _block(head: str, text: str, indent: str) -> Iterator[str]:
    lines = text.split("\n")
    if lines[-1]:
        yield f"{head} |-"
    else:
        lines.pop()
        yield f"{head} |" if lines[-1] else f"{head} |+"
    for line in lines:
        yield f"{indent}{line}" if line else ""


def _scalar(value: Any) -> str:
    match value:
        case str():
            return _text(value)
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case float():
            mantissa, e, exponent = repr(value).partition("e")
            return f"{mantissa}{'.0' if e and '.' not in mantissa else ''}{e}{exponent}"
        case dict():
            return "{}"
        case list():
            return "[]"
        case _:
            return str(value)


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return f'"{_ESCAPED.sub(_escape, text)}"'


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    return _NAMED.get(character) or f"\\u{ord(character):04x}"
