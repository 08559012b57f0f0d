"""Tables: what ``kubectl get`` prints. The same maker serves lists and watch events.

Source: ``k8s.io/apiextensions-apiserver/pkg/registry/customresource/tableconvertor``.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import orjson

from apiserver.machinery.jsonpath import Accessor, compile_path
from apiserver.machinery.resource import Column

IncludeObject = Literal["Metadata", "Object", "None"]
"""What a row holds of its object: its metadata alone, all of it, or nothing."""
MetaVersion = Literal["v1", "v1beta1"]
"""The versions of ``meta.k8s.io``, which differ in name only."""

_AGE = Column(
    name="Age",
    json_path=".metadata.creationTimestamp",
    type="date",
    description="The time since the object was created.",
)
_NAME = {
    "name": "Name",
    "type": "string",
    "format": "name",
    "description": "The name of the object, unique within its namespace.",
    "priority": 0,
}

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_YEAR = 365 * _DAY


class TableMaker:
    """Makes ``meta.k8s.io/v1`` Tables of objects of one version of one kind."""

    def __init__(self, columns: Sequence[Column] = ()) -> None:
        """Compile ``columns``; a Name column goes before them, and without any there is Age."""
        shown = tuple(columns) or (_AGE,)
        self._definitions = [_NAME, *(_definition(each) for each in shown)]
        self._cells: list[tuple[str, Accessor]] = [
            (each.type, each.value or compile_path(each.json_path)) for each in shown
        ]

    def table(
        self,
        objects: Iterable[dict[str, Any]],
        *,
        include: IncludeObject = "Metadata",
        metadata: dict[str, Any] | None = None,
        headers: bool = True,
        version: MetaVersion = "v1",
        now: datetime | None = None,
    ) -> dict[str, Any]:
        """Return the Table of ``objects``.

        ``metadata`` is that of the list. Watches send ``headers`` in their first event only.
        """
        at = now or datetime.now(UTC)
        return {
            "kind": "Table",
            "apiVersion": f"meta.k8s.io/{version}",
            "metadata": metadata or {},
            "columnDefinitions": self._definitions if headers else [],
            "rows": [self.row(obj, include=include, version=version, now=at) for obj in objects],
        }

    def row(
        self, obj: dict[str, Any], *, include: IncludeObject, version: MetaVersion = "v1", now: datetime
    ) -> dict[str, Any]:
        """Return the row of one object; a bookmark has no name."""
        cells = [obj["metadata"].get("name", ""), *(_cell(kind, access(obj), now) for kind, access in self._cells)]
        match include:
            case "None":
                return {"cells": cells}
            case "Object":
                return {"cells": cells, "object": obj}
            case "Metadata":
                return {"cells": cells, "object": partial_metadata(obj, version)}


def partial_metadata(obj: dict[str, Any], version: MetaVersion = "v1") -> dict[str, Any]:
    """Return the ``PartialObjectMetadata`` of an object."""
    return {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{version}", "metadata": obj["metadata"]}


def human_duration(seconds: float) -> str:
    """Return a duration in two units at most: ``5m3s``, ``4h10m``, ``2d``.

    Source: ``k8s.io/apimachinery/pkg/util/duration``.
    """
    if seconds < -1:
        return "<invalid>"
    whole = max(int(seconds), 0)
    for limit, unit, letter, part, part_letter in (
        (2 * _MINUTE, 1, "s", 0, ""),
        (10 * _MINUTE, _MINUTE, "m", 1, "s"),
        (3 * _HOUR, _MINUTE, "m", 0, ""),
        (8 * _HOUR, _HOUR, "h", _MINUTE, "m"),
        (2 * _DAY, _HOUR, "h", 0, ""),
        (8 * _DAY, _DAY, "d", _HOUR, "h"),
        (2 * _YEAR, _DAY, "d", 0, ""),
        (8 * _YEAR, _YEAR, "y", _DAY, "d"),
    ):
        if whole < limit:
            rest = whole % unit // part if part else 0
            return f"{whole // unit}{letter}" + (f"{rest}{part_letter}" if rest else "")
    return f"{whole // _YEAR}y"


def _definition(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    }


def _cell(kind: str, value: Any, now: datetime) -> Any:
    if value is None:
        return None
    if kind == "date":
        return _age(value, now)
    if kind != "string" or isinstance(value, str):
        return value
    return orjson.dumps(value).decode()


def _age(value: Any, now: datetime) -> str:
    try:
        born = datetime.fromisoformat(str(value))
    except ValueError:
        return "<unknown>"
    if born.tzinfo is None:
        born = born.replace(tzinfo=UTC)
    return human_duration((now - born).total_seconds())
