"""When the guest moves, and how it is watched."""

from apiserver.machinery.resource import Object
from kube.configuration import Configuration

_PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}


def eviction_strategy(spec: Object, configuration: Configuration) -> None:
    """Take the cluster's eviction strategy, if it has one."""
    if configuration.eviction_strategy is not None:
        spec.setdefault("evictionStrategy", configuration.eviction_strategy)


def probes(spec: Object) -> None:
    """Say how often is asked, and how often a guest may fail to answer."""
    for name in ("livenessProbe", "readinessProbe"):
        if name in spec:
            probe = spec[name]
            probe.update({key: value for key, value in _PROBE.items() if probe.get(key, 0) < 1})
