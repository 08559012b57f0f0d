"""The rules of a KubeVirt object's spec that no schema can express.

Source: KubeVirt's ``pkg/virt-operator/webhooks/kubevirt-update-admitter.go``.
"""

from collections.abc import Iterator
from typing import Any

import orjson

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object
from apiserver.resources.gates import gate_errors
from apiserver.resources.kubevirt.certificates import certificate_errors
from apiserver.resources.virtualmachineinstance.validation import affinity
from apiserver.resources.virtualmachineinstance.validation.placement import node_selector
from apiserver.resources.virtualmachineinstance.validation.values import absolute_path_problems
from kube.configuration import Configuration
from kube.tls import CIPHERS_OF_TLS13, OPENSSL_NAMES

CONFIGURATION = "spec.configuration"
_PATCHES = "spec.customizeComponents.patches"
_PATCH_TYPES = {"json": list, "merge": dict, "strategic": dict}


def validate_spec(new: Object, old: Object) -> Iterator[FieldError]:
    """Yield everything wrong with the spec ``new`` in place of ``old``, which is empty for a new object."""
    yield from certificate_errors(new)
    yield from _patches(new)
    if new.get("infra", {}).get("replicas") == 0:
        yield FieldError.invalid("spec.infra.replicas", 0, "must be at least 1")
    for components in ("infra", "workloads"):
        if new.get(components) != old.get(components):
            yield from _placement(new.get(components, {}).get("nodePlacement", {}), f"spec.{components}.nodePlacement")
    said, before = (Configuration(spec.get("configuration")).said for spec in (new, old))
    yield from _gates_in_both_lists(said)
    yield from _settings_behind_gates(said, before)
    yield from _memory_overhead(said)
    if said.get("tlsConfiguration") != before.get("tlsConfiguration"):
        yield from _tls(said.get("tlsConfiguration", {}))
    yield from _packing(said)
    yield from _guests(said)
    if said.get("seccompConfiguration") != before.get("seccompConfiguration"):
        yield from _seccomp(said.get("seccompConfiguration", {}))


def _placement(placement: Object, path: str) -> Iterator[FieldError]:
    """Yield an error for what no component could be placed by; upstream lets Kubernetes judge a Deployment made so."""
    for rule in (node_selector, *affinity.RULES):
        yield from rule(placement, path)


def _patches(spec: Object) -> Iterator[FieldError]:
    for i, patch in enumerate(spec.get("customizeComponents", {}).get("patches", ())):
        wanted = _PATCH_TYPES.get(patch["type"])
        if wanted is None:
            yield FieldError.not_supported(f"{_PATCHES}[{i}].type", patch["type"], [*_PATCH_TYPES])
        try:
            found = orjson.loads(patch["patch"])
        except orjson.JSONDecodeError as error:
            yield FieldError.invalid(f"{_PATCHES}[{i}].patch", patch["patch"], f"must be JSON: {error}")
            continue
        if wanted is not None and not isinstance(found, wanted):
            told = f"a patch of type {patch['type']} must be {'a list' if wanted is list else 'an object'}"
            yield FieldError.invalid(f"{_PATCHES}[{i}].patch", patch["patch"], told)


def _gates_in_both_lists(said: Object) -> Iterator[FieldError]:
    developer = said.get("developerConfiguration", {})
    disabled = developer.get("disabledFeatureGates", ())
    path = f"{CONFIGURATION}.developerConfiguration.featureGates"
    for i, gate in enumerate(developer.get("featureGates", ())):
        if gate in disabled:
            told = f"{gate} is in disabledFeatureGates as well; remove it from one of the two"
            yield FieldError.forbidden(f"{path}[{i}]", told)


