"""Where a node's agent is, as its Node tells."""

import pytest

from kube.nodes import AGENT_PORT, agent_address


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        ("7443", ("10.0.0.1", 7443)),
        ("", ("10.0.0.1", 10250)),
        ("no port", ("10.0.0.1", 10250)),
        ("0", None),
        ("65536", None),
        ("9" * 5000, None),
    ],
    ids=lambda each: str(each)[:20],
)
def test_a_port_is_believed_that_there_can_be(port: str, expected: tuple[str, int] | None) -> None:
    status = {
        "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
    }
    node = {"metadata": {"annotations": {AGENT_PORT: port}}, "status": status}
    assert agent_address(node) == expected
