"""What is approved at once, and why the rest is left to somebody."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from certs.requests import CLIENT_SIGNER, SERVING_SIGNER, make_request
from controllers.csrapproving.decide import Approve, Known, Leave, decide
from kube.bootstraptokens import BootstrapToken
from kube.nodes import POD_NODE
from kube.users import AGENT_ACCOUNT

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
KEY = ec.generate_private_key(ec.SECP256R1())
TOKEN = BootstrapToken(
    token_id="abcdef",
    authenticates=True,
    groups=frozenset({"system:bootstrappers"}),
    description="",
    node="",
    used_by="",
    version="7",
    created=NOW - HOUR,
    expires=NOW + HOUR,
)
BOUND = replace(TOKEN, node="host1")
GOOD = Known(token=TOKEN, allowed=True)


def request(signer: str = CLIENT_SIGNER, user: str = "system:bootstrap:abcdef", *groups: str) -> dict[str, Any]:
    made = make_request(signer, "host1", KEY)
    made["metadata"]["uid"] = "uid"
    made["spec"] |= {"username": user, "groups": list(groups)}
    return made


def test_a_token_lets_in_a_new_node() -> None:
    assert decide(request(), GOOD, NOW) == Approve("a bootstrap token vouches for the node")


def test_a_token_for_the_node_is_used_up() -> None:
    approved = decide(request(), replace(GOOD, token=BOUND), NOW)
    assert isinstance(approved, Approve)
    assert approved.uses_up == BOUND


def test_a_token_may_be_tried_again_for_the_same_request() -> None:
    assert isinstance(decide(request(), replace(GOOD, token=replace(BOUND, used_by="uid")), NOW), Approve)


@pytest.mark.parametrize("signer", [CLIENT_SIGNER, SERVING_SIGNER])
def test_an_agent_gets_its_own_whatever_else_is_known(signer: str) -> None:
    known = Known(node_exists=True, given=(NOW,), revoked=NOW)
    assert isinstance(decide(request(signer, "system:node:host1", "system:nodes"), known, NOW), Approve)


@pytest.mark.parametrize(
    ("known", "why"),
    [
        (Known(), "no valid bootstrap token"),
        (replace(GOOD, token=None), "no valid bootstrap token"),
        (replace(GOOD, token=replace(TOKEN, expires=NOW)), "no valid bootstrap token"),
        (replace(GOOD, allowed=False), "not approved at once"),
        (replace(GOOD, token=replace(TOKEN, node="host2")), "for the node host2"),
        (replace(GOOD, token=replace(BOUND, used_by="other")), "has been used"),
        (replace(GOOD, node_exists=True), "is there already"),
        (replace(GOOD, token=BOUND, node_exists=True), "is there already"),
        (replace(GOOD, given=(NOW - HOUR,)), "is there already"),
        (replace(GOOD, revoked=NOW - 2 * HOUR), "only a token made for it since then"),
        (replace(GOOD, token=BOUND, revoked=NOW - HOUR), "only a token made for it since then"),
        (replace(GOOD, token=BOUND, revoked=NOW - 2 * HOUR, given=(NOW,)), "given to another since it was revoked"),
    ],
)
def test_what_nobody_vouches_for_is_left_to_somebody(known: Known, why: str) -> None:
    left = decide(request(), known, NOW)
    assert isinstance(left, Leave)
    assert why in left.why


def test_a_revoked_node_is_let_in_by_a_token_made_for_it_since() -> None:
    known = replace(GOOD, token=BOUND, node_exists=True, given=(NOW - 3 * HOUR,), revoked=NOW - 2 * HOUR)
    assert isinstance(decide(request(), known, NOW), Approve)


@pytest.mark.parametrize(
    "asked",
    [
        request(CLIENT_SIGNER, "system:node:host2", "system:nodes"),
        request(SERVING_SIGNER),
        request(SERVING_SIGNER, "system:node:host1"),
        request(CLIENT_SIGNER, "jane"),
    ],
    ids=lambda asked: f"{asked['spec']['signerName']} {asked['spec']['username']}",
)
def test_nobody_else_speaks_for_a_node(asked: dict[str, Any]) -> None:
    assert isinstance(decide(asked, Known(allowed=True), NOW), Leave)


def of_pod(node: Any, signer: str = SERVING_SIGNER) -> dict[str, Any]:
    made = request(signer, AGENT_ACCOUNT, "system:serviceaccounts")
    made["spec"]["extra"] = {POD_NODE: node}
    return made


def test_a_pod_gets_what_it_serves_with_on_the_node_that_its_token_names() -> None:
    assert decide(of_pod(["host1"]), Known(), NOW) == Approve("the agent of the node asks itself")


@pytest.mark.parametrize(
    "asked",
    [
        of_pod(["host2"]),
        of_pod(["host2", "host1"]),
        of_pod([]),
        of_pod(None),
        of_pod(["host1"], CLIENT_SIGNER),
        {**of_pod(["host1"]), "spec": {**of_pod(["host1"])["spec"], "username": "system:serviceaccount:default:agent"}},
    ],
)
def test_a_pod_gets_nothing_else(asked: dict[str, Any]) -> None:
    assert isinstance(decide(asked, Known(), NOW), Leave)
