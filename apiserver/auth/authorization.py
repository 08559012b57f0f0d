"""May they: node restriction for agents, fixed rules for our own controllers, roles and bindings for everyone else.

An agent has what its rules say and no role adds to it; nor does one let the anonymous do more than see health, version
and what is served.
"""

from typing import Protocol

from apiserver.auth.attributes import RequestInfo
from apiserver.auth.identities import ANONYMOUS
from apiserver.auth.noderestriction import NODE_RULES, BoundTo, node_may
from apiserver.auth.policy import BASIC_RULES, DISCOVERY_RULES
from apiserver.auth.roles import Roles
from apiserver.auth.rules import EVERYTHING, Rule, rule
from apiserver.machinery import errors
from apiserver.machinery.errors import StatusError
from apiserver.machinery.resource import Caller
from certs.requests import SIGNERS
from kube.installation import NAMESPACE as INSTALL_NAMESPACE
from kube.users import AUTHENTICATED, CONTROLLERS_GROUP, MASTERS_GROUP

ALWAYS_ALLOWED = frozenset({"/healthz", "/livez", "/readyz", "/version"})


_READ = "get list watch"
_WRITE = "create update patch delete"
CONTROLLER_RULES = (
    rule("kubevirt.io", "virtualmachines virtualmachineinstances", f"{_READ} {_WRITE} deletecollection"),
    rule("kubevirt.io", "virtualmachines/status virtualmachineinstances/status", "get update patch"),
    rule("subresources.kubevirt.io", "virtualmachines/expand-spec", "get"),
    rule("kubevirt.io", "kubevirts", f"{_READ} update patch"),
    rule("kubevirt.io", "kubevirts/status", "get update patch"),
    rule("", "namespaces", f"{_READ} update patch"),
    rule("", "nodes", f"{_READ} update patch"),
    rule("", "nodes/status namespaces/status resourcequotas/status", "get update patch"),
    rule("", "events", f"{_READ} {_WRITE} deletecollection"),
    rule("", "namespaces/finalize", "update"),
    # What every namespace has.
    rule("", "serviceaccounts", "create"),
    rule("", "configmaps", "create update"),
    # What machines are made of, as it was when they began to use it.
    rule("apps", "controllerrevisions", "create delete"),
    # What agents ask to be signed.
    rule("certificates.k8s.io", "certificatesigningrequests/approval certificatesigningrequests/status", "patch"),
    rule("certificates.k8s.io", "signers", "approve sign", *SIGNERS),
    rule("authorization.k8s.io", "subjectaccessreviews", "create"),
    # The garbage collector and the namespace controller look after every kind that is served, as Kubernetes' own do.
    rule("*", "*", f"{_READ} patch delete deletecollection"),
    rule("coordination.k8s.io", "leases", f"{_READ} {_WRITE} deletecollection"),
)
INSTALLATION_RULES = (rule("", "secrets", "create update"),)
"""What controllers may do in the namespace of the installation alone: keep its certificates."""


class Authorization(Protocol):
    """Decides what each caller may do, and may have to ask somebody first."""

    async def allowed(self, caller: Caller, asked: RequestInfo) -> bool:
        """Return True when ``caller`` may make the request. Raises 503 when that cannot be found out."""
        ...

    def known_to_allow(self, caller: Caller, asked: RequestInfo) -> bool:
        """Return True when nobody has to be asked to know that ``caller`` may make the request."""
        ...


class Authorizer:
    """Decides by the rules that this server has itself, at once."""

    def __init__(self, bound_to: BoundTo, roles: Roles) -> None:
        self._bound_to = bound_to
        self._roles = roles

    async def allowed(self, caller: Caller, asked: RequestInfo) -> bool:
        """Return True when ``caller`` may make the request."""
        return self.allows(caller, asked)

    def known_to_allow(self, caller: Caller, asked: RequestInfo) -> bool:
        """Return the same: there is nobody to ask."""
        return self.allows(caller, asked)

    def allows(self, caller: Caller, asked: RequestInfo) -> bool:
        """Return the same to those who cannot wait."""
        if allowed_to_all(caller, asked):
            return True
        if is_anonymous(caller):
            return is_discovery(asked) and self._roles.allows(caller, asked)
        if caller.node is None and self._roles.allows(caller, asked):
            return True
        if AUTHENTICATED in caller.groups and any(each.allows(asked) for each in BASIC_RULES):
            return True
        if caller.node is not None:
            return node_may(caller.node, asked, self._bound_to)
        return any(each.allows(asked) for each in _controller_rules(caller, asked.namespace))

    def rules(self, caller: Caller, namespace: str) -> tuple[Rule, ...]:
        """Return what ``caller`` may do in a namespace; an agent only to what is bound to its node."""
        if MASTERS_GROUP in caller.groups:
            return EVERYTHING
        if is_anonymous(caller):
            return ()
        basic = BASIC_RULES if AUTHENTICATED in caller.groups else ()
        if caller.node is not None:
            return basic + NODE_RULES
        own = _controller_rules(caller, namespace)
        return tuple(dict.fromkeys((*basic, *own, *self._roles.of(caller, namespace))))


def _controller_rules(caller: Caller, namespace: str) -> tuple[Rule, ...]:
    if CONTROLLERS_GROUP not in caller.groups:
        return ()
    return CONTROLLER_RULES + (INSTALLATION_RULES if namespace == INSTALL_NAMESPACE else ())


def allowed_to_all(caller: Caller, asked: RequestInfo) -> bool:
    """Return True for what needs no rule: health and version for everybody, and everything for ``system:masters``."""
    return MASTERS_GROUP in caller.groups or asked.path.rstrip("/") in ALWAYS_ALLOWED


def is_anonymous(caller: Caller) -> bool:
    """Return True for whom nobody knows, and to whom a role can give nothing but discovery."""
    return caller.name == ANONYMOUS.name or not ANONYMOUS.groups.isdisjoint(caller.groups)


def is_discovery(asked: RequestInfo) -> bool:
    """Return True when the request is for what is served, and for nothing that is in it."""
    return not asked.is_resource and any(each.allows(asked) for each in DISCOVERY_RULES)


async def require(authorization: Authorization, caller: Caller, asked: RequestInfo) -> None:
    """Raise 403 when ``caller`` may not make the request, and 401 when nobody knows them."""
    if not await authorization.allowed(caller, asked):
        raise errors.unauthorized() if caller == ANONYMOUS else _forbidden(caller, asked)


def _forbidden(caller: Caller, info: RequestInfo) -> StatusError:
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
