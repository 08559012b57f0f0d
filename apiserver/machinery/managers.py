"""Field managers: who has set which fields of an object, as ``metadata.managedFields`` keeps it.

Source: ``k8s.io/apimachinery/pkg/util/managedfields``.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from apiserver.machinery.errors import StatusError
from apiserver.machinery.fields import Fields, canonical, paths, text, union

APPLY = "Apply"
UPDATE = "Update"
MAX_UPDATERS = 10
"""How many managers that only update are told apart; the oldest beyond are merged."""
_BUCKET = "ancient-changes"
_UNKNOWN = "unknown"


class Identity(NamedTuple):
    """What tells managers apart."""

    name: str
    operation: str
    """APPLY or UPDATE."""
    api_version: str
    """Empty for appliers: one that applies in another version is still the same."""
    subresource: str


@dataclass(frozen=True, slots=True)
class Manager:
    """What one manager owns."""

    api_version: str
    """The version in which the fields are named."""
    fields: Fields
    time: str | None = None


Managers = dict[Identity, Manager]


class MalformedError(Exception):
    """A ``managedFields`` that means nothing."""


class ContestedError(Exception):
    """An applier wants other values than those that others own."""

    def __init__(self, contested: dict[Identity, Fields]) -> None:
        """``contested`` holds what each of the others would lose."""
        super().__init__(f"{len(contested)} managers own what is applied")
        self.contested = contested


def identity(name: str, operation: str, api_version: str, subresource: str) -> Identity:
    """Return the identity of whoever writes in ``api_version``."""
    return Identity(name or _UNKNOWN, operation, "" if operation == APPLY else api_version, subresource)


def decode(entries: list[dict[str, Any]]) -> Managers:
    """Return the managers of an object that this server has stored."""
    return {
        identity(
            entry.get("manager", ""), entry["operation"], entry["apiVersion"], entry.get("subresource", "")
        ): Manager(entry["apiVersion"], entry.get("fieldsV1") or {}, entry.get("time"))
        for entry in entries
    }


def decode_foreign(entries: Any) -> Managers:
    """Return the managers that a client has written into an object. Raises MalformedError."""
    try:
        managers = decode(entries)
        if any(key.operation not in (APPLY, UPDATE) for key in managers):
            raise MalformedError("operation must be `Apply` or `Update`")
        strings: list[Any] = [value for key, each in managers.items() for value in (*key, each.time or "")]
        if not all(isinstance(value, str) for value in strings):
            raise MalformedError("managers, versions, subresources and times are strings")
        if any(entry.get("fieldsType") != "FieldsV1" or not entry["apiVersion"] for entry in entries):
            raise MalformedError("fieldsType must be FieldsV1, and apiVersion not empty")
        return {key: replace(each, fields=canonical(each.fields)) for key, each in managers.items()}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as malformed:
        raise MalformedError(str(malformed)) from malformed


def is_reset(entries: Any) -> bool:
    """Return True when a client asks to forget all managers: with an empty list, or with one empty entry."""
    return entries in ([], [{}])


def encode(managers: Managers) -> list[dict[str, Any]]:
    """Return ``metadata.managedFields``, in Kubernetes' order: appliers first, then by time and name."""
    ordered = sorted(
        managers.items(),
        key=lambda item: (item[0].operation, item[1].time or "", item[0].name, item[1].api_version, item[0][3]),
    )
    return [dict(_entry(key, each)) for key, each in ordered]


def _entry(key: Identity, manager: Manager) -> Iterator[tuple[str, Any]]:
    yield "manager", key.name
    yield "operation", key.operation
    yield "apiVersion", manager.api_version
    if manager.time:
        yield "time", manager.time
    yield "fieldsType", "FieldsV1"
    yield "fieldsV1", manager.fields
    if key.subresource:
        yield "subresource", key.subresource


def same_but_times(some: list[dict[str, Any]], others: list[dict[str, Any]]) -> bool:
    """Return True when two ``managedFields`` differ in nothing but when."""
    if len(some) != len(others):
        return False
    return all({**one, "time": None} == {**other, "time": None} for one, other in zip(some, others, strict=True))


def capped(managers: Managers) -> Managers:
    """Return ``managers`` with the oldest updaters beyond MAX_UPDATERS merged, those of a version into one."""
    oldest = sorted(
        (key for key in managers if key.operation == UPDATE), key=lambda key: (managers[key].time or "", key)
    )
    excess = len(oldest) - MAX_UPDATERS
    kept = dict(managers)
    waiting: dict[str, Identity] = {}
    for key in oldest:
        if excess <= 0:
            break
        merged = kept[key]
        bucket = identity(_BUCKET, UPDATE, merged.api_version, "")
        first = waiting.setdefault(merged.api_version, key)
        if first == key:
            continue
        if bucket not in kept:
            kept[bucket] = kept.pop(first)
        if key != bucket:
            kept[bucket] = replace(merged, fields=union(merged.fields, kept[bucket].fields))
            del kept[key]
            excess -= 1
    return kept


def conflict(contested: dict[Identity, Fields]) -> StatusError:
    """409: an applier wants other values than those that others own. Names each field and its manager."""
    told = [(_shown(key), text(path)) for key, fields in sorted(contested.items()) for path in paths(fields)]
    if len(told) == 1:
        message = f"Apply failed with 1 conflict: conflict with {told[0][0]}: {told[0][1]}"
    else:
        lines: list[str] = []
        for manager in dict.fromkeys(manager for manager, _ in told):
            lines.append(f"conflicts with {manager}:")
            lines.extend(f"- {field}" for other, field in told if other == manager)
        message = f"Apply failed with {len(told)} conflicts: " + "\n".join(lines)
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {manager}", "field": field}
        for manager, field in told
    ]
    return StatusError(409, "Conflict", message, details={"causes": causes})


def _shown(key: Identity) -> str:
    shown = f'"{key.name}"'
    if key.subresource:
        shown += f' with subresource "{key.subresource}"'
    return f"{shown} using {key.api_version}" if key.operation == UPDATE else shown
