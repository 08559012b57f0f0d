"""Errors as Kubernetes tells them: a ``Status`` with a reason, a code and the fields at fault.

Source: Kubernetes API conventions, "Response Status Kind"; ``k8s.io/apimachinery/pkg/api/errors``.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

MAX_TOLD = 100
"""How many things wrong with one object are told."""
_TOLD_LENGTH = 1000
"""How long what is told of each of them may be: clients choose the names of fields."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one field, as ``details.causes[]`` carries it."""

    reason: str
    """``FieldValueInvalid``, ``FieldValueRequired``, … (``metav1.CauseType``)."""
    field: str
    """A path such as ``spec.template.spec.volumes[0].name``."""
    message: str

    @classmethod
    def required(cls, field: str, detail: str = "") -> "FieldError":
        """Build the error of a field that must be there and is not."""
        return cls("FieldValueRequired", field, f"Required value{_colon(detail)}")

    @classmethod
    def invalid(cls, field: str, value: Any, detail: str) -> "FieldError":
        """Build the error of a value that breaks a rule; ``detail`` says which, and what would be right."""
        return cls("FieldValueInvalid", field, f"Invalid value: {_shown(value)}: {detail}")

    @classmethod
    def not_supported(cls, field: str, value: Any, supported: Sequence[str]) -> "FieldError":
        """Build the error of a value outside a closed list."""
        listed = ", ".join(f'"{each}"' for each in supported)
        return cls("FieldValueNotSupported", field, f"Unsupported value: {_shown(value)}: supported values: {listed}")

    @classmethod
    def duplicate(cls, field: str, value: Any) -> "FieldError":
        """Build the error of a value that must be unique and is not."""
        return cls("FieldValueDuplicate", field, f"Duplicate value: {_shown(value)}")

    @classmethod
    def forbidden(cls, field: str, detail: str) -> "FieldError":
        """Build the error of a field that may not be set or changed here."""
        return cls("FieldValueForbidden", field, f"Forbidden: {detail}")

    @classmethod
    def type_invalid(cls, field: str, value: Any, detail: str) -> "FieldError":
        """Build the error of a value of the wrong JSON type."""
        return cls("FieldValueTypeInvalid", field, f"Invalid value: {_shown(value)}: {detail}")


class StatusError(Exception):
    """A request that fails, with everything its ``Status`` answer says."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: dict[str, Any] | None = None,
        retry_after_seconds: int | None = None,
        allowed: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = dict(details or {})
        if retry_after_seconds is not None:
            self.details["retryAfterSeconds"] = retry_after_seconds
        self.retry_after_seconds = retry_after_seconds
        self.continue_token = ""
        """How a list may go on nevertheless."""
        self.allowed = tuple(allowed)
        """The methods that a 405 offers instead."""

    def status(self) -> dict[str, Any]:
        """Return the ``v1.Status`` object."""
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {"continue": self.continue_token} if self.continue_token else {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
        }
        if self.details:
            body["details"] = self.details
        body["code"] = self.code
        return body


def bad_request(message: str) -> StatusError:
    """400: the request itself cannot be understood."""
    return StatusError(400, "BadRequest", message)


def nested_too_deeply() -> StatusError:
    """400: an object with more levels than can be stored."""
    return bad_request("the object is nested too deeply")


def unauthorized() -> StatusError:
    """401: no or no valid credentials; says no more than that."""
    return StatusError(401, "Unauthorized", "Unauthorized")


def forbidden(message: str, *, group: str = "", resource: str = "", name: str = "") -> StatusError:
    """403: known, and not allowed."""
    return StatusError(403, "Forbidden", message, details=_details(name=name, group=group, kind=resource))


def forbidden_object(group: str, resource: str, name: str, why: str) -> StatusError:
    """403: nobody may do this to this object."""
    message = f'{qualified_resource(group, resource)} "{name}" is forbidden: {why}'
    return forbidden(message, group=group, resource=resource, name=name)


def not_found(group: str, resource: str, name: str) -> StatusError:
    """404 for an object that does not exist."""
    qualified = qualified_resource(group, resource)
    return StatusError(
        404,
        "NotFound",
        f'{qualified} "{name}" not found',
        details=_details(name=name, group=group, kind=resource),
    )


def no_such_path() -> StatusError:
    """404 for a path that the server does not serve."""
    return StatusError(404, "NotFound", "the server could not find the requested resource")


def method_not_allowed(allowed: Sequence[str]) -> StatusError:
    """405: the path exists, and has only the methods ``allowed``."""
    message = "the server does not allow this method on the requested resource"
    return StatusError(405, "MethodNotAllowed", message, allowed=allowed)


def verb_not_supported(group: str, resource: str, verb: str, allowed: Sequence[str]) -> StatusError:
    """405: the resource has no such verb at this path."""
    message = f'{verb} is not supported on resources of kind "{qualified_resource(group, resource)}"'
    details = _details(name="", group=group, kind=resource)
    return StatusError(405, "MethodNotAllowed", message, details=details, allowed=allowed)


def not_acceptable(offered: Sequence[str]) -> StatusError:
    """406: none of the media types that the client accepts can be produced."""
    return StatusError(
        406,
        "NotAcceptable",
        f"only the following media types are accepted: {', '.join(offered)}",
    )


def wrong_shape(message: str) -> StatusError:
    """406: the shape that the client asks for does not fit what it asks about."""
    return StatusError(406, "NotAcceptable", message)


def already_exists(group: str, resource: str, name: str) -> StatusError:
    """409: create of a name that is taken."""
    qualified = qualified_resource(group, resource)
    return StatusError(
        409,
        "AlreadyExists",
        f'{qualified} "{name}" already exists',
        details=_details(name=name, group=group, kind=resource),
    )


def conflict(group: str, resource: str, name: str, detail: str) -> StatusError:
    """409: the object changed since the client read it, or a precondition failed."""
    qualified = qualified_resource(group, resource)
    return StatusError(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {qualified} "{name}": {detail}',
        details=_details(name=name, group=group, kind=resource),
    )


def expired(message: str, *, continue_token: str = "") -> StatusError:
    """410: the revision asked for is no longer kept; list again, or go on with ``continue_token``."""
    error = StatusError(410, "Expired", message)
    error.continue_token = continue_token
    return error


def too_large(limit: int) -> StatusError:
    """413: the body is over ``limit`` bytes."""
    return StatusError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {limit}")


def unsupported_media_type(accepted: Sequence[str]) -> StatusError:
    """415: the body's media type is not understood here."""
    return StatusError(
        415,
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: " + ", ".join(accepted),
    )


