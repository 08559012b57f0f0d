"""JSON values as YAML text: block style and sorted keys, as Kubernetes writes it; faster than PyYAML."""

import re
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
    if not isinstance(value, dict | list) or not value:
        return _scalar(value) + "\n"
    lines: list[str] = []
    _write(lines, value, "", "")
    return "\n".join([*lines, ""])


def _write(lines: list[str], value: dict[str, Any] | list[Any], indent: str, begun: str) -> None:
    """Append the lines of a collection that is not empty: the first behind ``begun``, the rest behind ``indent``."""
    if isinstance(value, list):
        for each in value:
            if isinstance(each, dict | list) and each:
                _write(lines, each, f"{indent}  ", f"{begun}- ")
            else:
                _write_leaf(lines, f"{begun}-", each, f"{indent}  ")
            begun = indent
        return
    for key in sorted(value):
        name = _text(key)
        if len(name) > _MAX_KEY:
            lines.append(f"{begun}? {name}")
            begun, name = indent, ""
        each = value[key]
        if isinstance(each, dict | list) and each:
            lines.append(f"{begun}{name}:")
            # A list in a mapping needs no indent of its own: its dashes are one.
            inner = indent if isinstance(each, list) else f"{indent}  "
            _write(lines, each, inner, inner)
        else:
            _write_leaf(lines, f"{begun}{name}:", each, f"{indent}  ")
        begun = indent


def _write_leaf(lines: list[str], head: str, value: Any, indent: str) -> None:
    if not isinstance(value, str) or "\n" not in value or value[0] in " \t\n" or _NO_BLOCK.search(value):
        lines.append(f"{head} {_scalar(value)}")
        return
    block = value.split("\n")
    style = "|-"
    if not block[-1]:
        block.pop()
        style = "|" if block[-1] else "|+"
    lines.append(f"{head} {style}")
    lines.extend(f"{indent}{line}" if line else "" for line in block)


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    match value:
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
