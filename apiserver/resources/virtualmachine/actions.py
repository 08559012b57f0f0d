"""What can be asked of a machine beyond reading and writing it: what it will be made of.

Source: KubeVirt's ``pkg/virt-api/rest/expand.go``.
"""

from collections.abc import Sequence

from apiserver.machinery import errors
from apiserver.machinery.action import Call, ObjectAction
from apiserver.machinery.cloning import clone
from apiserver.machinery.errors import FieldError, StatusError
from apiserver.machinery.resource import Object, Resource
from apiserver.resources.cluster import Cluster
from apiserver.resources.virtualmachine.expansion import expand_fully
from apiserver.resources.virtualmachine.matchers import infer, validate_matchers

GROUP = "subresources.kubevirt.io"
VERSIONS = ("v1", "v1alpha3")


def actions(machines: Resource, cluster: Cluster) -> tuple[ObjectAction, ...]:
    """Return the actions of ``machines``, in the order in which discovery tells them."""

    async def expand_sent(call: Call) -> Object:
        machine = clone(call.body)
        infer(machine, cluster.stored)
        expanded, found = expand_fully(machine, cluster)
        if wrong := (*validate_matchers(machine["spec"]), *found):
            raise _refused(400, "BadRequest", wrong)
        return expanded

    async def expand_stored(call: Call) -> Object:
        expanded, wrong = expand_fully(call.target, cluster)
        if wrong:
            raise _refused(500, "InternalError", wrong)
        return expanded

    return (
        ObjectAction(
            group=GROUP,
            versions=VERSIONS,
            resource="expand-vm-spec",
            verb="update",
            takes=machines,
            returns=machines,
            handler=expand_sent,
        ),
        ObjectAction(
            group=GROUP,
            versions=VERSIONS,
            resource=machines.plural,
            subresource="expand-spec",
            verb="get",
            target=machines,
            returns=machines,
            handler=expand_stored,
        ),
    )


def _refused(code: int, reason: str, wrong: Sequence[FieldError]) -> StatusError:
    """Return why a machine cannot be expanded; KubeVirt takes a stored machine's faults for its own, hence the code."""
    told = errors.told(f"{each.field}: {each.message}" for each in wrong)
    return StatusError(code, reason, f"the machine cannot be expanded: {'; '.join(told)}")
