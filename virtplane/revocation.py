"""``virtplane agent revoke``: shut out the agent of a node, at once and on every replica."""

import asyncio
from datetime import timedelta

from certs.authority import subject
from certs.objects import kept_in
from certs.purposes import AGENT, AGENT_SERVER, MIGRATION_CLIENT, MIGRATION_SERVER
from client.api import Client
from client.errors import if_found
from client.kinds import CONFIG_MAP, EVENT, NODE, SECRET
from kube.bootstraptokens import NAMESPACE as TOKENS_NAMESPACE
from kube.bootstraptokens import SECRET_TYPE, read_token
from kube.installation import NAMESPACE
from kube.objects import Object
from kube.revocation import CONFIG_MAP as REVOKED_NODES
from kube.timestamps import from_time, to_time, utc_now
from kube.users import NODE_PREFIX, NODES_GROUP
from virtplane.administrator import administrator
from virtplane.errors import VirtplaneError
from virtplane.settings import Settings, node_name

MARGIN = timedelta(seconds=1)


class RevocationError(VirtplaneError):
    """Nobody can be shut out so; the message says what to do."""


def revoke(settings: Settings, *, node: str) -> int:
    """Make all worthless that the agent of ``node`` was given until now, and say what next. Raises VirtplaneError."""
    if settings.in_kubernetes:
        raise RevocationError("in Kubernetes an agent is a pod: `kubectl cordon` its node, and delete the pod")
    name = node_name("NODE", node)
    asyncio.run(_revoke(settings, name))
    print(f"the agent of {name} is shut out, and gets no more machines")
    print(f"To let it in again: virtplane token create --node {name}")
    return 0


async def _revoke(settings: Settings, node: str) -> None:
    async with administrator(settings) as client:
        # The server's clock counts, by which certificates begin, and they tell whole seconds: what is made in this one
        # or, before the server knows, in the next, counts as made before.
        told = await client.create(EVENT, _event(node))
        moment = from_time(told["metadata"]["creationTimestamp"]) + MARGIN
        await _note(client, node, to_time(moment))
        for secret in (await client.list(SECRET, TOKENS_NAMESPACE, field_selector=f"type={SECRET_TYPE}"))["items"]:
            token = read_token(secret)
            if token is not None and token.node == node:
                await if_found(client.delete(SECRET, secret["metadata"]["name"], TOKENS_NAMESPACE))
        # A certificate that is made before that moment would be worth nothing, too.
        await asyncio.sleep(2 * MARGIN.total_seconds())
        await _renew_own(client, node)


def _event(node: str) -> Object:
    """Return what tells people of it. Events of cluster-scoped objects live in the default namespace."""
    now = to_time(utc_now())
    return {
        "metadata": {"generateName": f"{node}.", "namespace": "default"},
        "involvedObject": {"apiVersion": NODE.api_version, "kind": NODE.kind, "name": node},
        "type": "Warning",
        "reason": "AgentRevoked",
        "message": "All that the agent was given until now is worth nothing",
        "source": {"component": "virtplane"},
        "reportingComponent": "virtplane",
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }


async def _note(client: Client, node: str, moment: str) -> None:
    patch = {"data": {node: moment}}
    if await if_found(client.patch(CONFIG_MAP, REVOKED_NODES, NAMESPACE, patch)) is None:
        await client.create(CONFIG_MAP, {"metadata": {"name": REVOKED_NODES, "namespace": NAMESPACE}, **patch})


async def _renew_own(client: Client, node: str) -> None:
    """Have the agent of the server's own host given new certificates, which it gets without asking."""
    secrets = {each["metadata"]["name"]: each for each in (await client.list(SECRET, NAMESPACE))["items"]}
    kept = kept_in(secrets.get(AGENT.secret), leaf=True)
    if kept is None or kept.pair.certificate.subject != subject(f"{NODE_PREFIX}{node}", [NODES_GROUP]):
        return
    for leaf in (AGENT, AGENT_SERVER, MIGRATION_CLIENT, MIGRATION_SERVER):
        await if_found(client.delete(SECRET, leaf.secret, NAMESPACE))
