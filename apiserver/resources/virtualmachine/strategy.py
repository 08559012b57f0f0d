"""What is special about a VirtualMachine: its run strategy, its template's identity, and its status.

Source: KubeVirt's webhooks for machines (``pkg/virt-api/webhooks``).
"""

import uuid
from collections.abc import Iterable

from apiserver.machinery.errors import FieldError
from apiserver.machinery.objectmeta import validate_annotations, validate_labels
from apiserver.machinery.resource import Caller, Object, Strategy
from apiserver.resources.cluster import Cluster
from apiserver.resources.virtualmachineinstance.bindings import deprecations
from apiserver.resources.virtualmachineinstance.defaults import fill_machine
from apiserver.resources.virtualmachineinstance.strategy import keep_status, validate_name
from apiserver.resources.virtualmachineinstance.validation import validate_spec
from kube.configuration import Configuration

RUN_STRATEGIES = ("Always", "Halted", "Manual", "RerunOnFailure", "Once")
_IDENTITY = {"uuid", "serial"}
"""What guests and licences know a machine by, in its firmware."""
_TEMPLATE_SPEC = "spec.template.spec"


class VirtualMachineStrategy(Strategy):
    """A machine keeps its identity from start to start; how it is, only the system says."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def prepare_for_create(self, new: Object, caller: Caller) -> None:
        """Fix what must be the same at every start: machine type, and the firmware's UUID and serial number."""
        template = new["spec"]["template"]["spec"]
        fill_machine(template, self._cluster.configuration)
        firmware = template["domain"].setdefault("firmware", {})
        for name in _IDENTITY:
            firmware[name] = firmware.get(name) or str(uuid.uuid4())

    def prepare_for_update(self, new: Object, old: Object, caller: Caller) -> None:
        """Put the identity back where a client sends a manifest without it."""
        template, before = new["spec"]["template"]["spec"], old["spec"]["template"]["spec"]
        fill_machine(template, self._cluster.configuration)
        kept = before["domain"].get("firmware", {})
        for name in _IDENTITY & kept.keys():
            firmware = template["domain"].setdefault("firmware", {})
            firmware[name] = firmware.get(name) or kept[name]

    def prepare_for_status_update(self, new: Object, old: Object, caller: Caller) -> None:
        """Let only the system write."""
        keep_status(new, old, caller)

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with the machine."""
        yield from validate_name(new["metadata"])
        yield from _validate_power(new["spec"])
        yield from _validate_template(new["spec"]["template"], self._cluster.configuration)

    def validate_update(self, new: Object, old: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with the change. A template that was stored under older rules may stay as it is."""
        yield from _validate_power(new["spec"])
        if new["spec"]["template"] != old["spec"]["template"]:
            yield from _validate_template(new["spec"]["template"], self._cluster.configuration)

    def warnings(self, new: Object) -> Iterable[str]:
        """Yield what is accepted and should no longer be used."""
        if "running" in new["spec"]:
            yield "spec.running is deprecated; use spec.runStrategy"
        yield from deprecations(new["spec"]["template"]["spec"], _TEMPLATE_SPEC)


def _validate_power(spec: Object) -> Iterable[FieldError]:
    strategy = spec.get("runStrategy")
    if (strategy is None) == ("running" not in spec):
        detail = "exactly one of running and runStrategy is needed; use runStrategy"
        yield FieldError.invalid("spec.running", spec.get("running"), detail)
    if strategy is not None and strategy not in RUN_STRATEGIES:
        yield FieldError.not_supported("spec.runStrategy", strategy, RUN_STRATEGIES)


def _validate_template(template: Object, configuration: Configuration) -> Iterable[FieldError]:
    metadata = template.get("metadata", {})
    yield from validate_labels(metadata.get("labels", {}), "spec.template.metadata.labels")
    yield from validate_annotations(metadata.get("annotations", {}), "spec.template.metadata.annotations")
    yield from validate_spec(template["spec"], _TEMPLATE_SPEC, configuration)
