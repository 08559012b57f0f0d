"""A fair limit on the requests that are under way at once.

A caller may have as many as there is room left for others (the dynamic threshold of Choudhury and Hahne, known from
switches with shared memory): one alone gets half of all, two get a third each, and a newcomer is refused only when many
callers have taken all room one by one. Watches do not count: they cost nothing while they wait. Source of the need:
Kubernetes' API Priority and Fairness (KEP-1040).
"""

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager

from apiserver.machinery import errors

LIMIT = 400
"""Requests under way; kube-apiserver's ``--max-requests-inflight``."""
RETRY_AFTER_SECONDS = 1


class InFlight:
    """Counts requests, by caller, and refuses those beyond the caller's share."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._total = 0
        self._by_caller: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """How many are under way."""
        return self._total

    @contextmanager
    def counted(self, caller: str) -> Generator[None]:
        """Count one request while it is under way. Raises 429 when ``caller`` has its share already."""
        if self._by_caller[caller] >= self._limit - self._total:
            raise errors.too_many_requests(
                "too many requests are under way, please try again later", retry_after_seconds=RETRY_AFTER_SECONDS
            )
        self._total += 1
        self._by_caller[caller] += 1
        try:
            yield
        finally:
            self._total -= 1
            self._by_caller[caller] -= 1
            if not self._by_caller[caller]:
                del self._by_caller[caller]
