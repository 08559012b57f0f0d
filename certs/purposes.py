"""What certificates are for: an authority for each purpose, and all that it signs for Secrets. The one table of both.

Whoever needs a certificate chooses a row and adds only what nobody else knows: the names that it serves under, and the
name of its node. Source of names: KubeVirt's ``generate/components/secrets.go`` of its operator.
"""

from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID

from certs.trust import Request
from kube import users


@dataclass(frozen=True, slots=True)
class Purpose:
    """What one authority is trusted for; who has its key can do no more than that."""

    authority: str
    """The Secret of the authority, and the ConfigMap of the bundle."""
    file: str
    """Below ``pki/``: ``FILE.crt`` is the bundle, ``FILE.pem`` the authority with its key."""

    def common_name(self, made: float) -> str:
        """Return what an authority is called that was made at ``made`` (seconds since 1970).

        By the time authorities of one purpose are told apart, and by what precedes it those of different ones.
        """
        return f"{self.authority}@{made:.0f}"


SERVER = Purpose("kubevirt-ca", "ca")
"""That this is the API server."""
CLIENTS = Purpose("virtplane-client-ca", "clients-ca")
"""Who calls the API server, whoever that is."""
CONTROLLERS = Purpose("kubevirt-controller-ca", "controllers-ca")
"""That the controllers call it."""
AGENTS = Purpose("kubevirt-virt-handler-ca", "agents-ca")
"""That the agent of a node calls it."""
STREAMS = Purpose("kubevirt-virt-handler-server-ca", "streams-ca")
"""Both ends of what the API server asks of agents: consoles and other streams."""
MIGRATION = Purpose("kubevirt-migration-ca", "migration-ca")
"""Both ends of a migration."""
EXPORTS = Purpose("kubevirt-export-ca", "exports-ca")
"""That this serves exported volumes."""
OF_AGENTS = (SERVER, AGENTS, STREAMS)
"""Of whom an agent on a host of its own has to know."""
CALLERS = (CLIENTS, CONTROLLERS, AGENTS)
"""By whom the API server knows who calls."""
PURPOSES = (SERVER, CLIENTS, CONTROLLERS, AGENTS, STREAMS, MIGRATION, EXPORTS)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A certificate that is kept in a Secret."""

    secret: str
    purpose: Purpose
    file: str
    """Below ``pki/``: ``FILE.pem``, the certificate with its key."""
    user: str
    """Its common name; of an agent's, what precedes the name of the node."""
    groups: tuple[str, ...] = ()
    serves: bool = False
    """True for a server's, which has names; False for a client's."""

    def request(self, names: tuple[str, ...] = (), node: str = "") -> Request:
        """Return what to issue for who serves under ``names`` on ``node``.

        Raises ValueError for a server without names, and for what names a node without one.
        """
        if (self.serves and not names) or (self.of_node and not node):
            raise ValueError(f"{self.secret} needs {'names' if node else 'the name of a node'}")
        return Request(self.user + (node if self.of_node else ""), self.groups, names if self.serves else ())

    @property
    def of_node(self) -> bool:
        """True for one that names a node."""
        return self.user.endswith(":")


API = Leaf("kubevirt-virt-api-certs", SERVER, "server", "virtplane", serves=True)
ADMIN = Leaf("virtplane-admin-certs", CLIENTS, "admin", "kubernetes-admin", (users.MASTERS_GROUP,))
LOOPBACK = Leaf("virtplane-api-loopback-certs", CLIENTS, "loopback", users.SERVER, (users.MASTERS_GROUP,))
"""With which the server's process looks after the certificates, as a client of its own API."""
CONTROLLER = Leaf(
    "kubevirt-controller-certs", CONTROLLERS, "controllers", users.CONTROLLERS, (users.CONTROLLERS_GROUP,)
)
AGENT = Leaf("kubevirt-virt-handler-certs", AGENTS, "agent", users.NODE_PREFIX, (users.NODES_GROUP,))
AGENT_SERVER = Leaf("kubevirt-virt-handler-server-certs", STREAMS, "agent-server", users.NODE_PREFIX, serves=True)
AGENT_CLIENT = Leaf("virtplane-api-agent-client-certs", STREAMS, "agent-client", users.SERVER)
"""With which the API server calls agents."""
MIGRATION_CLIENT = Leaf(
    "kubevirt-virt-handler-migration-client-certs", MIGRATION, "migration-client", "virtplane-migration"
)
MIGRATION_SERVER = Leaf(
    "kubevirt-virt-handler-migration-server-certs", MIGRATION, "migration-server", users.NODE_PREFIX, serves=True
)
EXPORT = Leaf("kubevirt-exportproxy-certs", EXPORTS, "exports", "virtplane-exports", serves=True)
LEAVES = (
    *(API, ADMIN, LOOPBACK, CONTROLLER, AGENT),
    *(AGENT_SERVER, AGENT_CLIENT, MIGRATION_CLIENT, MIGRATION_SERVER, EXPORT),
)
_BY_AUTHORITY = {each.authority: each for each in PURPOSES}
BY_SECRET = {each.secret: each for each in LEAVES}


def purpose_of(common_name: str) -> Purpose | None:
    """Return what an authority of this name is for; None for one that is none of ours.

    That is safe to rely on for an issuer that TLS has verified: authorities can sign no other authorities.
    """
    authority, at, _ = common_name.partition("@")
    return _BY_AUTHORITY.get(authority) if at else None


def signs_for(purpose: Purpose, certificate: x509.Certificate) -> bool:
    """Return False for what is no authority, or has the name of another purpose's and so would count as that one."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (ValueError, x509.ExtensionNotFound):
        return False
    return constraints.ca and all(purpose_of(str(each.value)) in (purpose, None) for each in names)