def invalid(group: str, kind: str, name: str, errors: Sequence[FieldError]) -> StatusError:
    """422: the object breaks rules; all of ``errors`` are told at once, up to MAX_TOLD."""
    errors = errors[:MAX_TOLD]
    qualified = f"{kind}.{group}" if group else kind
    told = [f"{error.field}: {error.message}" for error in errors]
    message = told[0] if len(told) == 1 else "[" + ", ".join(told) + "]"
    causes = [{"reason": e.reason, "message": e.message, "field": e.field} for e in errors]
    return StatusError(
        422,
        "Invalid",
        f'{qualified} "{name}" is invalid: {message}',
        details=_details(name=name, group=group, kind=kind) | {"causes": causes},
    )


def unavailable(message: str, *, retry_after_seconds: int = 1) -> StatusError:
    """503: the server cannot do this now; asking again later is right."""
    return StatusError(503, "ServiceUnavailable", message, retry_after_seconds=retry_after_seconds)


def too_many_requests(message: str, *, retry_after_seconds: int) -> StatusError:
    """429: the caller has as many requests under way as it may have."""
    return StatusError(429, "TooManyRequests", message, retry_after_seconds=retry_after_seconds)


def timed_out(message: str, *, retry_after_seconds: int = 1) -> StatusError:
    """504: what the request waits for did not come in time."""
    return StatusError(504, "Timeout", f"Timeout: {message}", retry_after_seconds=retry_after_seconds)


def qualified_resource(group: str, resource: str) -> str:
    """Return ``plural.group``, or ``plural`` alone for the core group."""
    return f"{resource}.{group}" if group else resource


def _details(*, name: str, group: str, kind: str) -> dict[str, Any]:
    return {key: value for key, value in (("name", name), ("group", group), ("kind", kind)) if value}


def told(problems: Iterable[str]) -> list[str]:
    """Return the first MAX_TOLD of ``problems``, none of them longer than anybody would read."""
    first = islice(problems, MAX_TOLD)
    return [each if len(each) <= _TOLD_LENGTH else each[:_TOLD_LENGTH] + "…" for each in first]


def _colon(detail: str) -> str:
    return f": {detail}" if detail else ""


def _shown(value: Any) -> str:
    """Show a value as Kubernetes does: strings quoted, the rest as JSON-like text, long ones cut."""
    shown = f'"{value}"' if isinstance(value, str) else json.dumps(value, default=str)
    return shown if len(shown) <= 200 else shown[:200] + "…"
