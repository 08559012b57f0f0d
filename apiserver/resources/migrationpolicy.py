"""MigrationPolicy: how instances with certain labels migrate."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Caller, Object, Resource, Strategy
from apiserver.machinery.schema import Catalogue
from apiserver.resources.cluster import Cluster
from apiserver.resources.gates import gate_errors
from apiserver.resources.rules import quantity_errors
from apiserver.resources.versions import versions
from kube.quantity import parse

GROUP = "migrations.kubevirt.io"
VERSIONS = ("v1alpha1",)
KIND = "MigrationPolicy"
STALL, TUNING = "MigrationStallDetection", "MigrationDowntimeTuning"
_FACTORS: dict[str, tuple[str, str | None]] = {
    "ewmaAlpha": ("0.001", "1"),
    "precopyPossibleFactor": ("1", None),
    "patienceWindowDecayFactor": ("0", "1"),
    "completionTimeoutFactor": ("1", None),
}
"""The least and the most that each factor of the stall detector may be. They have at most three decimals."""
_GATED = {"stallDetector": STALL, "downtimeTuning": TUNING}


class MigrationPolicyStrategy(Strategy):
    """What is behind a gate stays as it is while the gate is off.

    Source: KubeVirt's ``migrationpolicy-admitter.go``.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with a new policy."""
        yield from self._gate_errors(new["spec"], {})
        yield from _spec_errors(new["spec"])

    def validate_update(self, new: Object, old: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with the change."""
        yield from self._gate_errors(new["spec"], old["spec"])
        yield from _spec_errors(new["spec"])

    def _gate_errors(self, spec: Object, before: Object) -> Iterator[FieldError]:
        configuration = self._cluster.configuration
        downtime = spec.get("maxDowntimeMs")
        if downtime not in (None, before.get("maxDowntimeMs")) and not configuration.enabled(TUNING):
            yield from gate_errors(configuration, STALL, "spec.maxDowntimeMs")
        options, known = spec.get("experimental", {}), before.get("experimental", {})
        for field, gate in _GATED.items():
            if field in options and options[field] != known.get(field):
                yield from gate_errors(configuration, gate, f"spec.experimental.{field}")


def _spec_errors(spec: Object) -> Iterator[FieldError]:
    if (seconds := spec.get("completionTimeoutPerGiB", 0)) < 0:
        yield FieldError.invalid("spec.completionTimeoutPerGiB", seconds, "must not be negative")
    if "bandwidthPerMigration" in spec:
        yield from quantity_errors(spec["bandwidthPerMigration"], "spec.bandwidthPerMigration")
    options = spec.get("experimental", {})
    if all(field in options for field in _GATED):
        yield FieldError.invalid(
            "spec.experimental", sorted(options), "stallDetector and downtimeTuning exclude each other"
        )
    for field, (least, most) in _FACTORS.items():
        if (value := options.get("stallDetector", {}).get(field)) is not None:
            yield from _factor_errors(value, least, most, f"spec.experimental.stallDetector.{field}")


def _factor_errors(value: Any, least: str, most: str | None, path: str) -> Iterator[FieldError]:
    wrong = list(quantity_errors(value, path))
    yield from wrong
    if wrong:
        return
    factor = Fraction(parse(value))
    if (factor * 1000).denominator != 1:
        yield FieldError.invalid(path, value, "must have at most three decimals")
    elif factor < Fraction(least) or (most is not None and factor > Fraction(most)):
        yield FieldError.invalid(path, value, f"must be at least {least}" + (f" and at most {most}" if most else ""))


def resource(catalogue: Catalogue, cluster: Cluster) -> Resource:
    """Define the kind."""
    return Resource(
        group=GROUP,
        kind=KIND,
        plural="migrationpolicies",
        singular="migrationpolicy",
        namespaced=False,
        versions=versions(catalogue, GROUP, KIND, VERSIONS),
        strategy=MigrationPolicyStrategy(cluster),
        has_status=True,
        has_generation=True,
        custom=True,
        unattended=True,
    )
