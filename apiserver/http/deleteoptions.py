"""DeleteOptions as clients send them: in the body or, without one, in the query.

Source: ``k8s.io/apiserver/pkg/endpoints/handlers/delete.go``; ``metav1/validation.ValidateDeleteOptions``.
"""

from collections.abc import Mapping
from typing import Any

from apiserver.http.queries import number
from apiserver.machinery import errors
from apiserver.machinery.errors import FieldError
from apiserver.registry.options import DeleteOptions, Propagation

KIND = "DeleteOptions"
GROUP = "meta.k8s.io"
BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
DRY_RUN = ("All",)


def delete_options(query: Mapping[str, str], body: Mapping[str, Any]) -> DeleteOptions:
    """Return the options of a delete; a body, when there is one, overrules the query. Raises 400 and 422."""
    given = body or _from_query(query)
    if given.get("kind", KIND) != KIND:
        raise errors.bad_request(f"the body of a delete holds {KIND}, not {given['kind']}")
    grace = _typed(given, "gracePeriodSeconds", int)
    orphans: bool | None = _typed(given, "orphanDependents", bool)
    asked: str | None = _typed(given, "propagationPolicy", str)
    dry_run: list[Any] = _typed(given, "dryRun", list) or []
    preconditions: Mapping[str, Any] = _typed(given, "preconditions", dict) or {}
    if found := [*_propagation_errors(given, asked), *_dry_run_errors(dry_run)]:
        raise errors.invalid(GROUP, KIND, "", found)
    propagation = Propagation(asked) if asked else None
    if orphans is not None:
        propagation = Propagation.ORPHAN if orphans else Propagation.BACKGROUND
    return DeleteOptions(
        grace_period_seconds=grace,
        propagation=propagation,
        cascades=orphans is False,
        precondition_uid=_typed(preconditions, "uid", str),
        precondition_resource_version=_typed(preconditions, "resourceVersion", str),
        dry_run=bool(dry_run),
    )


def _propagation_errors(given: Mapping[str, Any], asked: str | None) -> list[FieldError]:
    if asked is not None and given.get("orphanDependents") is not None:
        detail = "orphanDependents and deletionPropagation cannot be both set"
        return [FieldError.invalid("propagationPolicy", asked, detail)]
    if asked is not None and asked not in list(Propagation):
        return [FieldError.not_supported("propagationPolicy", asked, ["Foreground", "Background", "Orphan", "nil"])]
    return []


def _dry_run_errors(dry_run: list[Any]) -> list[FieldError]:
    if all(each in DRY_RUN for each in dry_run):
        return []
    return [FieldError.not_supported("dryRun", dry_run, DRY_RUN)]


def _from_query(query: Mapping[str, str]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name in ("gracePeriodSeconds", "orphanDependents", "propagationPolicy", "dryRun"):
        if text := query.get(name):
            given[name] = _parsed(name, text)
    return given


def _parsed(name: str, text: str) -> Any:
    match name:
        case "gracePeriodSeconds":
            return number({name: text}, name)
        case "orphanDependents" if text.lower() in BOOLEANS:
            return BOOLEANS[text.lower()]
        case "dryRun":
            return [text]
        case "propagationPolicy":
            return text
        case _:
            raise errors.bad_request(f"{name} is not valid: {text!r}")


def _typed(given: Mapping[str, Any], name: str, kind: type) -> Any:
    """Return a field that must be of a JSON type, or None when it is absent or null. Raises 400."""
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise errors.bad_request(f"{KIND} cannot be decoded: {name} must be of type {kind.__name__}")
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        raise errors.bad_request(f"{KIND} cannot be decoded: {name} must be a number of 64 bits")
    return value
