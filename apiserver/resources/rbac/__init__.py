"""RBAC: roles, and who has them. What they grant is for ``auth`` to say."""

from collections.abc import Callable

from apiserver.machinery.resource import Caller, Object, Strategy

GROUP = "rbac.authorization.k8s.io"

Check = Callable[[Caller, str, Object], None]
"""Raises StatusError when the caller gives away by an object, of the kind with this plural, more than they may."""

_COLLECTED = frozenset({"finalizers", "ownerReferences"})
_KEPT = frozenset({"managedFields", "resourceVersion", "generation"})


class GrantingStrategy(Strategy):
    """Nobody writes what gives away more than they may themselves, except what garbage collection needs.

    Source: ``k8s.io/kubernetes/pkg/registry/rbac`` (``policybased`` and ``IsOnlyMutatingGCFields``).
    """

    def __init__(self, plural: str, check: Check) -> None:
        self._plural = plural
        self._check = check

    def prepare_for_create(self, new: Object, caller: Caller) -> None:
        """Refuse what gives away too much. Raises StatusError."""
        self._check(caller, self._plural, new)

    def prepare_for_update(self, new: Object, old: Object, caller: Caller) -> None:
        """Refuse what gives away too much. Raises StatusError."""
        if _granting(new) != _granting(old):
            self._check(caller, self._plural, new)


def _granting(obj: Object) -> Object:
    """Return an object without what says only when it goes and who wrote it."""
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _COLLECTED | _KEPT}
    return {**obj, "metadata": metadata}
