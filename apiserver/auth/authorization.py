"""May they: node restriction for agents, fixed rules for our own controllers, roles and bindings for everyone else.

Source of the node rules: Kubernetes' Node authorizer and NodeRestriction admission. An agent has what they say and no
role adds to it; nor does one let the anonymous do more than see health and version.
"""

from collections.abc import Callable

from apiserver.auth.attributes import RequestInfo
from apiserver.auth.identities import ANONYMOUS, AUTHENTICATED, CONTROLLERS_GROUP, MASTERS_GROUP
from apiserver.auth.policy import BASIC_RULES
from apiserver.auth.roles import Roles
from apiserver.auth.rules import EVERYTHING, Rule
from apiserver.machinery import errors
from apiserver.machinery.errors import StatusError
from apiserver.machinery.resource import Caller
from apiserver.machinery.selectors import parse_field_selector
from certs.objects import NAMESPACE as INSTALL_NAMESPACE
from kube.nodes import LEASE_NAMESPACE

ALWAYS_ALLOWED = frozenset({"/healthz", "/livez", "/readyz", "/version"})


def _rule(group: str, resources: str, verbs: str) -> Rule:
    return Rule(groups=frozenset((group,)), resources=frozenset(resources.split()), verbs=frozenset(verbs.split()))


_READ = "get list watch"
_WRITE = "create update patch delete"
CONTROLLER_RULES = (
    _rule("kubevirt.io", "virtualmachines virtualmachineinstances", f"{_READ} {_WRITE} deletecollection"),
    _rule("kubevirt.io", "virtualmachines/status virtualmachineinstances/status", "get update patch"),
    _rule("subresources.kubevirt.io", "virtualmachines/expand-spec", "get"),
    _rule("kubevirt.io", "kubevirts", f"{_READ} update patch"),
    _rule("kubevirt.io", "kubevirts/status", "get update patch"),
    _rule("", "namespaces", f"{_READ} update patch"),
    _rule("", "nodes", f"{_READ} update patch"),
    _rule("", "nodes/status namespaces/status resourcequotas/status", "get update patch"),
    _rule("", "events", f"{_READ} {_WRITE} deletecollection"),
    _rule("", "namespaces/finalize", "update"),
    # What every namespace has.
    _rule("", "serviceaccounts", "create"),
    _rule("", "configmaps", "create update"),
    # What machines are made of, as it was when they began to use it.
    _rule("apps", "controllerrevisions", "create delete"),
    # The garbage collector and the namespace controller look after every kind that is served, as Kubernetes' own do.
    _rule("*", "*", f"{_READ} patch delete deletecollection"),
    _rule("coordination.k8s.io", "leases", f"{_READ} {_WRITE} deletecollection"),
)
INSTALLATION_RULES = (_rule("", "secrets", "create update"),)
"""What controllers may do in the namespace of the installation alone: keep its certificates."""
NODE_RULES = (
    _rule("kubevirt.io", "virtualmachineinstances", "get list watch update patch"),
    _rule("kubevirt.io", "virtualmachineinstances/status", "get update patch"),
    _rule("kubevirt.io", "kubevirts", "get list watch"),
    _rule("", "nodes", "get list watch create update patch"),
    _rule("", "nodes/status", "get update patch"),
    _rule("", "events", "create update patch"),
    _rule("", "secrets", "get"),
    _rule("coordination.k8s.io", "leases", "get create update patch"),
)


class Authorizer:
    """Decides what each caller may do."""

    def __init__(self, bound_to: Callable[[str, RequestInfo], bool], roles: Roles) -> None:
        """``bound_to(node, asked)`` tells whether an agent's request concerns something bound to its node."""
        self._bound_to = bound_to
        self._roles = roles

    def allowed(self, caller: Caller, asked: RequestInfo) -> bool:
        """Return True when ``caller`` may make the request."""
        if MASTERS_GROUP in caller.groups or asked.path.rstrip("/") in ALWAYS_ALLOWED:
            return True
        if _is_anonymous(caller):
            return False
        if AUTHENTICATED in caller.groups and any(rule.allows(asked) for rule in BASIC_RULES):
            return True
        if caller.node is not None:
            return self._node_allowed(caller.node, asked)
        if any(rule.allows(asked) for rule in _controller_rules(caller, asked.namespace)):
            return True
        return self._roles.allows(caller, asked)

    def rules(self, caller: Caller, namespace: str) -> tuple[Rule, ...]:
        """Return what ``caller`` may do in a namespace; an agent only to what is bound to its node."""
        if MASTERS_GROUP in caller.groups:
            return EVERYTHING
        if _is_anonymous(caller):
            return ()
        basic = BASIC_RULES if AUTHENTICATED in caller.groups else ()
        if caller.node is not None:
            return basic + NODE_RULES
        own = _controller_rules(caller, namespace)
        return tuple(dict.fromkeys((*basic, *own, *self._roles.of(caller, namespace))))

    def _node_allowed(self, node: str, asked: RequestInfo) -> bool:
        if not any(rule.allows(asked) for rule in NODE_RULES):
            return False
        match asked.resource:
            case "nodes" if asked.verb in ("list", "watch"):
                return True
            case "leases" if asked.namespace != LEASE_NAMESPACE:
                return False
            case "nodes" | "leases":
                # A new object's name is in its body; its kind's strategy looks at that.
                return asked.object_name == node or asked.verb == "create"
            case "virtualmachineinstances" if asked.verb in ("list", "watch"):
                return _selected_node(asked) == node
            case "virtualmachineinstances" | "secrets":
                return self._bound_to(node, asked)
            case _:
                return True


def _controller_rules(caller: Caller, namespace: str) -> tuple[Rule, ...]:
    if CONTROLLERS_GROUP not in caller.groups:
        return ()
    return CONTROLLER_RULES + (INSTALLATION_RULES if namespace == INSTALL_NAMESPACE else ())


def _is_anonymous(caller: Caller) -> bool:
    return caller.name == ANONYMOUS.name or not ANONYMOUS.groups.isdisjoint(caller.groups)


def _selected_node(asked: RequestInfo) -> str | None:
    """Return the one node whose instances a list or watch is limited to, or None."""
    try:
        selector = parse_field_selector(asked.field_selector, ("status.nodeName", "status.phase"))
    except StatusError:
        return None
    return selector.required("status.nodeName")


def forbidden(caller: Caller, info: RequestInfo) -> StatusError:
    """403: ``caller`` may not make the request."""
    if not info.is_resource:
        return errors.forbidden(f'User "{caller.name}" cannot {info.verb} path "{info.path}"')
    where = f' in the namespace "{info.namespace}"' if info.namespace else " at the cluster scope"
    qualified = errors.qualified_resource(info.group, info.resource)
    return errors.forbidden(
        f'{qualified} is forbidden: User "{caller.name}" cannot {info.verb} resource "{info.whole_resource}" '
        f'in API group "{info.group}"{where}',
        group=info.group,
        resource=info.resource,
        name=info.object_name,
    )
