"""People with a certificate and no more rights than roles give them."""

from certs.authority import issue_client
from certs.pair import Pair
from certs.purposes import CLIENTS
from tests.conformance.api import Api, Kind, Object
from tests.server import Server

RBAC = "rbac.authorization.k8s.io"
ROLE = Kind("Role", RBAC, "v1", "roles", "default")
BINDING = Kind("RoleBinding", RBAC, "v1", "rolebindings", "default")
CLUSTER_ROLE = Kind("ClusterRole", RBAC, "v1", "clusterroles")
CLUSTER_BINDING = Kind("ClusterRoleBinding", RBAC, "v1", "clusterrolebindings")


def enrol(server: Server, name: str, *groups: str) -> str:
    """Make a certificate for a user, and return what it is called."""
    issue_client(Pair.load(server.pki.directory, CLIENTS.file), name, groups).save(server.pki.directory, name)
    return name


async def grant(api: Api, name: str, kind: Kind, role: str, *, role_kind: str = "ClusterRole") -> Object:
    """Bind a user to a role."""
    body = kind.manifest(f"{name}-{role.replace(':', '-')}")
    body["roleRef"] = {"apiGroup": RBAC, "kind": role_kind, "name": role}
    body["subjects"] = [{"apiGroup": RBAC, "kind": "User", "name": name}]
    answer = await api.call("POST", kind.path, body)
    assert answer.code == 201, answer.body
    return answer.body


async def make_role(api: Api, kind: Kind, name: str, *rules: Object) -> Object:
    """Create a role."""
    answer = await api.call("POST", kind.path, {**kind.manifest(name), "rules": list(rules)})
    assert answer.code == 201, answer.body
    return answer.body


def rule(group: str, resources: str, verbs: str, *names: str) -> Object:
    """Return a rule of a role."""
    named = {"resourceNames": list(names)} if names else {}
    return {"apiGroups": [group], "resources": resources.split(), "verbs": verbs.split(), **named}
