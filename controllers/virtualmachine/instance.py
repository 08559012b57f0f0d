"""From a VirtualMachine's template to its VirtualMachineInstance."""

import copy
import uuid

from kube.instances import MACHINE_FINALIZER
from kube.objects import Object

FIRMWARE_NAMESPACE = uuid.UUID("6a1a24a1-4061-4607-8bf4-a3963d0c5895")
"""A machine's firmware UUID is derived from its identity in this namespace, KubeVirt's own.

KubeVirt takes the name alone, as each of its guests has a libvirt of its own. Here guests share one, which tells them
apart by that UUID: machines of the same name in two namespaces must not have the same.
"""
GENERATION_ANNOTATION = "kubevirt.io/vm-generation"


def build_instance(machine: Object, *, paused: bool) -> Object:
    """Return the instance to create. ``paused`` starts the guest with its CPUs stopped."""
    template = machine["spec"]["template"]
    given = template.get("metadata", {})
    metadata = machine["metadata"]
    annotations = {**given.get("annotations", {}), GENERATION_ANNOTATION: str(metadata["generation"])}
    spec = copy.deepcopy(template["spec"])
    firmware = spec.setdefault("domain", {}).setdefault("firmware", {})
    firmware.setdefault("uuid", str(uuid.uuid5(FIRMWARE_NAMESPACE, f"{metadata['namespace']}/{metadata['name']}")))
    if paused:
        spec["startStrategy"] = "Paused"
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "labels": dict(given.get("labels", {})),
            "annotations": annotations,
            "finalizers": [MACHINE_FINALIZER],
            "ownerReferences": [owner_reference(machine)],
        },
        "spec": spec,
    }


def owner_reference(machine: Object) -> Object:
    """Return the reference that makes ``machine`` the controller of what carries it."""
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "name": machine["metadata"]["name"],
        "uid": machine["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
