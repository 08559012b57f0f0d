"""The audit log tells who did what, as much as its policy says, and never a Secret."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from apiserver.audit import AuditLog, AuditPolicyError, Level, Policy
from apiserver.auth.attributes import RequestInfo
from apiserver.machinery.resource import Caller

ADMIN = Caller("kubernetes-admin", frozenset({"system:masters"}))
AGENT = Caller("system:node:one", frozenset({"system:nodes"}), system=True)

POLICY = """
apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- level: None
  users: [system:node:one]
  verbs: [watch]
- level: RequestResponse
  resources:
  - group: kubevirt.io
    resources: [virtualmachines]
  - group: ""
    resources: [secrets]
- level: Request
  namespaces: [payments]
- level: None
  nonResourceURLs: ["/healthz*"]
- level: Metadata
"""


def asked(verb: str, resource: str, group: str = "", **more: Any) -> RequestInfo:
    return RequestInfo(verb=verb, path=f"/{resource}", group=group, version="v1", resource=resource, **more)


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    return Policy.load(path)


@pytest.mark.parametrize(
    ("caller", "request_info", "level"),
    [
        (AGENT, asked("watch", "virtualmachineinstances", "kubevirt.io"), Level.NONE),
        (ADMIN, asked("watch", "virtualmachineinstances", "kubevirt.io"), Level.METADATA),
        (ADMIN, asked("create", "virtualmachines", "kubevirt.io"), Level.REQUESTRESPONSE),
        (ADMIN, asked("update", "virtualmachines", "kubevirt.io", subresource="status"), Level.METADATA),
        (ADMIN, asked("create", "configmaps", namespace="payments"), Level.REQUEST),
        (ADMIN, asked("create", "configmaps", namespace="other"), Level.METADATA),
        (ADMIN, RequestInfo(verb="get", path="/healthz/ping"), Level.NONE),
        (ADMIN, RequestInfo(verb="get", path="/version"), Level.METADATA),
    ],
)
def test_the_first_rule_that_matches_decides(
    policy: Policy, caller: Caller, request_info: RequestInfo, level: Level
) -> None:
    assert policy.level(caller, request_info) is level


def test_a_secret_is_never_logged_beyond_metadata(policy: Policy) -> None:
    assert policy.level(ADMIN, asked("create", "secrets")) is Level.METADATA


@pytest.mark.parametrize(
    ("caller", "request_info", "level"),
    [
        (AGENT, asked("patch", "leases", "coordination.k8s.io"), Level.NONE),
        (ADMIN, asked("patch", "leases", "coordination.k8s.io"), Level.METADATA),
        (ADMIN, RequestInfo(verb="get", path="/readyz"), Level.NONE),
        (ADMIN, asked("create", "virtualmachines", "kubevirt.io"), Level.METADATA),
    ],
)
def test_without_a_policy_everything_but_heartbeats_is_noted(
    caller: Caller, request_info: RequestInfo, level: Level
) -> None:
    assert Policy().level(caller, request_info) is level


@pytest.mark.parametrize("text", ["rules: 7", "{}", "rules: [{level: Everything}]", "rules: [{users: [a]}]", "- a"])
def test_a_policy_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    with pytest.raises(AuditPolicyError, match="audit policy"):
        Policy.load(path)


async def written(audit: AuditLog, record: Callable[[], None]) -> None:
    """Record, and wait until all of it is in the file."""
    writing = asyncio.create_task(audit.run())
    await asyncio.sleep(0)
    record()
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)


async def test_events_are_lines_that_only_the_owner_reads(tmp_path: Path) -> None:
    audit = AuditLog(tmp_path / "audit.log")
    await written(audit, lambda: [audit.record({"n": n}) for n in range(3)] and None)
    assert [json.loads(line) for line in audit.path.read_text().splitlines()] == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert audit.path.stat().st_mode & 0o777 == 0o600


async def test_a_log_that_has_grown_large_is_begun_anew(tmp_path: Path) -> None:
    audit = AuditLog(tmp_path / "audit.log", rotate_bytes=1)
    for n in range(3):
        await written(audit, lambda n=n: audit.record({"n": n}))
    assert json.loads(audit.path.read_text()) == {"n": 2}
    assert json.loads((tmp_path / "audit.log.1").read_text()) == {"n": 1}
    assert json.loads((tmp_path / "audit.log.2").read_text()) == {"n": 0}
