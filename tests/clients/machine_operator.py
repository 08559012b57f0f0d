"""A small operator for virtual machines, as somebody would write it with kopf."""

from typing import Any

import kopf

VIRTUAL_MACHINES = ("kubevirt.io", "v1", "virtualmachines")


@kopf.on.startup()
def be_quick(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.persistence.finalizer = "operator.test/finalizer"
    settings.posting.level = 0


@kopf.on.create(*VIRTUAL_MACHINES)
def created(body: kopf.Body, patch: kopf.Patch, **_: Any) -> None:
    patch.metadata.labels["operator"] = "knows"
    patch.status["printableStatus"] = "Starting"
    kopf.event(body, type="Normal", reason="Seen", message="A machine appeared.")


@kopf.on.update(*VIRTUAL_MACHINES, field="spec.runStrategy")
def changed(old: str, new: str, patch: kopf.Patch, **_: Any) -> None:
    patch.metadata.annotations["operator.test/change"] = f"{old} to {new}"
    patch.status["printableStatus"] = "Stopping"


@kopf.on.delete(*VIRTUAL_MACHINES)
def deleted(body: kopf.Body, **_: Any) -> None:
    kopf.event(body, type="Normal", reason="Gone", message="A machine went.")
