"""Where and how a guest runs, and what it is called there."""

from collections.abc import Iterator

from apiserver.machinery.errors import FieldError
from apiserver.machinery.objectmeta import validate_labels
from apiserver.machinery.resource import Object
from apiserver.resources.virtualmachineinstance.defaults.machine import ARCHITECTURES
from apiserver.resources.virtualmachineinstance.validation.values import one_of
from kube.names import label_problem, subdomain_problem

LONGEST_GRACE = 2**31 - 1
"""Seconds, some 68 years: what is far beyond is a mistake, and no clock of the agent's could tell its end."""
EVICTION_STRATEGIES = ("None", "LiveMigrate", "LiveMigrateIfPossible", "External")


def host_name(spec: Object, path: str) -> Iterator[FieldError]:
    """A guest's name is one that DNS can have."""
    for key, problem_of in (("hostname", label_problem), ("subdomain", subdomain_problem)):
        if spec.get(key) and (problem := problem_of(spec[key])):
            yield FieldError.invalid(f"{path}.{key}", spec[key], problem)


def choices(spec: Object, path: str) -> Iterator[FieldError]:
    """What can only be one of a few things is one of them."""
    yield from one_of(spec, "architecture", ARCHITECTURES, path)
    yield from one_of(spec, "startStrategy", ("Paused",), path, empty=False)
    yield from one_of(spec, "evictionStrategy", EVICTION_STRATEGIES, path, empty=False)


def paused_start(spec: Object, path: str) -> Iterator[FieldError]:
    """A guest that starts paused is not taken for dead."""
    if spec.get("startStrategy") == "Paused" and "livenessProbe" in spec:
        detail = "a guest that is paused answers no livenessProbe; remove one of the two"
        yield FieldError.forbidden(f"{path}.startStrategy", detail)


def grace_period(spec: Object, path: str) -> Iterator[FieldError]:
    """A guest cannot be switched off before it was told to shut down."""
    seconds = spec.get("terminationGracePeriodSeconds", 0)
    if seconds < 0:
        detail = "must be 0 (switch off at once) or a number of seconds"
        yield FieldError.invalid(f"{path}.terminationGracePeriodSeconds", seconds, detail)
    if seconds > LONGEST_GRACE:
        detail = f"must be at most {LONGEST_GRACE}; it is a number of seconds"
        yield FieldError.invalid(f"{path}.terminationGracePeriodSeconds", seconds, detail)


def node_selector(spec: Object, path: str) -> Iterator[FieldError]:
    """The labels of a node can be labels."""
    yield from validate_labels(spec.get("nodeSelector", {}), f"{path}.nodeSelector")


RULES = (host_name, choices, paused_start, grace_period, node_selector)
