"""Features behind gates: what is asked for while its gate is off is refused, with the gate's name and what to do."""

from collections.abc import Iterator

from apiserver.machinery.errors import FieldError
from kube.configuration import Configuration
from kube.gates import GATES, Maturity

_WHERE = "of the KubeVirt object's spec.configuration.developerConfiguration"


def gate_errors(configuration: Configuration, gate: str, field: str) -> Iterator[FieldError]:
    """Yield an error when ``gate`` is off, and with it the feature that ``field`` (a path) belongs to."""
    if not configuration.enabled(gate):
        yield FieldError.forbidden(field, f"the feature gate {gate} is off; {_way_out(configuration, gate)}")


def _way_out(configuration: Configuration, gate: str) -> str:
    if GATES[gate] is Maturity.DISCONTINUED:
        return "its feature no longer exists, so remove this field"
    if configuration.disabled(gate):
        return f"remove it from disabledFeatureGates {_WHERE}, or remove this field"
    return f"add it to featureGates {_WHERE}, or remove this field"
