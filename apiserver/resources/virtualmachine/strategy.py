"""What is special about a VirtualMachine: its run strategy, its template's identity, and its status.

Source: KubeVirt's webhooks for machines (``pkg/virt-api/webhooks``).
"""

from collections.abc import Iterable

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Caller, Object, Strategy
from apiserver.resources.cluster import Cluster
from apiserver.resources.virtualmachine.datavolumetemplates import validate_data_volume_templates
from apiserver.resources.virtualmachine.defaults import fill_changed, fill_new
from apiserver.resources.virtualmachine.expansion import expand, missing
from apiserver.resources.virtualmachine.matchers import validate_matcher_changes, validate_matchers
from apiserver.resources.virtualmachine.validation import (
    template_warnings,
    validate_power,
    validate_template,
    validate_volume_updates,
    validate_while_busy,
)
from apiserver.resources.virtualmachine.volumerequests import validate_volume_requests
from apiserver.resources.virtualmachineinstance.strategy import keep_status, validate_name


class VirtualMachineStrategy(Strategy):
    """A machine keeps its identity from start to start; how it is, only the system says."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def prepare_for_create(self, new: Object, caller: Caller) -> None:
        """Fix what must be the same at every start."""
        fill_new(new, self._cluster)

    def prepare_for_update(self, new: Object, old: Object, caller: Caller) -> None:
        """Put the identity back where a client sends a manifest without it."""
        fill_changed(new, old, self._cluster)

    def prepare_for_status_update(self, new: Object, old: Object, caller: Caller) -> None:
        """Let only the system write."""
        keep_status(new, old, caller)

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with the machine."""
        configuration = self._cluster.configuration
        yield from validate_name(new["metadata"])
        yield from validate_power(new["spec"], configuration)
        yield from validate_volume_updates(new["spec"])
        yield from validate_data_volume_templates(new)
        yield from validate_matchers(new["spec"])
        yield from self._validate_expanded(new, caller)

    def validate_update(self, new: Object, old: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with the change. What was stored under older rules may stay as it is."""
        if "deletionTimestamp" in new["metadata"]:
            return
        configuration, spec, before = self._cluster.configuration, new["spec"], old["spec"]
        yield from validate_power(spec, configuration)
        yield from validate_volume_updates(spec)
        yield from validate_while_busy(new, old)
        yield from validate_matcher_changes(spec, before)
        same = all(spec.get(each) == before.get(each) for each in ("template", "instancetype", "preference"))
        if not same or spec.get("dataVolumeTemplates") != before.get("dataVolumeTemplates"):
            yield from validate_data_volume_templates(new)
        if not same:
            yield from validate_matchers(spec)
            yield from self._validate_expanded(new, caller)

    def validate_status_update(self, new: Object, old: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with what is to be plugged in and out."""
        return validate_volume_requests(new, old, self._cluster.stored)

    def _validate_expanded(self, machine: Object, caller: Caller) -> Iterable[FieldError]:
        """Judge the template as it will be with what instance type and preference make of it."""
        expansion = expand(machine, self._cluster)
        yield from expansion.errors
        yield from validate_template(expansion.template, self._cluster.configuration, caller)

    def warnings(self, new: Object) -> Iterable[str]:
        """Yield what is accepted and should no longer be used, or will not work."""
        if "running" in new["spec"]:
            yield "spec.running is deprecated; use spec.runStrategy"
        yield from template_warnings(new["spec"])
        for each in missing(new, self._cluster):
            yield f"{each.field}: {each.message}"
