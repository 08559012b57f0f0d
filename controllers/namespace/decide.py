"""What to say of a namespace that is being emptied. Pure.

Source: ``status_condition_utils.go`` in ``k8s.io/kubernetes/pkg/controller/namespace/deletion``, words included.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from client.kinds import Kind
from kube.conditions import Condition, set_condition
from kube.objects import Object


@dataclass(slots=True)
class Left:
    """What is left in a namespace, as far as anybody looked."""

    objects: Counter[Kind] = field(default_factory=Counter[Kind])
    finalizers: Counter[str] = field(default_factory=Counter[str])
    failures: list[str] = field(default_factory=list[str])

    def __bool__(self) -> bool:
        return bool(self.objects or self.failures)

    def note(self, kind: Kind, items: Sequence[Object]) -> None:
        """Count the objects of a kind that are still there, and what holds them."""
        if items:
            self.objects[kind] += len(items)
        for item in items:
            self.finalizers.update(item["metadata"].get("finalizers", ()))


def conditions(before: Sequence[Condition], left: Left, now: datetime) -> list[Condition]:
    """Return the conditions of a namespace in which there is so much left."""
    found = list(before)
    for new in _conditions(left):
        found = set_condition(found, new, now)
    return found


def _conditions(left: Left) -> list[Condition]:
    objects = [f"{kind.plural}.{kind.group} has {number} resource instances" for kind, number in left.objects.items()]
    finalizers = [f"{name} in {number} resource instances" for name, number in left.finalizers.items()]
    failed = f"Failed to delete all resource types, {len(left.failures)} remaining: {_listed(left.failures)}"
    remaining = f"Some resources are remaining: {_listed(objects)}"
    held = f"Some content in the namespace has finalizers remaining: {_listed(finalizers)}"
    return [
        _condition(*row)
        for row in (
            ("DeletionDiscoveryFailure", None, ("ResourcesDiscovered", "All resources successfully discovered")),
            (
                "DeletionGroupVersionParsingFailure",
                None,
                ("ParsedGroupVersions", "All legacy kube types successfully parsed"),
            ),
            (
                "DeletionContentFailure",
                ("ContentDeletionFailed", failed) if left.failures else None,
                ("ContentDeleted", "All content successfully deleted, may be waiting on finalization"),
            ),
            (
                "ContentRemaining",
                ("SomeResourcesRemain", remaining) if objects else None,
                ("ContentRemoved", "All content successfully removed"),
            ),
            (
                "FinalizersRemaining",
                ("SomeFinalizersRemain", held) if finalizers else None,
                ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
            ),
        )
    ]


def _listed(texts: list[str]) -> str:
    return ", ".join(sorted(texts))


def _condition(kind: str, problem: tuple[str, str] | None, well: tuple[str, str]) -> Condition:
    reason, message = problem or well
    status = "True" if problem else "False"
    return {"type": f"Namespace{kind}", "status": status, "reason": reason, "message": message}
