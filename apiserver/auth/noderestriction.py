"""What an agent may do: fixed verbs on its own Node and Lease, and on what is bound to its node.

Source: Kubernetes' Node authorizer and NodeRestriction admission.
"""

from collections.abc import Callable

from apiserver.auth.attributes import RequestInfo
from apiserver.auth.rules import rule
from apiserver.machinery.errors import StatusError
from apiserver.machinery.selectors import parse_field_selector
from certs.purposes import OF_AGENTS
from kube.installation import NAMESPACE
from kube.nodes import LEASE_NAMESPACE

BoundTo = Callable[[str, RequestInfo], bool]
"""Tells whether a request of a node's agent concerns something bound to that node."""
NODE_RULES = (
    rule("kubevirt.io", "virtualmachineinstances", "get list watch update patch"),
    rule("kubevirt.io", "virtualmachineinstances/status", "get update patch"),
    rule("kubevirt.io", "kubevirts", "get list watch"),
    rule("", "nodes", "get list watch create update patch"),
    rule("", "nodes/status", "get update patch"),
    rule("", "events", "create update patch"),
    rule("", "secrets", "get"),
    # Whom to trust, and how it gets certificates of its own.
    rule("", "configmaps", "get list watch", *(each.authority for each in OF_AGENTS)),
    rule("certificates.k8s.io", "certificatesigningrequests", "create get"),
    rule("coordination.k8s.io", "leases", "get create update patch"),
)


def node_may(node: str, asked: RequestInfo, bound_to: BoundTo) -> bool:
    """Return True when the agent of ``node`` may make the request; it lists and watches only what is its own."""
    if not node or not any(each.allows(asked) for each in NODE_RULES):
        return False
    match asked.resource:
        case "nodes" if asked.verb in ("list", "watch"):
            return True
        case "leases" if asked.namespace != LEASE_NAMESPACE:
            return False
        case "configmaps":
            return asked.namespace == NAMESPACE
        case "nodes" | "leases":
            # A new object's name is in its body; its kind's strategy looks at that.
            return asked.object_name == node or asked.verb == "create"
        case "virtualmachineinstances" if asked.verb in ("list", "watch"):
            return _selected_node(asked) == node
        case "certificatesigningrequests" if asked.verb == "create":
            return True
        case "virtualmachineinstances" | "secrets" | "certificatesigningrequests":
            return bound_to(node, asked)
        case _:
            return True


def _selected_node(asked: RequestInfo) -> str | None:
    """Return the one node whose instances a list or watch is limited to, or None."""
    try:
        selector = parse_field_selector(asked.field_selector, ("status.nodeName", "status.phase"))
    except StatusError:
        return None
    return selector.required("status.nodeName")
