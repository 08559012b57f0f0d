"""Label and field selectors, parsed once and then asked about many objects.

Source of the syntax: ``k8s.io/apimachinery/pkg/labels`` and ``…/pkg/fields``.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from apiserver.machinery.errors import StatusError, bad_request
from kube.names import key_problem, value_problem

Labels = Mapping[str, str]

_TOKEN = re.compile(r"\s*(?:(==|!=|[=!,()<>])|([^\s=!,()<>]+))")
_FIELD_PART = re.compile(r"((?:[^\\,]|\\.)*)(?:,|$)")
_FIELD_TERM = re.compile(r"([^=!\\]+)(==|!=|=)((?:[^\\=,]|\\[\\=,])*)")


@dataclass(frozen=True, slots=True)
class LabelRequirement:
    """One condition on labels; ``operator`` is ``In``, ``NotIn``, ``Exists``, ``DoesNotExist``, ``Gt`` or ``Lt``."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def holds(self, labels: Labels) -> bool:
        """Return True when ``labels`` meet the condition; NotIn also holds where the label is absent."""
        value = labels.get(self.key)
        match self.operator:
            case "In":
                return value in self.values
            case "NotIn":
                return value is None or value not in self.values
            case "Exists":
                return value is not None
            case "DoesNotExist":
                return value is None
            case _:
                return self._compares(value)

    def _compares(self, value: str | None) -> bool:
        if value is None or not re.fullmatch(r"[+-]?[0-9]+", value):
            return False
        bound = int(next(iter(self.values)))
        return int(value) > bound if self.operator == "Gt" else int(value) < bound


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """Conditions that must all hold; none hold for everything."""

    requirements: tuple[LabelRequirement, ...] = ()

    def matches(self, obj: dict[str, Any]) -> bool:
        """Return True when the labels of ``obj`` meet every condition."""
        return not self.requirements or self.matches_labels(obj["metadata"].get("labels") or {})

    def matches_labels(self, labels: Labels) -> bool:
        """Return True when ``labels`` meet every condition."""
        return all(each.holds(labels) for each in self.requirements)


@dataclass(frozen=True, slots=True)
class FieldRequirement:
    """The field at ``path`` equals ``value``, or does not. An absent field is the empty string."""

    path: str
    equal: bool
    value: str

    def holds(self, obj: dict[str, Any]) -> bool:
        """Return True when ``obj`` meets the condition."""
        found: Any = obj
        for part in self.path.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        return (_text(found) == self.value) is self.equal


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """Conditions that must all hold."""

    requirements: tuple[FieldRequirement, ...] = ()

    def matches(self, obj: dict[str, Any]) -> bool:
        """Return True when ``obj`` meets every condition."""
        return all(each.holds(obj) for each in self.requirements)

    def required(self, path: str) -> str | None:
        """Return the one value that ``path`` must have, such as that of ``metadata.name``, or None."""
        return next((each.value for each in self.requirements if each.equal and each.path == path), None)

    def renamed(self, names: Mapping[str, str]) -> "FieldSelector":
        """Return the same conditions on the paths that ``names`` gives for some."""
        if not names:
            return self
        return FieldSelector(tuple(replace(each, path=names.get(each.path, each.path)) for each in self.requirements))


def parse_label_selector(text: str) -> LabelSelector:
    """Parse ``a=b,c!=d,e in (f,g),h notin (i),j,!k``. Raises a 400 StatusError."""
    return LabelSelector(_LabelParser(text).requirements())


def label_selector(selector: dict[str, Any]) -> LabelSelector:
    """Compile a ``metav1.LabelSelector`` object. Raises a 400 StatusError."""
    requirements = [_requirement(k, "In", [v]) for k, v in sorted((selector.get("matchLabels") or {}).items())]
    for each in selector.get("matchExpressions") or ():
        if each.get("operator") not in ("In", "NotIn", "Exists", "DoesNotExist"):
            raise bad_request(f'"{each.get("operator")}" is not a valid label selector operator')
        requirements.append(_requirement(each.get("key", ""), each["operator"], each.get("values") or []))
    return LabelSelector(tuple(requirements))


