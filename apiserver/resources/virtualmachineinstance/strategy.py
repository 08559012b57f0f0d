"""What is special about a VirtualMachineInstance: its spec is filled in and then fixed, its status is the system's.

Source: KubeVirt's webhooks for instances (``pkg/virt-api/webhooks``).
"""

from collections.abc import Iterable

from apiserver.machinery.cloning import clone
from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Caller, Object, Strategy
from apiserver.resources.cluster import Cluster
from apiserver.resources.limits import fill_instance_resources, instance_refusal
from apiserver.resources.priorityclass import missing_class
from apiserver.resources.virtualmachineinstance.defaults import fill_instance
from apiserver.resources.virtualmachineinstance.metadata import fill_topology_version, reserved_labels
from apiserver.resources.virtualmachineinstance.presets import APPLIED, apply_presets, preset_errors
from apiserver.resources.virtualmachineinstance.updates import validate_change
from apiserver.resources.virtualmachineinstance.validation import instance_errors, validate_spec
from apiserver.resources.virtualmachineinstance.validation.annotations import validate_annotation_gates
from apiserver.resources.virtualmachineinstance.warnings import spec_warnings
from kube.instances import INSTANCE_FINALIZER
from kube.timestamps import to_time, utc_now

PENDING = "Pending"
LONGEST_NAME = 240
"""Characters of namespace and name together: libvirt names files after a domain, in at most 255 bytes."""


def validate_name(metadata: Object) -> Iterable[FieldError]:
    """Yield an error when no domain can be called after the object."""
    most = LONGEST_NAME - len(metadata.get("namespace", ""))
    name = metadata.get("name", "")
    if len(name) > most:
        yield FieldError.invalid("metadata.name", name, f"must be no more than {most} characters here")


def keep_status(new: Object, old: Object, caller: Caller) -> None:
    """Put back the status, without a word as KubeVirt does, unless the system writes it."""
    if caller.system:
        return
    if "status" in old:
        new["status"] = clone(old["status"])
    else:
        new.pop("status", None)


class VirtualMachineInstanceStrategy(Strategy):
    """A guest's hardware is the system's to change while it runs; who owns it changes the VirtualMachine."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def prepare_for_create(self, new: Object, caller: Caller) -> None:
        """Fill in the spec, hold the instance until its domain is gone, and start it in phase Pending."""
        finalizers = new["metadata"].setdefault("finalizers", [])
        if INSTANCE_FINALIZER not in finalizers:
            finalizers.append(INSTANCE_FINALIZER)
        apply_presets(new, self._cluster.stored)
        fill_instance(new["spec"], self._cluster.configuration)
        fill_instance_resources(self._cluster, new)
        fill_topology_version(new)
        new["status"] = _first_status(new["spec"])

    def prepare_for_update(self, new: Object, old: Object, caller: Caller) -> None:
        """Keep the spec as it is stored, in the words of older defaults too, unless the client means another one."""
        if new["spec"] == old["spec"] or (caller.system and caller.node is None):
            return  # controllers say all that they mean
        configuration, stored = self._cluster.configuration, clone(old["spec"])
        fill_instance(stored, configuration)
        firmware = new["spec"]["domain"].setdefault("firmware", {})
        firmware["uuid"] = firmware.get("uuid") or stored["domain"]["firmware"]["uuid"]
        fill_instance(new["spec"], configuration)
        fill_instance_resources(self._cluster, new)
        if new["spec"] == stored:
            new["spec"] = clone(old["spec"])

    def prepare_for_status_update(self, new: Object, old: Object, caller: Caller) -> None:
        """Let only the system write, and a node's agent not move the instance."""
        keep_status(new, old, caller)
        node = old.get("status", {}).get("nodeName")
        if caller.node is not None and node:
            new["status"]["nodeName"] = node

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with a new instance."""
        if caller.node is not None:
            # It may patch, and a patch that applies creates what is missing: with the Secrets that it likes to read.
            yield FieldError.forbidden("metadata.name", "a node agent creates no instances")
        yield from validate_name(new["metadata"])
        yield from reserved_labels(new["metadata"], {}, caller)
        yield from validate_annotation_gates(new["metadata"], "metadata", self._cluster.configuration)
        yield from validate_spec(new["spec"], "spec", self._cluster.configuration)
        yield from instance_errors(new["spec"], "spec")
        yield from preset_errors(new, self._cluster.stored)

    def validate_update(self, new: Object, old: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with the change. What is stored is not judged again."""
        yield from reserved_labels(new["metadata"], old["metadata"].get("labels", {}), caller)
        yield from validate_change(new, old, caller, self._cluster.configuration)

    def refuses_write(self, new: Object, old: Object | None) -> str | None:
        """Refuse a new instance whose priority class is missing, or which the namespace's limit ranges do not allow."""
        if old is not None:
            return None
        missing = missing_class(self._cluster.stored, new["spec"].get("priorityClassName", ""))
        return missing or instance_refusal(self._cluster, new)

    def warnings(self, new: Object) -> Iterable[str]:
        """Yield what is accepted and should no longer be used, or does not work yet."""
        yield from spec_warnings(new["spec"], "spec")
        if any(name.startswith(APPLIED) for name in new["metadata"].get("annotations", {})):
            yield "VirtualMachineInstancePreset is deprecated; use instancetypes and preferences"


def _first_status(spec: Object) -> Object:
    cpu, memory = spec["domain"]["cpu"], spec["domain"].get("memory", {})
    status: Object = {
        "phase": PENDING,
        "phaseTransitionTimestamps": [{"phase": PENDING, "phaseTransitionTimestamp": to_time(utc_now())}],
        "currentCPUTopology": {count: cpu[count] for count in ("sockets", "cores", "threads")},
    }
    if "guest" in memory:
        status["memory"] = dict.fromkeys(("guestAtBoot", "guestCurrent", "guestRequested"), memory["guest"])
    return status
