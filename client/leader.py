"""Leader election on a Lease: of several candidates, one works at a time.

A candidate takes the lease when it has none, or when it has not seen the holder renew for as long as the lease
lasts, by its own clock. A holder that cannot renew in time stops working before others may begin. Source of the
rules: client-go's ``tools/leaderelection``.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from client.api import Client
from client.errors import ApiError, if_found
from client.kinds import LEASE
from kube.objects import Object
from kube.timestamps import to_micro_time, utc_now

log = structlog.get_logger(__name__)


class LeadershipLostError(Exception):
    """The lease could not be renewed in time; the work was cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How patient everybody is, in seconds."""

    lease: float = 15
    renew: float = 10
    """A holder gives up after this long without a renewal; less than ``lease``."""
    retry: float = 2


class LeaderElector:
    """One candidate for one lease."""

    def __init__(
        self,
        client: Client,
        *,
        namespace: str,
        name: str,
        identity: str,
        timing: Timing | None = None,
        standing_by: Callable[[], None] = lambda: None,
    ) -> None:
        """``standing_by()`` is called whenever somebody else is seen to lead."""
        self._client = client
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._timing = timing or Timing()
        self._standing_by = standing_by
        self._seen_version = ""
        self._seen_at = 0.0

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Become the leader, then do ``work``; release the lease at the end. Raises LeadershipLostError."""
        await self._acquire()
        log.info("leading", lease=self._name, identity=self._identity)
        working = asyncio.ensure_future(work())
        renewing = asyncio.create_task(self._keep_renewing())
        try:
            await asyncio.wait((working, renewing), return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise LeadershipLostError(f"lease {self._namespace}/{self._name} was not renewed in time")
            await working
        finally:
            working.cancel()
            renewing.cancel()
            await asyncio.gather(working, renewing, return_exceptions=True)
            # Only now has the work ended, and somebody else may begin.
            await self._release()

    async def _acquire(self) -> None:
        while True:
            if await self._try():
                return
            await asyncio.sleep(self._timing.retry)

    async def _keep_renewing(self) -> None:
        """Renew until that has failed for too long."""
        clock = asyncio.get_running_loop().time
        renewed = clock()
        while clock() - renewed < self._timing.renew:
            await asyncio.sleep(self._timing.retry)
            try:
                async with asyncio.timeout(max(0, renewed + self._timing.renew - clock())):
                    if await self._try():
                        renewed = clock()
            except TimeoutError:
                return

    async def _try(self) -> bool:
        """Take or renew the lease; return False when somebody else has it or the API does not answer."""
        try:
            return await self._take()
        except ApiError as error:
            if not (error.conflict or error.already_exists):
                log.warning("cannot take or renew the lease", lease=self._name, error=str(error))
            return False

    async def _take(self) -> bool:
        lease = await if_found(self._client.get(LEASE, self._name, self._namespace))
        if lease is None:
            await self._client.create(LEASE, self._lease({}))
            return True
        if self._is_held_by_another(lease):
            self._standing_by()
            return False
        await self._client.update(LEASE, self._lease(lease))
        return True

    def _is_held_by_another(self, lease: Object) -> bool:
        spec = lease.get("spec", {})
        if spec.get("holderIdentity", "") in ("", self._identity):
            return False
        now = asyncio.get_running_loop().time()
        # Clocks of different hosts are not compared: what counts is when this candidate saw the lease change.
        if lease["metadata"]["resourceVersion"] != self._seen_version:
            self._seen_version, self._seen_at = lease["metadata"]["resourceVersion"], now
        return now < self._seen_at + spec.get("leaseDurationSeconds", self._timing.lease)

    def _lease(self, old: Object) -> Object:
        now = to_micro_time(utc_now())
        before = old.get("spec", {})
        same = before.get("holderIdentity") == self._identity
        spec = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": max(1, round(self._timing.lease)),
            "acquireTime": before.get("acquireTime", now) if same else now,
            "renewTime": now,
            "leaseTransitions": before.get("leaseTransitions", 0) + (0 if same or not before else 1),
        }
        metadata = old.get("metadata") or {"name": self._name, "namespace": self._namespace}
        return {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": metadata, "spec": spec}

    async def _release(self) -> None:
        """Let the next candidate begin at once, if the lease is still ours."""
        try:
            lease = await self._client.get(LEASE, self._name, self._namespace)
            if lease.get("spec", {}).get("holderIdentity") == self._identity:
                lease["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
                await self._client.update(LEASE, lease)
        except ApiError as error:
            log.info("lease not released, it will run out", lease=self._name, error=str(error))
