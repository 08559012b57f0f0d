"""Health: alive, and ready for traffic. Source: Kubernetes API health endpoints."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

CHECK_SECONDS = 2.0

Check = Callable[[], Awaitable[None]]
"""Returns when all is well, raises otherwise."""


class Health:
    """Answers ``/livez``, ``/readyz`` and ``/healthz``."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self.stopping = asyncio.Event()
        """Set when the server stops: it is alive, and no longer ready."""

    async def answer(self, request: web.Request, endpoint: str) -> web.Response:
        """Answer one of the endpoints: 200 ``ok``, or 500 naming the checks that fail; ``?verbose`` lists all."""
        failed: set[str] = set()
        names = ["ping"]
        if endpoint != "livez":
            names += [*self._checks, "shutdown"]
            failed = {name for name in self._checks if not await self._passes(name)}
            if self.stopping.is_set():
                failed.add("shutdown")
        if not failed and "verbose" not in request.query:
            return web.Response(text="ok")
        lines = [f"[-]{name} failed" if name in failed else f"[+]{name} ok" for name in names]
        verdict = f"{endpoint} check {'failed' if failed else 'passed'}"
        return web.Response(text="\n".join([*lines, verdict, ""]), status=500 if failed else 200)

    async def _passes(self, name: str) -> bool:
        try:
            await asyncio.wait_for(self._checks[name](), CHECK_SECONDS)
        except Exception:  # noqa: BLE001 - whatever a check raises means that it fails
            return False
        return True
