"""``virtplane uninstall``: takes Virtplane out of a Kubernetes cluster, with all that it has made there.

First the machines, while there is somebody to end their guests; then the APIServices, as groups that nobody answers for
would hold up the deletion of every namespace; then the rest.
"""

from certs.requests import SIGNERS
from client.api import Client
from client.errors import ApiError, if_found
from client.kinds import (
    API_SERVICE,
    CERTIFICATE_SIGNING_REQUEST,
    CONTROLLER_REVISION,
    KUBEVIRT,
    NAMESPACE,
    NODE,
    VIRTUAL_MACHINE,
    VIRTUAL_MACHINE_INSTANCE,
    Kind,
)
from kube.conditions import Condition
from kube.groups import is_kubevirt
from kube.installation import NAMESPACE as INSTALL_NAMESPACE
from kube.objects import Object
from virtplane.kubernetes.install import Tell, called, ours, settle
from virtplane.kubernetes.manifests import KINDS
from virtplane.kubernetes.preconditions import InstallError, require_rights

_MACHINES = (VIRTUAL_MACHINE, VIRTUAL_MACHINE_INSTANCE)
_TOLD = 5
"""How many machines are named where there are too many."""
_OWN_DOMAINS = ("kubevirt.io", "virtplane.io")
"""How the keys of labels and annotations end, before the slash, that agents and controllers put on Nodes."""


async def uninstall(client: Client, *, remove_machines: bool, seconds: float, tell: Tell) -> None:
    """Remove everything; machines only where ``remove_machines`` says so, and the KubeVirt object lets them go.

    Raises InstallError when there are machines that shall stay, or when something does not go within ``seconds``;
    ApiError when the cluster refuses something or is away.
    """
    await require_rights(client)
    if services := await ours(client, API_SERVICE):
        await _end_machines(client, remove=remove_machines, seconds=seconds, tell=tell)
    for each in services:
        await _delete(client, API_SERVICE, each, tell)
    for each in await ours(client, NAMESPACE):
        await _delete(client, NAMESPACE, each, tell)
        await settle(lambda: _namespace_left(client), seconds, tell, "gone")
    for kind in reversed(KINDS):
        for each in await ours(client, kind):
            await _delete(client, kind, each, tell)
    for each in (await client.list(CERTIFICATE_SIGNING_REQUEST))["items"]:
        if each["spec"]["signerName"] in SIGNERS:
            await _delete(client, CERTIFICATE_SIGNING_REQUEST, each, tell)
    await _clear_nodes(client, tell)


async def _end_machines(client: Client, *, remove: bool, seconds: float, tell: Tell) -> None:
    try:
        machines = [each for kind in _MACHINES for each in (await client.list(kind))["items"]]
    except ApiError as error:
        if error.code != 404 and error.code < 500:
            raise
        if not remove:
            raise InstallError(
                f"nobody can say whether there are machines, as their API does not answer ({error}): repair it, or "
                "give --remove-machines. Guests that run are left to their nodes then"
            ) from error
        tell(f"machines are left as they are, as their API does not answer: {error}")
        return
    if machines and not remove:
        names = ", ".join(f"{each['metadata']['namespace']}/{each['metadata']['name']}" for each in machines[:_TOLD])
        more = f" and {len(machines) - _TOLD} more" if len(machines) > _TOLD else ""
        raise InstallError(
            f"there are machines, which would be lost: {names}{more}. Delete them, or give --remove-machines"
        )
    for each in (await client.list(KUBEVIRT))["items"]:
        await _delete(client, KUBEVIRT, each, tell)  # refused where its uninstallStrategy keeps the machines
    for each in machines:
        await _delete(client, _kind_of(each), each, tell)
    await settle(lambda: _machines_left(client), seconds, tell, "gone")
    for each in (await client.list(CONTROLLER_REVISION))["items"]:
        if any(
            is_kubevirt(owner["apiVersion"].partition("/")[0]) for owner in each["metadata"].get("ownerReferences", ())
        ):
            await _delete(client, CONTROLLER_REVISION, each, tell)


def _kind_of(machine: Object) -> Kind:
    return next(kind for kind in _MACHINES if kind.kind == machine["kind"])


async def _machines_left(client: Client) -> dict[str, str]:
    left = [each for kind in _MACHINES for each in (await client.list(kind))["items"]]
    return {called(each): "is coming to its end" for each in left}


async def _namespace_left(client: Client) -> dict[str, str]:
    namespace = await if_found(client.get(NAMESPACE, INSTALL_NAMESPACE))
    if namespace is None:
        return {}
    conditions: list[Condition] = namespace.get("status", {}).get("conditions", [])
    why = [each.get("message", "") for each in conditions if each["status"] == "True"]
    return {called(namespace): "; ".join(why) or "is being emptied"}


async def _delete(client: Client, kind: Kind, obj: Object, tell: Tell) -> None:
    metadata = obj["metadata"]
    place = metadata.get("namespace")
    await if_found(client.delete(kind, metadata["name"], place, propagation_policy="Background"))
    tell(f"{called(obj)}: deleted")


async def _clear_nodes(client: Client, tell: Tell) -> None:
    """Take away what agents and controllers have written on Nodes."""
    for node in (await client.list(NODE))["items"]:
        patch = {
            field: dict.fromkeys(key for key in node["metadata"].get(field, {}) if _is_own(key))
            for field in ("labels", "annotations")
        }
        if any(patch.values()):
            await client.patch(NODE, node["metadata"]["name"], None, {"metadata": patch})
            tell(f"{called(node)}: cleared")


def _is_own(key: str) -> bool:
    domain, slash, _ = key.partition("/")
    return bool(slash) and domain.endswith(_OWN_DOMAINS)
