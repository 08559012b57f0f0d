"""Answers that somebody else gives: asked for once at a time, and good for a moment.

Source: ``k8s.io/apiserver/pkg/authentication/token/cache`` and ``plugin/pkg/authorizer/webhook``: the same time for
yes and for no, and a bounded number, of which the one that nobody has asked for the longest is forgotten first.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

V = TypeVar("V")

SECONDS = 10.0
"""How long an answer is good (``--authentication-token-webhook-cache-ttl`` and its siblings of aggregated servers)."""
REMEMBERED = 8192
"""How many answers are remembered."""


class Answers(Generic[V]):
    """Remembers answers by their questions."""

    def __init__(self, limit: int = REMEMBERED, now: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._now = now
        self._known: OrderedDict[Hashable, tuple[V, float]] = OrderedDict()
        self._asked: dict[Hashable, asyncio.Future[V]] = {}

    async def of(self, question: Hashable, ask: Callable[[], Awaitable[V]]) -> V:
        """Return the answer to ``question``, by ``ask`` unless it is known, or somebody is asking already.

        Raises what ``ask`` raises, to all who wait for it; that is not remembered.
        """
        while True:
            known, until = self._known.get(question, (None, 0.0))
            if known is not None and self._now() < until:
                self._known.move_to_end(question)
                return known
            if (asked := self._asked.get(question)) is None:
                return await self._ask(question, ask)
            await asyncio.wait((asked,))
            if not asked.cancelled():  # else whoever asked has gone away: somebody else has to
                return asked.result()

    async def _ask(self, question: Hashable, ask: Callable[[], Awaitable[V]]) -> V:
        asked = self._asked[question] = asyncio.get_running_loop().create_future()
        try:
            answer = await ask()
        except Exception as failure:
            asked.set_exception(failure)
            asked.exception()  # there may be nobody else to tell
            raise
        else:
            asked.set_result(answer)
            self._remember(question, answer)
            return answer
        finally:
            asked.cancel()  # of no effect unless the asking was cancelled
            del self._asked[question]

    def _remember(self, question: Hashable, answer: V) -> None:
        self._known[question] = (answer, self._now() + SECONDS)
        self._known.move_to_end(question)
        if len(self._known) > self._limit:
            self._known.popitem(last=False)
