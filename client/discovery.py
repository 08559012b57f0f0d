"""What a server serves, read from its aggregated discovery documents (KEP-3352)."""

from collections.abc import Iterator
from dataclasses import dataclass

from client.api import Client
from client.errors import ApiError
from client.kinds import Kind
from kube.objects import Object

ACCEPT = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


@dataclass(frozen=True, slots=True)
class Served:
    """One kind that is served."""

    kind: Kind
    """In the version that the server prefers."""
    versions: frozenset[str]
    verbs: frozenset[str]


async def discover(client: Client) -> list[Served]:
    """Return every kind that is served.

    Raises ApiError, also when the server does not know for certain what is served: then nobody may conclude that
    something is not.
    """
    served: list[Served] = []
    for root in ("/api", "/apis"):
        document = await client.document(root, ACCEPT)
        for group in document["items"]:
            served += _kinds(group)
    return served


def _kinds(group: Object) -> Iterator[Served]:
    name = group.get("metadata", {}).get("name", "")
    preferred: dict[str, tuple[str, Object]] = {}
    versions: dict[str, set[str]] = {}
    for version in group["versions"]:
        if version.get("freshness") == "Stale":
            raise ApiError(503, "ServiceUnavailable", f"what {name}/{version['version']} serves is not known")
        for resource in version["resources"]:
            preferred.setdefault(resource["resource"], (version["version"], resource))
            versions.setdefault(resource["resource"], set()).add(version["version"])
    for plural, (version, resource) in preferred.items():
        namespaced = resource["scope"] == "Namespaced"
        kind = Kind(name, version, resource["responseKind"]["kind"], plural, namespaced=namespaced)
        yield Served(kind, frozenset(versions[plural]), frozenset(resource["verbs"]))
