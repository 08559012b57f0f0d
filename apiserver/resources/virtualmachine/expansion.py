"""What a machine's instances will be made from: its template with its instance type and preference applied.

Source: KubeVirt's ``pkg/instancetype/webhooks/vm`` and ``expand``.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from apiserver.machinery.cloning import clone
from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object
from apiserver.resources.cluster import Cluster
from apiserver.resources.virtualmachineinstance.defaults import fill_instance
from kube.attachments import add_disks, add_interface
from kube.instancetypes.application import apply
from kube.instancetypes.fields import is_open
from kube.instancetypes.matchers import INSTANCETYPE, PREFERENCE, MissingError, UnknownKindError, chosen
from kube.instancetypes.requirements import unmet
from kube.instancetypes.topology import uneven_spread

TEMPLATE = "spec.template"


@dataclass(frozen=True, slots=True)
class Expansion:
    """A machine's template as instances are made from it."""

    template: Object
    """A copy, or that of the machine itself where there is nothing to apply: it must not be changed."""
    errors: tuple[FieldError, ...] = ()
    """Why instance type and preference cannot be applied. What is missing may still come: see :func:`missing`."""


def expand(machine: Object, cluster: Cluster) -> Expansion:
    """Apply what the machine names to a copy of its template."""
    if not _names_any(machine):
        return Expansion(machine["spec"]["template"])
    template = clone(machine["spec"]["template"])
    instancetype, preference = (_chosen(machine, which, cluster) for which in (INSTANCETYPE, PREFERENCE))
    if why := uneven_spread(instancetype, preference):
        return Expansion(template, (FieldError("FieldValueInvalid", "spec.instancetype", why),))
    conflicts = apply(instancetype, preference, template)
    told = "the instance type decides this; remove it here, or choose another instance type"
    found = [FieldError("FieldValueInvalid", f"{TEMPLATE}.{path}", told) for path in conflicts]
    found += _requirements(instancetype, preference, template, cluster)
    return Expansion(template, tuple(found))


def missing(machine: Object, cluster: Cluster) -> Iterator[FieldError]:
    """Yield what the machine names and is not there yet. It may still come, so this alone refuses no machine."""
    for which in (INSTANCETYPE, PREFERENCE):
        # How it is named is judged by the matcher's own rules.
        with contextlib.suppress(UnknownKindError):
            try:
                chosen(machine, which, cluster.stored)
            except MissingError as error:
                if not is_open(machine["spec"], f"{which}.name"):
                    yield FieldError("FieldValueNotFound", f"spec.{which}", f"{error}; create it first")


def expand_fully(machine: Object, cluster: Cluster) -> tuple[Object, tuple[FieldError, ...]]:
    """Return a machine that needs no instance type or preference any more, and why that cannot be made, if so.

    Unlike :func:`expand` it fills in all that an instance would be filled in with.
    """
    if not _names_any(machine):
        return machine, ()
    expanded = clone(machine)
    spec = expanded["spec"]["template"]["spec"]
    add_disks(spec)
    add_interface(spec, cluster.configuration.default_network_interface)
    expansion = expand(expanded, cluster)
    fill_instance(expansion.template["spec"], cluster.configuration)
    kept = {name: value for name, value in expanded["spec"].items() if name not in (INSTANCETYPE, PREFERENCE)}
    expanded["spec"] = {**kept, "template": expansion.template}
    for which in (INSTANCETYPE, PREFERENCE):
        expanded.get("status", {}).pop(f"{which}Ref", None)
    return expanded, (*missing(machine, cluster), *expansion.errors)


def _names_any(machine: Object) -> bool:
    return INSTANCETYPE in machine["spec"] or PREFERENCE in machine["spec"]


def _chosen(machine: Object, which: str, cluster: Cluster) -> Object | None:
    try:
        return chosen(machine, which, cluster.stored)
    except (MissingError, UnknownKindError):
        return None


def _requirements(
    instancetype: Object | None, preference: Object | None, template: Object, cluster: Cluster
) -> list[FieldError]:
    if not (preference or {}).get("requirements"):
        return []
    spec = clone(template["spec"])
    fill_instance(spec, cluster.configuration)
    return [
        FieldError("FieldValueNotFound", f"spec.{each.path}", each.why)
        for each in unmet(instancetype, preference, spec)
    ]
