"""The roles and bindings that every server has from the start.

Source: ``k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac/bootstrappolicy`` for the kinds of Kubernetes that are
served here, and KubeVirt's ``pkg/virt-operator/resource/generate/rbac`` for its own.
"""

from collections.abc import Iterable

from apiserver.auth.roles import GROUP
from apiserver.auth.rules import Rule
from apiserver.machinery.resource import Object
from kube.bootstraptokens import AGENTS_GROUP
from kube.users import ACCOUNTS_GROUP, AUTHENTICATED, MASTERS_GROUP, UNAUTHENTICATED

AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
"""The annotation that keeps a default as it is, where it is ``false``."""
_BOOTSTRAPPING = {"kubernetes.io/bootstrapping": "rbac-defaults"}
_AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"

_READ = "get list watch"
_EDIT = "create delete get list patch update watch"
_WRITE = "create delete deletecollection patch update"
_ALL = f"{_READ} {_WRITE}"
_NODE_BOOTSTRAPPER = "system:node-bootstrapper"
_NODE_CLIENT = "system:certificates.k8s.io:certificatesigningrequests:nodeclient"
"""Whose requests for a node's certificate are approved at once; otherwise somebody has to."""
_HEALTH = "/healthz /livez /readyz /version /version/"


def _rule(groups: str, resources: str, verbs: str) -> Object:
    return {
        "apiGroups": ["" if group == "core" else group for group in groups.split()],
        "resources": resources.split(),
        "verbs": verbs.split(),
    }


def _paths(paths: str, verbs: str = "get") -> Object:
    return {"nonResourceURLs": paths.split(), "verbs": verbs.split()}


def _role(name: str, *rules: Object, part_of: str = "") -> Object:
    labels = {f"{_AGGREGATE}{part_of}": "true"} if part_of else {}
    return {"metadata": _metadata(name, labels), "rules": list(rules)}


def _aggregated(name: str, *, part_of: str = "") -> Object:
    selector = {"matchLabels": {f"{_AGGREGATE}{name}": "true"}}
    return {**_role(name, part_of=part_of), "aggregationRule": {"clusterRoleSelectors": [selector]}}


def _metadata(name: str, labels: Object) -> Object:
    return {"name": name, "labels": _BOOTSTRAPPING | labels, "annotations": {AUTOUPDATE: "true"}}


def _binding(role: str, *groups: str) -> Object:
    return {
        "metadata": _metadata(role, {}),
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": GROUP, "kind": "Group", "name": group} for group in groups],
    }


def _system_roles() -> Iterable[Object]:
    return (
        _role("cluster-admin", _rule("*", "*", "*"), _paths("*", "*")),
        _role("system:discovery", _paths(f"/api /api/* /apis /apis/* /openapi /openapi/* {_HEALTH}")),
        _role(
            "system:basic-user",
            _rule("authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews", "create"),
            _rule("authentication.k8s.io", "selfsubjectreviews", "create"),
        ),
        _role("system:public-info-viewer", _paths(_HEALTH)),
        _role(
            "system:monitoring", _paths("/healthz /healthz/* /livez /livez/* /readyz /readyz/* /metrics /metrics/slis")
        ),
        _role(
            "system:auth-delegator",
            _rule("authentication.k8s.io", "tokenreviews", "create"),
            _rule("authorization.k8s.io", "subjectaccessreviews", "create"),
        ),
        _role(_NODE_BOOTSTRAPPER, _rule("certificates.k8s.io", "certificatesigningrequests", "create get list watch")),
        _role(_NODE_CLIENT, _rule("certificates.k8s.io", "certificatesigningrequests/nodeclient", "create")),
        _role("system:service-account-issuer-discovery", _paths("/.well-known/openid-configuration /openid/v1/jwks")),
    )


def _users_roles() -> Iterable[Object]:
    admin, edit, view = (f"system:aggregate-to-{name}" for name in ("admin", "edit", "view"))
    kept = "configmaps events persistentvolumeclaims serviceaccounts"
    seen = f"{kept} limitranges namespaces namespaces/status pods resourcequotas resourcequotas/status"
    return (
        _aggregated("admin"),
        _aggregated("edit", part_of="admin"),
        _aggregated("view", part_of="edit"),
        _role(
            admin,
            _rule("authorization.k8s.io", "localsubjectaccessreviews", "create"),
            _rule(GROUP, "rolebindings roles", _ALL),
            part_of="admin",
        ),
        _role(
            edit,
            _rule("core", "secrets", _READ),
            _rule("core", "configmaps events persistentvolumeclaims secrets serviceaccounts", _WRITE),
            _rule("core", "serviceaccounts", "impersonate"),
            _rule("core", "serviceaccounts/token", "create"),
            _rule("coordination.k8s.io", "leases", _ALL),
            part_of="edit",
        ),
        _role(
            view,
            _rule("core", seen, _READ),
            _rule("apps", "controllerrevisions", _READ),
            part_of="view",
        ),
    )


