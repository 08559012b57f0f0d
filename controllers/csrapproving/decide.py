"""Whether a request of a node agent is approved at once: a pure function of the request and of what is known.

A token lets a new node in, and no more: the identity of a node that is there already, or was, is given away only by
somebody who decides so, by hand or by a token for that very node. Source of the method: Kubernetes' csrapproving
controller (the agent itself renews; otherwise the requestor needs a right of its own).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from certs.requests import CLIENT_SIGNER, SERVING_SIGNER, SIGNERS, RequestError, agent_request
from kube.bootstraptokens import BootstrapToken
from kube.conditions import get_condition
from kube.nodes import POD_NODE
from kube.objects import Object
from kube.users import AGENT_ACCOUNT, NODE_PREFIX, NODES_GROUP

DECIDED = ("Approved", "Denied", "Failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of who asks, and of the node that the certificate is for."""

    token: BootstrapToken | None = None
    """The one that the requestor came with."""
    allowed: bool = False
    """True when requests of this requestor for new nodes are approved at once."""
    node_exists: bool = False
    given: tuple[datetime, ...] = ()
    """When requests of others for a certificate of this node were made that were approved and are not over."""
    revoked: datetime | None = None


@dataclass(frozen=True, slots=True)
class Approve:
    """It is as it should be."""

    why: str
    uses_up: BootstrapToken | None = None
    """The token that vouches for it and is good for this one request."""


@dataclass(frozen=True, slots=True)
class Leave:
    """Somebody has to decide."""

    why: str


def is_pending(csr: Object) -> bool:
    """Return True for a request that an agent may have made and nobody has decided about."""
    conditions = csr.get("status", {}).get("conditions") or ()
    return csr["spec"]["signerName"] in SIGNERS and not any(get_condition(conditions, each) for each in DECIDED)


def node_of(csr: Object) -> str:
    """Return the node that a request is for; empty when it cannot be approved at once for any."""
    if csr["spec"]["signerName"] not in SIGNERS:
        return ""
    try:
        return agent_request(csr["spec"]).node
    except RequestError:
        return ""


def agent_of(spec: Object) -> str | None:
    """Return the node whose agent asks, empty where nobody says which; None for all others.

    The agent of a pod has the token of its ServiceAccount, which tells the node, and needs no certificate to call with.
    """
    user: str = spec.get("username", "")
    if NODES_GROUP in (spec.get("groups") or ()):
        return user.removeprefix(NODE_PREFIX) if user.startswith(NODE_PREFIX) else ""
    if user != AGENT_ACCOUNT or spec["signerName"] != SERVING_SIGNER:
        return None
    named = (spec.get("extra") or {}).get(POD_NODE) or ()
    return named[0] if len(named) == 1 else ""


def decide(csr: Object, known: Known, now: datetime) -> Approve | Leave:
    """Return what to do about a pending request."""
    spec = csr["spec"]
    try:
        asked = agent_request(spec)
    except RequestError as wrong:
        return Leave(f"it asks for something that no agent needs: {wrong}")
    if (own := agent_of(spec)) is not None:
        if own != asked.node:
            return Leave(f"{spec.get('username')} asks to be the agent of another node")
        return Approve("the agent of the node asks itself")
    if asked.signer != CLIENT_SIGNER:
        return Leave("only the agent of the node itself may ask for a certificate to serve with")
    why = next(iter(_against(csr, asked.node, known, now)), None)
    if why is not None:
        return Leave(why)
    bound = known.token if known.token is not None and known.token.node else None
    return Approve("a bootstrap token vouches for the node", uses_up=bound)


def _against(csr: Object, node: str, known: Known, now: datetime) -> Iterable[str]:
    """Yield what speaks against letting a token vouch for ``node``."""
    token, revoked = known.token, known.revoked
    if token is None or token.expired(now):
        yield "who asks has no valid bootstrap token"
        return
    if not known.allowed:
        yield "requests by this bootstrap token are not approved at once"
    if token.node not in ("", node):
        yield f"the bootstrap token is for the node {token.node}"
    if token.used_by not in ("", csr["metadata"]["uid"]):
        yield "the bootstrap token has been used"
    if revoked is None:
        if known.node_exists or known.given:
            yield f"a node of this name is there already; revoke it first (`virtplane agent revoke {node}`)"
    elif any(revoked < each for each in known.given):
        yield "the name was given to another since it was revoked"
    elif not token.node or token.created <= revoked:
        yield "the node was revoked: only a token made for it since then lets it in again"
