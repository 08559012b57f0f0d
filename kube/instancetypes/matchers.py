"""Finding what a machine's ``spec.instancetype`` and ``spec.preference`` name.

Source: KubeVirt's ``pkg/instancetype/find`` and ``preference/find``.
"""

from dataclasses import dataclass
from typing import Protocol

from kube.instancetypes.fields import field
from kube.instancetypes.versions import GROUP, newest
from kube.objects import Object

REVISIONS = "controllerrevisions.apps"
NAME_LABEL = f"{GROUP}/object-name"
"""On a revision: the name of what it is a revision of."""
INSTANCETYPE, PREFERENCE = "instancetype", "preference"
"""The fields of a machine's spec that name one."""


@dataclass(frozen=True, slots=True)
class Named:
    """A kind that a matcher can name."""

    kind: str
    namespaced: bool

    @property
    def stored_as(self) -> str:
        """The kind as storage and discovery name it, ``plural.group``."""
        return f"{self.kind.lower()}s.{GROUP}"


_KINDS = {
    INSTANCETYPE: (
        Named("VirtualMachineClusterInstancetype", namespaced=False),
        Named("VirtualMachineInstancetype", namespaced=True),
    ),
    PREFERENCE: (
        Named("VirtualMachineClusterPreference", namespaced=False),
        Named("VirtualMachinePreference", namespaced=True),
    ),
}
"""What each field can name; the first is meant when it does not say."""


_ESSENTIAL = ("cpu.guest", "memory.guest")
"""What every instance type says."""


class Lookup(Protocol):
    """Where objects are found by kind (``plural.group``), namespace (empty for kinds without) and name."""

    def one(self, kind: str, namespace: str, name: str) -> Object | None:
        """Return an object, or None."""
        ...


class UnknownKindError(LookupError):
    """A matcher that names a kind which is no instance type, or no preference."""


class MissingError(LookupError):
    """A matcher that names something which is not there."""


def kinds(which: str) -> tuple[str, ...]:
    """Return the kinds that ``which`` field can name."""
    return tuple(named.kind for named in _KINDS[which])


def named_kind(which: str, matcher: Object) -> Named:
    """Return the kind that a matcher names: in any case, in the singular or plural. Raises UnknownKindError."""
    said = matcher.get("kind", "").lower()
    for named in _KINDS[which]:
        if said in ("", named.kind.lower(), f"{named.kind.lower()}s"):
            return named
    raise UnknownKindError(f"{matcher['kind']} is no kind of {which}; use {' or '.join(kinds(which))}")


def chosen(machine: Object, which: str, lookup: Lookup) -> Object | None:
    """Return the spec of what the machine's ``which`` field names, or None when there is no such field.

    It comes from the revision that the field names or the machine's status remembers, so that a machine stays as it
    was when the live object changes. Raises UnknownKindError and MissingError.
    """
    matcher = machine["spec"].get(which)
    if not matcher:
        return None
    named, namespace = named_kind(which, matcher), machine["metadata"].get("namespace", "")
    revision = _revision(machine, which, matcher, lookup)
    if revision is not None:
        return _kept(revision, which)
    name = matcher.get("name", "")
    found = lookup.one(named.stored_as, namespace if named.namespaced else "", name)
    if found is None:
        raise MissingError(f"{named.kind} {name} does not exist")
    return found["spec"]


def _kept(revision: Object, which: str) -> Object:
    """Return the spec that a revision keeps. Anybody's may be named, a DaemonSet's, say. Raises MissingError."""
    kept = revision["data"]
    spec = kept.get("spec")
    essential = _ESSENTIAL if which == INSTANCETYPE else ()
    if not isinstance(spec, dict) or any(field(kept, f"spec.{path}") is None for path in essential):
        raise MissingError(f"ControllerRevision {revision['metadata'].get('name', '')} keeps no {which}")
    return newest(kept)["spec"]


def _revision(machine: Object, which: str, matcher: Object, lookup: Lookup) -> Object | None:
    namespace = machine["metadata"].get("namespace", "")
    if name := matcher.get("revisionName"):
        found = lookup.one(REVISIONS, namespace, name)
        if found is None:
            raise MissingError(f"ControllerRevision {name} of {which} {matcher.get('name', '')} does not exist")
        return found
    remembered = field(machine, f"status.{which}Ref.controllerRevisionRef.name")
    found = lookup.one(REVISIONS, namespace, remembered) if remembered else None
    if found is None or found["metadata"].get("labels", {}).get(NAME_LABEL) != matcher.get("name"):
        return None
    return found
