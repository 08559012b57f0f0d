"""Objects for tests, with what the API server would have filled in."""

from datetime import UTC, datetime
from typing import Any

from controllers.virtualmachine.instance import owner_reference
from kube.instances import INSTANCE_FINALIZER, MACHINE_FINALIZER

Object = dict[str, Any]

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
DELETED = {"deletionTimestamp": "2026-01-01T11:59:00Z"}


def machine(strategy: str = "Always", *, deleted: bool = False, held: bool = True, **status: Any) -> Object:
    metadata: Object = {"name": "vm", "namespace": "default", "uid": "vm-uid", "generation": 2, "resourceVersion": "7"}
    metadata |= DELETED if deleted else {}
    metadata |= {"finalizers": [MACHINE_FINALIZER]} if held else {}
    guest = {"domain": {"memory": {"guest": "64Mi"}, "devices": {}}}
    template = {"metadata": {"labels": {"app": "x"}, "annotations": {"note": "y"}}, "spec": guest}
    spec = {"runStrategy": strategy, "template": template}
    about = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine"}
    return {**about, "metadata": metadata, "spec": spec, "status": status}


def instance(phase: str = "Running", *, deleted: bool = False, agent_holds: bool = True, **status: Any) -> Object:
    finalizers = [MACHINE_FINALIZER, *([INSTANCE_FINALIZER] if agent_holds else [])]
    metadata: Object = {"name": "vm", "namespace": "default", "uid": "vmi-uid", "resourceVersion": "9"}
    metadata |= {"finalizers": finalizers, "ownerReferences": [owner_reference(machine())]}
    metadata |= {"annotations": {"kubevirt.io/vm-generation": "1"}} | (DELETED if deleted else {})
    about = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance"}
    spec = {"domain": {"memory": {"guest": "64Mi"}, "devices": {}}}
    return {**about, "metadata": metadata, "spec": spec, "status": {"phase": phase, **status}}


def node(name: str = "a", *, memory: str = "1Gi", cpu: str = "2", **labels: str) -> Object:
    metadata: Object = {"name": name, "uid": f"{name}-uid", "resourceVersion": "1", "labels": labels}
    metadata |= {"creationTimestamp": "2026-01-01T00:00:00Z"}
    metadata["labels"] = {"kubevirt.io/schedulable": "true", **labels}
    status = {
        "conditions": [{"type": "Ready", "status": "True"}],
        "allocatable": {"cpu": cpu, "memory": memory},
    }
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {}, "status": status}