def parse_field_selector(text: str, supported: tuple[str, ...] | None = ()) -> FieldSelector:
    r"""Parse ``path=value,other!=value``; a backslash escapes ``\``, ``,`` and ``=``.

    ``supported`` are the paths allowed beyond ``metadata.name`` and ``metadata.namespace``; None allows all. Raises a
    400 StatusError.
    """
    allowed = None if supported is None else {"metadata.name", "metadata.namespace", *supported}
    requirements: list[FieldRequirement] = []
    for part in (found[1] for found in _FIELD_PART.finditer(text)):
        if not part:
            continue
        if not (term := _FIELD_TERM.fullmatch(part)):
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        path, operator, value = term.groups()
        if allowed is not None and path not in allowed:
            raise bad_request(f'field label not supported: "{path}"')
        requirements.append(FieldRequirement(path, operator != "!=", re.sub(r"\\(.)", r"\1", value)))
    return FieldSelector(tuple(requirements))


def escape_field_value(value: str) -> str:
    """Return ``value`` as a field selector has it. Source: ``k8s.io/apimachinery/pkg/fields.EscapeValue``."""
    return re.sub(r"([\\,=])", r"\\\1", value)


class _LabelParser:
    """A hand over the tokens of one label selector."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[str] = []
        at = 0
        while text[at:].strip():
            if not (found := _TOKEN.match(text, at)):
                raise self._error(f"unexpected character at {at}")
            self._tokens.append(found[1] or found[2])
            at = found.end()
        self._at = 0

    def requirements(self) -> tuple[LabelRequirement, ...]:
        """Return all conditions; commas stand between them."""
        found: list[LabelRequirement] = []
        while self._peek():
            found.append(self._one())
            if self._peek() and self._next() != ",":
                raise self._error("expected ',' or the end")
            if not self._peek() and self._tokens[-1] == ",":
                raise self._error("found nothing after ','")
        return tuple(found)

    def _one(self) -> LabelRequirement:
        if self._peek() == "!":
            self._next()
            return _requirement(self._next(), "DoesNotExist", [])
        key = self._next()
        match self._peek():
            case "" | ",":
                return _requirement(key, "Exists", [])
            case "=" | "==":
                return _requirement(key, "In", [self._value_after_operator()])
            case "!=":
                return _requirement(key, "NotIn", [self._value_after_operator()])
            case ">" | "<" as operator:
                return _requirement(key, "Gt" if operator == ">" else "Lt", [self._value_after_operator()])
            case "in" | "notin" as operator:
                self._next()
                return _requirement(key, "In" if operator == "in" else "NotIn", self._values())
            case other:
                raise self._error(f"found '{other}', expected: in, notin, =, ==, !=, gt, lt")

    def _value_after_operator(self) -> str:
        self._next()
        return "" if self._peek() in ("", ",") else self._next()

    def _values(self) -> list[str]:
        if self._next() != "(":
            raise self._error("expected '('")
        values = [""]
        while (text := self._next()) != ")":
            if text == ",":
                values.append("")
            elif text and text[0] not in "(=!<>" and not values[-1]:
                values[-1] = text
            else:
                raise self._error(f"found '{text}', expected: ',' or ')'")
        return values

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        current = self._peek()
        self._at += 1
        return current

    def _error(self, detail: str) -> StatusError:
        return bad_request(f'unable to parse requirement in "{self._text}": {detail}')


def _requirement(key: str, operator: str, values: list[str]) -> LabelRequirement:
    if problem := key_problem(key):
        raise bad_request(f'invalid label key "{key}": {problem}')
    if operator in ("In", "NotIn") and not values:
        raise bad_request("for 'in', 'notin' operators, values set can't be empty")
    if operator in ("Exists", "DoesNotExist") and values:
        raise bad_request("values set must be empty for exists and does not exist")
    for value in values:
        if problem := value_problem(value):
            raise bad_request(f'invalid label value "{value}": {problem}')
        if operator in ("Gt", "Lt") and not re.fullmatch(r"[+-]?[0-9]+", value):
            raise bad_request("for 'Gt', 'Lt' operators, the value must be an integer")
    return LabelRequirement(key, operator, frozenset(values))


_TEXTS: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "",
    bool: lambda value: "true" if value else "false",
}


def _text(value: Any) -> str:
    return _TEXTS.get(type(value), str)(value)
