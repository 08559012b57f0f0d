r"""JSON paths of printer columns: ``.a.b[0].c``, ``.conditions[?(@.type=='Ready')].status``, ``.labels.a\.b``.

Source: the subset of ``k8s.io/client-go/util/jsonpath`` that ``additionalPrinterColumns`` may use.
"""

import re
from collections.abc import Callable
from typing import Any

Accessor = Callable[[Any], Any]
"""Takes an object and returns the first value at a path, or None where there is none."""

_STEP = re.compile(
    r"""\.(?P<key>(?:[^.\[\]\\]|\\.)+)
      | \[(?P<index>-?\d+)\]
      | \['(?P<quoted>[^']*)'\]
      | \[\?\(\s*@\.(?P<field>(?:[^=!<>\s\\]|\\.)+)\s*(?P<operator>==|!=)
            \s*(?P<quote>['"])(?P<value>.*?)(?P=quote)\s*\)\]
    """,
    re.VERBOSE,
)


def compile_path(path: str) -> Accessor:
    """Compile ``path``. Raises ValueError when it is not of the subset."""
    steps: list[Accessor] = []
    at = 0
    text = path.removeprefix("{").removesuffix("}")
    while at < len(text):
        if not (found := _STEP.match(text, at)):
            raise ValueError(f"{path} is not understood from {text[at:]!r} on")
        steps.append(_step(found))
        at = found.end()

    def access(value: Any) -> Any:
        for step in steps:
            if value is None:
                return None
            value = step(value)
        return value

    return access


def _step(found: re.Match[str]) -> Accessor:
    if found["index"] is not None:
        return _item(int(found["index"]))
    if found["field"] is not None:
        return _first_with(compile_path("." + found["field"]), found["value"], equal=found["operator"] == "==")
    key = found["quoted"] if found["quoted"] is not None else re.sub(r"\\(.)", r"\1", found["key"])
    return lambda value: value.get(key) if isinstance(value, dict) else None


def _item(index: int) -> Accessor:
    def access(value: Any) -> Any:
        fits = isinstance(value, list) and -len(value) <= index < len(value)
        return value[index] if fits else None

    return access


def _first_with(field: Accessor, wanted: str, *, equal: bool) -> Accessor:
    def access(value: Any) -> Any:
        items = value if isinstance(value, list) else []
        return next((each for each in items if (field(each) == wanted) is equal), None)

    return access
