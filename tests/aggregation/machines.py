"""Machines for these tests."""

from typing import Any

from tests.conformance.api import Kind


def machines(namespace: str = "default") -> Kind:
    """Where the machines of a namespace are."""
    return Kind("VirtualMachine", "kubevirt.io", "v1", "virtualmachines", namespace)


def machine(name: str, namespace: str = "default", **spec: Any) -> dict[str, Any]:
    """The least machine that is right."""
    template = {"spec": {"domain": {"devices": {}, "memory": {"guest": "64Mi"}}}}
    return machines(namespace).manifest(name, namespace=namespace) | {
        "spec": {"runStrategy": "Halted", "template": template, **spec}
    }
