"""Revisions: what an instance type or preference said when a machine began to use it.

Source: KubeVirt's ``pkg/instancetype/revision``.
"""

from kube.instancetypes.matchers import NAME_LABEL
from kube.instancetypes.versions import GROUP, newest
from kube.objects import Object

_KEPT = ("name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp")


def revision_name(machine: Object, source: Object) -> str:
    """Return the name of the revision of ``source``, as it is, for ``machine``."""
    metadata = source["metadata"]
    version = source["apiVersion"].rpartition("/")[2]
    own, name = machine["metadata"]["name"], metadata["name"]
    return f"{own}-{name}-{version}-{metadata['uid']}-{metadata.get('generation', 1)}"


def revision_of(machine: Object, source: Object, owner: Object) -> Object:
    """Return the ControllerRevision that keeps ``source`` for ``machine``; ``owner`` refers to the machine."""
    metadata = source["metadata"]
    kept = {name: metadata[name] for name in _KEPT if name in metadata}
    version = source["apiVersion"].rpartition("/")[2]
    labels = {"generation": str(metadata.get("generation", 1)), "kind": source["kind"], "uid": metadata["uid"]}
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": revision_name(machine, source),
            "namespace": machine["metadata"]["namespace"],
            "labels": {
                NAME_LABEL: metadata["name"],
                f"{GROUP}/object-version": version,
                **{f"{GROUP}/object-{name}": value for name, value in labels.items()},
            },
            "ownerReferences": [owner],
        },
        "data": {"apiVersion": source["apiVersion"], "kind": source["kind"], "metadata": kept, "spec": source["spec"]},
        "revision": 0,
    }


def is_outdated(revision: Object) -> bool:
    """Return True when a revision keeps its source in an older version, which :func:`newest` can tell anew."""
    kept = revision["data"]
    return newest(kept) is not kept and "uid" in kept.get("metadata", {})


def says_the_same(one: Object, other: Object) -> bool:
    """Return True when two revisions keep the same spec."""
    return one["data"].get("spec") == other["data"].get("spec")