_MACHINES = "virtualmachines virtualmachineinstances virtualmachineinstancepresets virtualmachineinstancereplicasets"
_SNAPSHOTS = "virtualmachinesnapshots virtualmachinesnapshotcontents virtualmachinerestores"
_TYPES = (
    "virtualmachineinstancetypes virtualmachineclusterinstancetypes "
    "virtualmachinepreferences virtualmachineclusterpreferences"
)
_LOOK = "virtualmachineinstances/guestosinfo virtualmachineinstances/filesystemlist virtualmachineinstances/userlist"
_ATTESTATION = "virtualmachineinstances/sev/fetchcertchain virtualmachineinstances/sev/querylaunchmeasurement"
_REACH = " ".join(
    f"virtualmachineinstances/{each}" for each in ("console", "vnc", "vnc/screenshot", "portforward", "usbredir")
)
_STEER = " ".join(
    f"virtualmachineinstances/{each}"
    for each in (
        *("pause", "unpause", "addvolume", "removevolume", "freeze", "unfreeze", "softreboot", "reset"),
        *("sev/setupsession", "sev/injectlaunchsecret"),
    )
)
_POWER = " ".join(
    f"virtualmachines/{each}" for each in ("start", "stop", "restart", "addvolume", "removevolume", "memorydump")
)
_SUBRESOURCES = "subresources.kubevirt.io"


def _using(machines: str) -> tuple[Object, ...]:
    """Return what admins and editors may; they differ in what they may do with whole collections of ``machines``."""
    return (
        _rule(_SUBRESOURCES, f"{_REACH} {_LOOK} {_ATTESTATION}", "get"),
        _rule(_SUBRESOURCES, _STEER, "update"),
        _rule(_SUBRESOURCES, "virtualmachines/expand-spec virtualmachines/portforward", "get"),
        _rule(_SUBRESOURCES, _POWER, "update"),
        _rule(_SUBRESOURCES, "expand-vm-spec", "update"),
        _rule("kubevirt.io", _MACHINES, machines),
        _rule("kubevirt.io", "virtualmachineinstancemigrations", _READ),
        _rule("snapshot.kubevirt.io", _SNAPSHOTS, machines),
        _rule("export.kubevirt.io", "virtualmachineexports", machines),
        _rule("clone.kubevirt.io", "virtualmachineclones", machines),
        _rule("instancetype.kubevirt.io", _TYPES, machines),
        _rule("pool.kubevirt.io", "virtualmachinepools", machines),
        _rule("migrations.kubevirt.io", "migrationpolicies", _READ),
    )


def _kubevirt_roles() -> Iterable[Object]:
    return (
        _role("kubevirt.io:default", _rule("kubevirt.io", "kubevirts", "get list")),
        _role("kubevirt.io:admin", *_using(_ALL), part_of="admin"),
        _role("kubevirt.io:edit", *_using(_EDIT), _rule("kubevirt.io", "kubevirts", "get list"), part_of="edit"),
        _role(
            "kubevirt.io:view",
            _rule(_SUBRESOURCES, f"{_LOOK} {_ATTESTATION} virtualmachines/expand-spec", "get"),
            _rule(_SUBRESOURCES, "expand-vm-spec", "update"),
            _rule("kubevirt.io", f"{_MACHINES} virtualmachineinstancemigrations", _READ),
            _rule("snapshot.kubevirt.io", _SNAPSHOTS, _READ),
            _rule("export.kubevirt.io", "virtualmachineexports", _READ),
            _rule("clone.kubevirt.io", "virtualmachineclones", _READ),
            _rule("instancetype.kubevirt.io", _TYPES, _READ),
            _rule("pool.kubevirt.io", "virtualmachinepools", _READ),
            _rule("migrations.kubevirt.io", "migrationpolicies", _READ),
            part_of="view",
        ),
        _role(
            "kubevirt.io:migrate",
            _rule(_SUBRESOURCES, "virtualmachines/migrate", "update"),
            _rule("kubevirt.io", "virtualmachineinstancemigrations", _ALL),
        ),
        _role(
            "instancetype.kubevirt.io:view",
            _rule(
                "instancetype.kubevirt.io",
                "virtualmachineclusterinstancetypes virtualmachineclusterpreferences",
                _READ,
            ),
        ),
        _role("cdi.kubevirt.io:admin", _rule("cdi.kubevirt.io", "datavolumes datasources", _ALL), part_of="admin"),
        _role("cdi.kubevirt.io:edit", _rule("cdi.kubevirt.io", "datavolumes datasources", _ALL), part_of="edit"),
        _role("cdi.kubevirt.io:view", _rule("cdi.kubevirt.io", "datavolumes datasources", _READ), part_of="view"),
    )


CLUSTER_ROLES: tuple[Object, ...] = (*_system_roles(), *_users_roles(), *_kubevirt_roles())
CLUSTER_ROLE_BINDINGS: tuple[Object, ...] = (
    _binding("cluster-admin", MASTERS_GROUP),
    _binding("system:discovery", AUTHENTICATED),
    _binding("system:basic-user", AUTHENTICATED),
    _binding("system:public-info-viewer", AUTHENTICATED, UNAUTHENTICATED),
    _binding(_NODE_BOOTSTRAPPER, AGENTS_GROUP),
    _binding(_NODE_CLIENT, AGENTS_GROUP),
    _binding("system:monitoring", "system:monitoring"),
    _binding("system:service-account-issuer-discovery", ACCOUNTS_GROUP),
    _binding("kubevirt.io:default", AUTHENTICATED),
    _binding("instancetype.kubevirt.io:view", AUTHENTICATED),
)


def _rules_of(name: str) -> tuple[Rule, ...]:
    return tuple(Rule.of(rule) for role in CLUSTER_ROLES if role["metadata"]["name"] == name for rule in role["rules"])


DISCOVERY_RULES = _rules_of("system:discovery")
"""All that a role can let the anonymous do."""
BASIC_RULES = (*DISCOVERY_RULES, *_rules_of("system:basic-user"))
"""What everybody may who is known, agents and controllers too, whatever becomes of the roles that say so."""
