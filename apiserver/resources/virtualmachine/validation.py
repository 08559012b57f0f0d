"""The rules of a machine: when it runs, what it is made from, and what may not change meanwhile.

Source: KubeVirt's admission webhooks (``vms-admitter.go`` and ``pkg/storage/admitters``).
"""

from collections.abc import Iterator, Sequence

from apiserver.machinery.errors import FieldError
from apiserver.machinery.objectmeta import validate_annotations, validate_labels
from apiserver.machinery.remembering import remembering
from apiserver.machinery.resource import Caller, Object
from apiserver.resources.gates import gate_errors
from apiserver.resources.virtualmachineinstance.defaults import fill_instance
from apiserver.resources.virtualmachineinstance.metadata import reserved_labels
from apiserver.resources.virtualmachineinstance.validation import instance_errors, validate_spec
from apiserver.resources.virtualmachineinstance.validation.annotations import validate_annotation_gates
from apiserver.resources.virtualmachineinstance.validation.boot import identity as firmware_identity
from apiserver.resources.virtualmachineinstance.validation.values import one_of
from apiserver.resources.virtualmachineinstance.warnings import spec_warnings
from kube.configuration import Configuration
from kube.hotplug import memory_obstacle

RUN_STRATEGIES = ("Always", "Halted", "Manual", "RerunOnFailure", "Once", "WaitAsReceiver")
UPDATE_STRATEGIES = ("Replacement", "Migration")
TEMPLATE = "spec.template"
_GUEST_MEMORY = f"{TEMPLATE}.spec.domain.memory.guest:"
IDENTITY = ("uuid", "serial")
"""What guests and licences know a machine by, in its firmware."""


def validate_power(spec: Object, configuration: Configuration) -> Iterator[FieldError]:
    """Yield everything wrong with when the machine runs."""
    strategy = spec.get("runStrategy")
    if (strategy is None) == ("running" not in spec):
        detail = "exactly one of running and runStrategy is needed; use runStrategy"
        yield FieldError.invalid("spec.running", spec.get("running"), detail)
    if strategy is not None and strategy not in RUN_STRATEGIES:
        yield FieldError.not_supported("spec.runStrategy", strategy, RUN_STRATEGIES)
    if strategy == "WaitAsReceiver":
        yield from gate_errors(configuration, "DecentralizedLiveMigration", "spec.runStrategy")


def validate_volume_updates(spec: Object) -> Iterator[FieldError]:
    """Yield an error unless it is clear what becomes of a running guest's volumes that are replaced."""
    yield from one_of(spec, "updateVolumesStrategy", UPDATE_STRATEGIES, "spec")


def validate_template(template: Object, configuration: Configuration, caller: Caller) -> Iterator[FieldError]:
    """Yield everything wrong with the template, as instances of it will be filled in."""
    metadata = template.get("metadata", {})
    yield from reserved_labels(metadata, {}, caller, f"{TEMPLATE}.metadata")
    yield from firmware_identity(template["spec"], f"{TEMPLATE}.spec")
    yield from _template_errors(_without_identity(template), configuration)


def _without_identity(template: Object) -> Object:
    """Return a template without what tells its machine from others of a fleet."""
    spec, domain = template["spec"], template["spec"]["domain"]
    firmware = {name: each for name, each in domain.get("firmware", {}).items() if name not in IDENTITY}
    return {**template, "spec": {**spec, "domain": {**domain, "firmware": firmware}}}


@remembering
def _template_errors(template: Object, configuration: Configuration) -> Iterator[FieldError]:
    metadata, spec = template.get("metadata", {}), template["spec"]
    yield from validate_labels(metadata.get("labels", {}), f"{TEMPLATE}.metadata.labels")
    yield from validate_annotations(metadata.get("annotations", {}), f"{TEMPLATE}.metadata.annotations")
    yield from validate_annotation_gates(metadata, f"{TEMPLATE}.metadata", configuration)
    most = spec["domain"].get("memory", {}).get("maxGuest")
    fill_instance(spec, configuration)
    yield from validate_spec(spec, f"{TEMPLATE}.spec", configuration)
    if most is not None and configuration.updates_live and (obstacle := memory_obstacle(spec, most)):
        yield FieldError.invalid(f"{TEMPLATE}.spec.domain.memory.maxGuest", most, obstacle)


def template_warnings(spec: Object) -> Sequence[str]:
    """Return what the author of a machine's ``spec`` should know of its template."""
    found = _template_warnings(_without_identity(spec["template"])["spec"])
    if "instancetype" not in spec:
        return found
    return [each for each in found if not each.startswith(_GUEST_MEMORY)]  # the type says how much there is


@remembering
def _template_warnings(spec: Object) -> Iterator[str]:
    yield from spec_warnings(spec, f"{TEMPLATE}.spec")
    # Why no guest will start from it, which KubeVirt tells no earlier.
    for error in instance_errors(spec, f"{TEMPLATE}.spec"):
        yield f"{error.field}: {error.message}; no guest can start from this"


def validate_while_busy(new: Object, old: Object) -> Iterator[FieldError]:
    """Yield an error for what may not change while a snapshot of the machine is made, or the machine restored."""
    spec, before, status = new["spec"], old["spec"], old.get("status", {})
    if snapshot := status.get("snapshotInProgress"):
        why = f"cannot change before the snapshot {snapshot} is complete"
        if _volumes(spec) != _volumes(before):
            yield FieldError.forbidden(f"{TEMPLATE}.spec.volumes", why)
        if any(spec.get(name) != before.get(name) for name in ("running", "runStrategy")):
            yield FieldError.forbidden("spec.runStrategy", why)
    restore = status.get("restoreInProgress")
    if restore and run_strategy(spec) != run_strategy(before):
        yield FieldError.forbidden("spec.runStrategy", f"cannot change before the restore {restore} is complete")


def run_strategy(spec: Object) -> str:
    """Return the run strategy, in whichever way it is said; Halted where it is not."""
    return spec.get("runStrategy") or ("Always" if spec.get("running") else "Halted")


def _volumes(spec: Object) -> list[Object]:
    return spec["template"]["spec"].get("volumes", [])