def _settings_behind_gates(said: Object, before: Object) -> Iterator[FieldError]:
    configuration = Configuration(said)
    if said.get("virtTemplateDeployment", {}).get("enabled"):
        yield from gate_errors(configuration, "Template", f"{CONFIGURATION}.virtTemplateDeployment.enabled")
    if said.get("roleAggregationStrategy") == "Manual":
        yield from gate_errors(configuration, "OptOutRoleAggregation", f"{CONFIGURATION}.roleAggregationStrategy")
    downtime = _downtime(said)
    tuned = any(configuration.enabled(gate) for gate in ("MigrationStallDetection", "MigrationDowntimeTuning"))
    if downtime is not None and downtime != _downtime(before) and not tuned:
        # Either will do, so the error of one says it.
        told = "the feature gate MigrationDowntimeTuning is off; add it, or MigrationStallDetection, to featureGates"
        yield FieldError.forbidden(f"{CONFIGURATION}.migrations.maxDowntimeMs", told)


def _downtime(said: Object) -> int | None:
    return said.get("migrations", {}).get("maxDowntimeMs")


def _memory_overhead(said: Object) -> Iterator[FieldError]:
    path = f"{CONFIGURATION}.additionalGuestMemoryOverheadRatio"
    ratio = said.get("additionalGuestMemoryOverheadRatio")
    if ratio is not None and not (_number(ratio) >= 1):
        yield FieldError.invalid(path, ratio, 'must be a number of at least 1, such as "1.25"')


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0


def _packing(said: Object) -> Iterator[FieldError]:
    """Yield an error for nodes on which guests take less than nothing."""
    developer = said.get("developerConfiguration", {})
    for name in ("cpuAllocationRatio", "memoryOvercommit"):
        if developer.get(name, 0) < 0:
            detail = "must be 1 or more; 0 means the default"
            yield FieldError.invalid(f"{CONFIGURATION}.developerConfiguration.{name}", developer[name], detail)
    most = said.get("virtualMachineInstancesPerNode", 0)
    if most < 0:
        yield FieldError.invalid(f"{CONFIGURATION}.virtualMachineInstancesPerNode", most, "must be 0 or more")


def _guests(said: Object) -> Iterator[FieldError]:
    """Yield an error for what would keep every guest from starting."""
    for name, value in said.get("smbios", {}).items():
        if not value.isprintable():
            yield FieldError.invalid(f"{CONFIGURATION}.smbios.{name}", value, "must be printable characters on a line")
    paths = {"ovmfPath": said.get("ovmfPath")}
    for name, board in said.get("architectureConfiguration", {}).items():
        if isinstance(board, dict):
            paths[f"architectureConfiguration.{name}.ovmfPath"] = board.get("ovmfPath")
    for name, path in paths.items():
        if path:
            yield from absolute_path_problems(path, f"{CONFIGURATION}.{name}")


def _tls(said: Object) -> Iterator[FieldError]:
    path = f"{CONFIGURATION}.tlsConfiguration.ciphers"
    ciphers = said.get("ciphers", ())
    if ciphers and said.get("minTLSVersion", "") in ("", "VersionTLS13"):
        told = "the ciphers of TLS 1.3 are not to be chosen; leave them out, or set minTLSVersion to VersionTLS12"
        yield FieldError.forbidden(path, told)
        return
    for i, name in enumerate(ciphers):
        if name not in OPENSSL_NAMES and name not in CIPHERS_OF_TLS13:
            yield FieldError.invalid(f"{path}[{i}]", name, "is no cipher that Go knows; use names of IANA's")


def _seccomp(said: Object) -> Iterator[FieldError]:
    profile: Any = said.get("virtualMachineInstanceProfile")
    if profile is None:
        return
    path = f"{CONFIGURATION}.seccompConfiguration.virtualMachineInstanceProfile.customProfile"
    custom: Any = profile.get("customProfile")
    if custom is None:
        yield FieldError.required(path, "say localhostProfile or runtimeDefaultProfile")
    elif "localhostProfile" in custom and custom.get("runtimeDefaultProfile"):
        for name, other in (
            ("localhostProfile", "runtimeDefaultProfile"),
            ("runtimeDefaultProfile", "localhostProfile"),
        ):
            yield FieldError.invalid(f"{path}.{name}", custom[name], f"does not go with {other}")
