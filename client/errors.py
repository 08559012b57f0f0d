"""What a request can fail with, in the words of Kubernetes' ``Status``."""

from collections.abc import Awaitable
from typing import Any, TypeVar

import orjson

T = TypeVar("T")


class KubeconfigError(Exception):
    """There is no way to reach a cluster; the message says which file is to blame."""


class ApiError(Exception):
    """A request that failed. ``code`` is the HTTP status, or 0 when no answer came at all."""

    def __init__(self, code: int, reason: str, message: str, causes: frozenset[str] = frozenset()) -> None:
        """``causes`` are the reasons that ``details.causes`` gives."""
        super().__init__(f"{code} {reason}: {message}" if code else f"{reason}: {message}")
        self.code = code
        self.reason = reason
        self.message = message
        self.causes = causes

    @classmethod
    def from_status(cls, status: dict[str, Any]) -> "ApiError":
        """Build the error that a ``Status`` object tells of."""
        causes = (status.get("details") or {}).get("causes") or ()
        return cls(
            status.get("code", 0),
            status.get("reason", "Unknown"),
            status.get("message", "no message"),
            frozenset(each.get("reason", "") for each in causes),
        )

    @classmethod
    def from_answer(cls, code: int, body: bytes) -> "ApiError":
        """Build the error of an answer; a body that is no ``Status`` (a proxy's page, say) is quoted, cut short."""
        try:
            status = orjson.loads(body)
        except orjson.JSONDecodeError:
            return cls(code, "Unknown", body[:200].decode(errors="replace"))
        if isinstance(status, dict) and status.get("kind") == "Status":
            return cls.from_status({"code": code, **status})
        return cls(code, "Unknown", body[:200].decode(errors="replace"))

    @property
    def not_found(self) -> bool:
        """The object does not exist."""
        return self.code == 404

    @property
    def conflict(self) -> bool:
        """The object changed since it was read, or a precondition failed."""
        return self.code == 409 and not self.already_exists

    @property
    def already_exists(self) -> bool:
        """The name is taken."""
        return self.reason == "AlreadyExists"

    @property
    def namespace_terminating(self) -> bool:
        """Nothing new may be created in the namespace, as it is on its way out."""
        return "NamespaceTerminating" in self.causes

    @property
    def expired(self) -> bool:
        """The revision asked for is no longer kept: list again."""
        return self.code == 410

    @property
    def unreachable(self) -> bool:
        """No answer came: the connection failed or timed out. Whether the request took effect is unknown."""
        return self.code == 0


async def if_found(request: Awaitable[T]) -> T | None:
    """Return the answer, or None when the object does not exist. Raises ApiError for every other failure."""
    try:
        return await request
    except ApiError as error:
        if not error.not_found:
            raise
        return None
