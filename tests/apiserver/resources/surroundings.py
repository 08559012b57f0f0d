"""What rules see of other objects, without a server: those that a test names."""

from collections.abc import Iterator
from typing import Any

from apiserver.resources.cluster import Cluster

Object = dict[str, Any]


class Remembered:
    """Objects in memory, by kind as storage names it."""

    def __init__(self, **objects: list[Object]) -> None:
        self._objects = {kind.replace("__", "."): each for kind, each in objects.items()}

    def one(self, kind: str, namespace: str, name: str) -> Object | None:
        return next((each for each in self.all(kind, namespace) if each["metadata"]["name"] == name), None)

    def all(self, kind: str, namespace: str | None = None) -> Iterator[Object]:
        for each in self._objects.get(kind, []):
            if namespace in (None, each["metadata"].get("namespace", "")):
                yield each


def configured(**configuration: Any) -> Cluster:
    """A cluster whose KubeVirt object says this, and which holds nothing else."""
    metadata = {"name": "kubevirt", "namespace": "virtplane", "creationTimestamp": "2026-01-01T00:00:00Z", "uid": "1"}
    return Cluster(
        Remembered(kubevirts__kubevirt__io=[{"metadata": metadata, "spec": {"configuration": configuration}}])
    )


def gates(*enabled: str) -> Cluster:
    """A cluster with these feature gates."""
    return configured(developerConfiguration={"featureGates": list(enabled)})


PLAIN = Cluster(Remembered())
"""A cluster with nothing in it."""
