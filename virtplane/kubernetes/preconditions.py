"""What must be so before an installation into a cluster begins: all that would make it fail half-way is found here."""

from collections.abc import Iterable

from client.api import Client
from client.errors import if_found
from client.kinds import API_SERVICE, DEPLOYMENT, ROLE_BINDING, SECRET
from client.rights import Right, missing
from kube.installation import NAMESPACE, SERVICE
from kube.objects import Object
from virtplane.errors import VirtplaneError
from virtplane.kubernetes.manifests import KINDS, PART_OF, kind_of

DATABASE = "virtplane-database"
"""The Secret with the database's URL, and the claim of a database's volume."""
_NEEDED = ("list", "create", "patch", "delete")
_POSTGRESQL = ("postgresql:", "postgres:")


class InstallError(VirtplaneError):
    """It cannot be installed or removed, or does not work; the message says why."""


async def require_rights(client: Client) -> None:
    """Raise InstallError unless the caller may make, replace and remove all that an installation consists of."""
    places = [(kind, NAMESPACE if kind.namespaced else "") for kind in KINDS]
    places += [(ROLE_BINDING, "kube-system")]
    rights = [
        Right(verb, kind.group, kind.plural, "" if verb == "list" else place)
        for kind, place in places
        for verb in _NEEDED
    ]
    if lacking := await missing(client, rights):
        raise InstallError(f"this user may not {', '.join(lacking)}. Use a kubeconfig of a cluster administrator")


async def require_free_groups(client: Client, objects: Iterable[Object]) -> None:
    """Raise InstallError when somebody else serves, in this cluster, groups that ``objects`` would serve."""
    wanted = {each["metadata"]["name"] for each in objects if kind_of(each) == API_SERVICE}
    present = (await client.list(API_SERVICE))["items"]
    taken = sorted(each["metadata"]["name"] for each in present if not _is_ours(each))
    taken = [name for name in taken if name in wanted]
    if not taken:
        return
    told = f"{', '.join(taken)}: somebody else serves this already, as APIServices or CustomResourceDefinitions"
    if all(name.endswith(".cdi.kubevirt.io") for name in taken):
        raise InstallError(f"{told}. It is CDI's: leave DataVolumes to it, with --data-volumes off")
    raise InstallError(f"{told}. Virtplane takes KubeVirt's place and cannot be beside it: remove KubeVirt first")


async def chosen_overlay(client: Client, asked: str | None, database_url: str) -> str:
    """Return the overlay that is asked for, or else that of what is installed. Raises InstallError."""
    present = await installed_overlay(client)
    chosen = asked or present or ("postgresql" if database_url else "sqlite")
    if present not in (None, chosen):
        raise InstallError(
            f"the installation in this cluster has the overlay {present}: another would begin with an empty database"
        )
    if chosen == "sqlite" and database_url:
        raise InstallError("a database's URL is given, which the overlay sqlite has no use for: use that of postgresql")
    if database_url and not database_url.startswith(_POSTGRESQL):
        raise InstallError("the URL of the database must begin with postgresql://")
    if chosen == "postgresql" and not database_url and await if_found(client.get(SECRET, DATABASE, NAMESPACE)) is None:
        raise InstallError(
            f"the overlay postgresql needs a database: give --database-url, or make the Secret {NAMESPACE}/{DATABASE} "
            "with the key url"
        )
    return chosen


async def installed_overlay(client: Client) -> str | None:
    """Return the overlay of the installation that is there, or None."""
    server = await if_found(client.get(DEPLOYMENT, SERVICE, NAMESPACE))
    if server is None:
        return None
    volumes = server["spec"]["template"]["spec"].get("volumes") or ()
    return "sqlite" if any("persistentVolumeClaim" in each for each in volumes) else "postgresql"


def _is_ours(service: Object) -> bool:
    return (service["spec"].get("service") or {}).get("name") == SERVICE and _labelled(service)


def _labelled(obj: Object) -> bool:
    return (obj["metadata"].get("labels") or {}).get(PART_OF) == "virtplane"
