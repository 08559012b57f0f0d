"""What a write does to the ownership of fields: updates take what they change, applies also give back.

Managers name fields in the version that they wrote in. So what has changed is compared in each of these versions; it
is the object that is converted, never a set.
Source: ``sigs.k8s.io/structured-merge-diff/merge``; Kubernetes' documentation of server-side apply; KEP-555.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from apiserver.machinery import managers as managing
from apiserver.machinery.applying import merge
from apiserver.machinery.comparison import Comparison, applied_fields, compare
from apiserver.machinery.disowning import Versions, without_disowned
from apiserver.machinery.fields import LEAF, Fields, difference, intersection, union
from apiserver.machinery.managers import APPLY, UPDATE, ContestedError, Identity, Manager, Managers
from apiserver.machinery.reconciling import reconciled
from apiserver.machinery.resource import Object
from apiserver.machinery.structural import Node

_UNOWNED_METADATA = frozenset(
    {
        *("name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation", "managedFields"),
        "resourceVersion",
    }
)
"""What the server sets or the URL says is nobody's (``managedfields/internal/stripmeta.go``)."""
_METADATA = "f:metadata"
Forms = Mapping[str, Object]
"""One state of an object in some of its versions, by apiVersion; others are converted from the first of them."""
BEFORE_FIRST_APPLY = "before-first-apply"
"""Who owns what was there when an object without managers is applied to for the first time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Who writes, how and when."""

    name: str
    api_version: str
    time: str
    subresource: str = ""

    def identity(self, operation: str) -> Identity:
        """Return the identity of this writer as a manager."""
        return managing.identity(self.name, operation, self.api_version, self.subresource)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldManager:
    """Keeps the ownership of fields for writes to one kind, or to one subresource of it."""

    versions: Versions
    only: str | None = None
    """The top-level field that this subresource writes; None when everything but ``without`` is written."""
    without: frozenset[str] = field(default_factory=frozenset[str])
    """Top-level fields that are not written."""
    unowned_annotations: str = ""
    """The prefix of annotations that belong to nobody, empty for none."""

    def update(self, managers: Managers, old: Forms, new: Forms, writer: Writer) -> Managers:
        """Return who owns what after ``writer`` has put ``new`` in place of ``old``.

        Raises UnconvertibleError when managers of other versions cannot be asked.
        """
        change = _Change(self, old, new)
        left, _ = self._left(self._reconciled(managers), change, None)
        mine = change.at(writer.api_version) or Comparison()
        taken = union(mine.modified, mine.added)
        if taken:
            me = writer.identity(UPDATE)
            before = left[me].fields if me in left else {}
            left[me] = Manager(writer.api_version, union(taken, before), writer.time)
        return managing.capped(left)

    def apply(
        self, managers: Managers, live: Object, config: Object, writer: Writer, *, force: bool
    ) -> tuple[Object, Managers]:
        """Return the object that results from applying ``config`` to ``live``, and who then owns what.

        Both are in the version of the ``writer``. The result shares parts with them; it is neither pruned, defaulted
        nor checked. Raises ContestedError, unless ``force``, and UnconvertibleError as above.
        """
        at, before = writer.api_version, {writer.api_version: live}
        if not managers:
            managers = self.update({}, {at: {"metadata": {}}}, before, replace(writer, name=BEFORE_FIRST_APPLY))
        managers = self._reconciled(managers)
        me, node = writer.identity(APPLY), self.versions.node(at)
        last = managers.get(me)
        mine = Manager(at, self._applied(node, config), last.time if last else None)
        managers = {**managers, me: mine}
        new = merge(node, live, config)
        if last is not None:
            new = without_disowned(self.versions, new, managers, last, at)
        left, contested = self._left(managers, _Change(self, before, {at: new}), me)
        if contested and not force:
            raise ContestedError(contested)
        if not mine.fields:
            left.pop(me, None)
        elif new != live:
            left[me] = replace(mine, time=writer.time)
        return new, left

    def comparable(self, obj: Object) -> Object:
        """Return the part of an object that is written here and can be owned. It shares parts with ``obj``."""
        if self.only is not None:
            return {self.only: obj[self.only]} if self.only in obj else {}
        metadata = {name: value for name, value in obj["metadata"].items() if name not in _UNOWNED_METADATA}
        prefix, annotations = self.unowned_annotations, metadata.get("annotations")
        if prefix and annotations and any(name.startswith(prefix) for name in annotations):
            owned = {name: value for name, value in annotations.items() if not name.startswith(prefix)}
            if owned:
                metadata["annotations"] = owned
            else:
                del metadata["annotations"]
        part = {name: value for name, value in obj.items() if name not in self.without}
        part.pop("apiVersion", None)
        part.pop("kind", None)
        return {**part, "metadata": metadata}

    def _applied(self, node: Node, config: Object) -> Fields:
        fields = applied_fields(node, self.comparable(config))
        if fields.get(_METADATA) == LEAF:
            del fields[_METADATA]
        return fields

    def _reconciled(self, managers: Managers) -> Managers:
        """Return ``managers`` as the schemas now let them own what they owned; those that it concerns, that is."""
        result: Managers = {}
        for key, manager in managers.items():
            if not self._concerns(manager.fields):
                result[key] = manager
                continue
            try:
                fields = reconciled(self.versions.node(manager.api_version), manager.fields)
            except KeyError:  # a version that is no longer served: what becomes of it is decided later
                fields = manager.fields
            result[key] = manager if fields is manager.fields else replace(manager, fields=fields)
        return result

    def _concerns(self, fields: Fields) -> bool:
        return self.only is None or f"f:{self.only}" in fields

    def _left(
        self, managers: Managers, change: "_Change", skip: Identity | None
    ) -> tuple[Managers, dict[Identity, Fields]]:
        """Return what a change leaves to the managers but ``skip``, and what it takes from each of them."""
        left: Managers = {}
        contested: dict[Identity, Fields] = {}
        for key, manager in managers.items():
            if key == skip or not self._concerns(manager.fields):
                left[key] = manager
                continue
            found = change.at(manager.api_version)
            if found is None:  # nobody can name these fields any more
                continue
            taken = intersection(manager.fields, union(found.modified, found.added))
            if taken:
                contested[key] = taken
            fields = difference(difference(manager.fields, taken), found.removed)
            if fields:
                left[key] = manager if fields is manager.fields else replace(manager, fields=fields)
        return left, contested


class _Change:
    """How an object changes, as each version shows it."""

    def __init__(self, manager: FieldManager, old: Forms, new: Forms) -> None:
        self._manager = manager
        self._states = (old, new)
        self._known: dict[str, Comparison | None] = {}

    def at(self, api_version: str) -> Comparison | None:
        """Return what changes in the words of a version, None for one that is not served. Raises UnconvertibleError."""
        if api_version not in self._known:
            self._known[api_version] = self._compare(api_version)
        return self._known[api_version]

    def _compare(self, api_version: str) -> Comparison | None:
        try:
            node = self._manager.versions.node(api_version)
            old, new = (self._manager.comparable(self._form(each, api_version)) for each in self._states)
        except KeyError:
            return None
        return compare(node, old, new)

    def _form(self, forms: Forms, api_version: str) -> Object:
        if api_version in forms:
            return forms[api_version]
        source, obj = next(iter(forms.items()))
        return self._manager.versions.convert(obj, source, api_version)
