"""Rules of probes."""

import pytest

from tests.apiserver.resources.virtualmachineinstance.validation.specs import (
    FORBIDDEN,
    REQUIRED,
    Case,
    Object,
    expect,
    expect_right,
)

TCP, HTTP, EXEC = {"tcpSocket": {"port": 22}}, {"httpGet": {"port": 80}}, {"exec": {"command": ["true"]}}
ALONE = {"networks": [], "domain.devices.interfaces": [], "domain.devices.autoattachPodInterface": False}
LAN = {
    "networks": [{"name": "a", "multus": {"networkName": "lan"}}],
    "domain.devices.interfaces": [{"name": "a", "bridge": {}}],
}

CASES: list[Case] = [
    ({"readinessProbe": {}}, "readinessProbe", REQUIRED, "httpGet, tcpSocket, exec, guestAgentPing"),
    ({"livenessProbe": {"periodSeconds": 5}}, "livenessProbe", REQUIRED, "say how to ask"),
    ({"livenessProbe": TCP | HTTP}, "livenessProbe", FORBIDDEN, "httpGet and tcpSocket exclude each other"),
    ({"readinessProbe": EXEC | {"guestAgentPing": {}}}, "readinessProbe", FORBIDDEN, "remove one"),
    (ALONE | {"readinessProbe": TCP}, "readinessProbe.tcpSocket", FORBIDDEN, "use exec or guestAgentPing"),
    (LAN | {"livenessProbe": HTTP}, "livenessProbe.httpGet", FORBIDDEN, "on the pod network"),
]


@pytest.mark.parametrize("case", CASES)
def test_a_probe_that_cannot_be_is_refused(case: Case) -> None:
    expect(case)


RIGHT: list[Object] = [
    {"readinessProbe": HTTP, "livenessProbe": {"guestAgentPing": {}}},
    {"networks": [], "domain.devices.interfaces": [], "livenessProbe": TCP},
    ALONE | {"livenessProbe": EXEC},
]


@pytest.mark.parametrize("edits", RIGHT)
def test_a_probe_that_can_be_is_accepted(edits: Object) -> None:
    expect_right(edits)
