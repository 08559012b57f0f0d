"""Health: alive, and ready for traffic.

Source: Kubernetes API health endpoints; ``k8s.io/apiserver/pkg/server/healthz``.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog
from aiohttp import web

from apiserver.machinery import errors

log = structlog.get_logger(__name__)

CHECK_SECONDS = 2.0

Check = Callable[[], Awaitable[None]]
"""Returns when all is well, raises otherwise."""
_PING, _SHUTDOWN = "ping", "shutdown"


class Health:
    """Answers ``/livez``, ``/readyz`` and ``/healthz``, and single checks below them."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self.stopping = asyncio.Event()
        """Set when the server stops: it is alive, and no longer ready."""

    def paths(self) -> list[str]:
        """Return the paths of all checks, together and single."""
        endpoints = ("healthz", "livez", "readyz")
        return [f"/{each}{check}" for each in endpoints for check in ("", *(f"/{n}" for n in self._names(each)))]

    async def answer(self, request: web.BaseRequest, endpoint: str, check: str = "") -> web.Response:
        """Answer one of the endpoints, or a single ``check`` below it: 200 ``ok``, or 500 naming the checks that fail.

        ``?verbose`` lists all, ``?exclude=NAME`` leaves one out. Raises 404 for a check that is not there.
        """
        if check:
            return await self._answer_one(endpoint, check)
        excluded = set(request.query.getall("exclude", ()))
        names = self._names(endpoint)
        failed = {name for name in names if name not in excluded and not await self._passes(name)}
        if not failed and "verbose" not in request.query:
            return web.Response(text="ok")
        lines = [_line(name, failed=name in failed, excluded=name in excluded) for name in names]
        verdict = f"{endpoint} check {'failed' if failed else 'passed'}"
        return web.Response(text="\n".join([*lines, verdict, ""]), status=500 if failed else 200)

    async def _answer_one(self, endpoint: str, name: str) -> web.Response:
        if name not in self._names(endpoint):
            raise errors.no_such_path()
        if await self._passes(name):
            return web.Response(text="ok")
        return web.Response(text=f"internal server error: {name} failed", status=500)

    def _names(self, endpoint: str) -> tuple[str, ...]:
        return (_PING,) if endpoint == "livez" else (_PING, *self._checks, _SHUTDOWN)

    async def _passes(self, name: str) -> bool:
        if name not in self._checks:
            return name != _SHUTDOWN or not self.stopping.is_set()
        try:
            await asyncio.wait_for(self._checks[name](), CHECK_SECONDS)
        except Exception as wrong:  # noqa: BLE001 - whatever a check raises means that it fails
            # The caller may be anybody, and learns the name only.
            log.warning("health check failed", check=name, why=str(wrong) or type(wrong).__name__)
            return False
        return True


def _line(name: str, *, failed: bool, excluded: bool) -> str:
    if excluded:
        return f"[+]{name} excluded: ok"
    return f"[-]{name} failed: reason withheld" if failed else f"[+]{name} ok"
