"""Instances and domains to decide about."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from kube.instances import INSTANCE_FINALIZER
from nodeagent.domain.identity import Identity
from nodeagent.hypervisor.state import Domain, Reason, State

OWNER = "node-uid"
UID = "vmi-uid"


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def instance() -> Callable[..., dict[str, Any]]:
    def make(phase: str = "Scheduled", *, deleted: str | None = None, **spec: Any) -> dict[str, Any]:
        metadata = {"namespace": "default", "name": "web", "uid": UID, "resourceVersion": "5"}
        metadata |= {"finalizers": [INSTANCE_FINALIZER]} | ({"deletionTimestamp": deleted} if deleted else {})
        return {
            "apiVersion": "kubevirt.io/v1",
            "kind": "VirtualMachineInstance",
            "metadata": metadata,
            "spec": {"domain": {}, **spec},
            "status": {"phase": phase, "nodeName": "n1"},
        }

    return make


@pytest.fixture
def domain() -> Callable[..., Domain]:
    def make(
        state: State = State.RUNNING, reason: Reason = Reason.NONE, *, uid: str = UID, owner: str = OWNER
    ) -> Domain:
        return Domain("default_web", Identity("default", "web", uid, owner), state, reason)

    return make
