"""Of the controllers on several hosts one leads, and when it is gone another does."""

import asyncio
import os
import signal

import pytest

from client.leader import Timing
from controllers.manager import LEASE_NAME
from kube.installation import NAMESPACE
from tests.conformance.api import Api, Kind
from tests.replicas.hosts import Host
from virtplane.supervision.child import Child

pytestmark = pytest.mark.asyncio(loop_scope="module")

LEASE = Kind("Lease", "coordination.k8s.io", "v1", "leases", NAMESPACE)
SLACK_SECONDS = 5.0
"""How much longer than the lease lasts it may take until the next one leads, which looks every two seconds."""


async def test_the_other_leads_once_the_lease_of_one_that_was_killed_has_run_out(
    hosts: tuple[Host, Host], apis: tuple[Api, Api]
) -> None:
    one, two = [await Child.spawn(host.program("controllers")) for host in hosts]
    try:
        await asyncio.gather(one.until_ready(), two.until_ready())
        first = await holder(apis[0])
        leader, other = (one, two) if first.endswith(f"_{one.pid}") else (two, one)
        killed = asyncio.get_running_loop().time()
        os.kill(leader.pid, signal.SIGKILL)
        async with asyncio.timeout(Timing().lease + SLACK_SECONDS):
            await apis[0].until(LEASE, lambda leases: _holder(leases).endswith(f"_{other.pid}"))
        waited = asyncio.get_running_loop().time() - killed
        assert waited > Timing().lease - Timing().retry - 1, "before the first can be known to have stopped"
    finally:
        for each in (one, two):
            await each.stop()
            each.close()


def _holder(leases: dict[str, dict[str, dict[str, str]]]) -> str:
    return leases[LEASE_NAME]["spec"]["holderIdentity"]


async def holder(api: Api) -> str:
    found = await api.get(LEASE, LEASE_NAME)
    assert found is not None
    return found["spec"]["holderIdentity"]
