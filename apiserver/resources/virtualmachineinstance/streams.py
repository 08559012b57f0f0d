"""The streams of a running instance: its serial console and its screen.

Source: KubeVirt's ``pkg/virt-api/rest/console.go`` and ``vnc.go``. Clients of its try again after a 400.
"""

from functools import partial

from apiserver.machinery import errors
from apiserver.machinery.action import Call, Endpoint, StreamAction
from apiserver.machinery.resource import Object, Resource
from apiserver.resources.cluster import Cluster
from apiserver.resources.virtualmachine.actions import GROUP, VERSIONS
from kube.nodes import agent_address
from kube.streams import PRESERVE, UID, path

_TRUE = frozenset({"1", "t", "true"})


def actions(instances: Resource, cluster: Cluster) -> tuple[StreamAction, ...]:
    """Return the streams of ``instances``."""

    def console(call: Call) -> Endpoint:
        instance = call.target
        if not _devices(instance).get("autoattachSerialConsole", True):
            raise errors.bad_request("the instance has no serial console: autoattachSerialConsole is false")
        if instance.get("status", {}).get("phase") == "Failed":
            raise errors.conflict(instances.group, instances.plural, instance["metadata"]["name"], "it has failed")
        return _endpoint(instance, "console", cluster)

    def screen(call: Call) -> Endpoint:
        if not _devices(call.target).get("autoattachGraphicsDevice", True):
            raise errors.bad_request("the instance has no screen: autoattachGraphicsDevice is false")
        preserve = call.query.get(PRESERVE, "").lower() in _TRUE
        return _endpoint(call.target, "vnc", cluster, **{PRESERVE: "true"} if preserve else {})

    stream = partial(
        StreamAction, group=GROUP, versions=VERSIONS, resource=instances.plural, verb="get", target=instances
    )
    return (
        stream(subresource="vnc", parameters=(PRESERVE,), locator=screen),
        stream(subresource="console", locator=console),
    )


def _devices(instance: Object) -> Object:
    return instance["spec"].get("domain", {}).get("devices", {})


def _endpoint(instance: Object, device: str, cluster: Cluster, **query: str) -> Endpoint:
    """Return where a device of a running instance is reached. Raises 400 and 503."""
    metadata, status = instance["metadata"], instance.get("status", {})
    if status.get("phase") != "Running":
        raise errors.bad_request(f"the instance is not running: it is in phase {status.get('phase', 'Pending')}")
    name = status.get("nodeName", "")
    node = cluster.stored.one("nodes", "", name)
    found = agent_address(node) if node else None
    if found is None:
        raise errors.unavailable(f"it is not known where the agent of node {name!r} is reached")
    address, port = found
    return Endpoint(
        node=name,
        address=address,
        port=port,
        path=path(metadata["namespace"], metadata["name"], device),
        query={UID: metadata["uid"], **query},
    )
