"""What the KubeVirt object says of the system: pure functions of the object and of what runs.

Nothing is rolled out when it changes, since everybody reads it live: what a controller sees is in force. Its deletion
takes the configuration away and nothing else; workloads stay.
Source: KubeVirt's ``pkg/virt-operator`` (phases, conditions, reasons).
"""

from dataclasses import dataclass
from datetime import datetime

from kube.conditions import get_condition, remove_condition, set_condition
from kube.objects import Object

FINALIZER = "kubevirt.io/foregroundDeleteKubeVirt"
OLD_FINALIZER = "foregroundDeleteKubeVirt"
"""As KubeVirt called it before names had to be qualified."""
_STEADY = {"Available": "True", "Progressing": "False", "Degraded": "False"}
_DELETED = {"Available": "False", "Progressing": "False", "Degraded": "True"}
_SYNCHRONIZED = "Synchronized"
EXISTING = "ExistingDeployment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What runs: its version, and the architecture of guests that name none."""

    version: str
    architecture: str


def status_of(kubevirt: Object) -> Object:
    """Return the status as it is, empty where there is none yet."""
    return kubevirt.get("status") or {}


def deployed_status(kubevirt: Object, running: Running, now: datetime) -> Object:
    """Return the status of the object that counts."""
    status = {
        **status_of(kubevirt),
        "phase": "Deployed",
        "observedGeneration": kubevirt["metadata"]["generation"],
        "operatorVersion": running.version,
        "targetKubeVirtVersion": running.version,
        "observedKubeVirtVersion": running.version,
        "defaultArchitecture": running.architecture,
    }
    created = {
        "type": "Created",
        "status": "True",
        "reason": "AllResourcesCreated",
        "message": "The configuration is in force.",
    }
    status["conditions"] = set_condition(remove_condition(_conditions(status), _SYNCHRONIZED), created, now)
    return _with_conditions(status, _STEADY, "AllComponentsReady", "All components run.", now)


def deleting_status(kubevirt: Object, now: datetime) -> Object:
    """Return the status of an object that is deleted."""
    status = {**status_of(kubevirt), "phase": "Deleting"}
    told = "The configuration goes; workloads stay, with the defaults."
    return _with_conditions(status, _DELETED, "DeletionInProgress", told, now)


def surplus_status(kubevirt: Object, governing: Object, now: datetime) -> Object:
    """Return the status of an object that does not count, as there is an older one."""
    new = {
        "type": _SYNCHRONIZED,
        "status": "False",
        "reason": EXISTING,
        "message": surplus_message(governing),
    }
    status = status_of(kubevirt)
    return {**status, "conditions": set_condition(_conditions(status), new, now)}


def surplus_message(governing: Object) -> str:
    """Return why another object than ``governing`` does not count."""
    namespace, name = (governing["metadata"][key] for key in ("namespace", "name"))
    return f"{namespace}/{name} is older and counts; delete one of the two."


def is_told_surplus(kubevirt: Object) -> bool:
    """Return True when the object says already that it does not count."""
    told = get_condition(_conditions(status_of(kubevirt)), _SYNCHRONIZED)
    return told is not None and told.get("reason") == EXISTING


def _with_conditions(status: Object, states: dict[str, str], reason: str, message: str, now: datetime) -> Object:
    conditions = _conditions(status)
    for kind, state in states.items():
        new = {"type": kind, "status": state, "reason": reason, "message": message}
        conditions = set_condition(conditions, new, now)
    return {**status, "conditions": conditions}


def _conditions(status: Object) -> list[Object]:
    return list(status.get("conditions", ()))
