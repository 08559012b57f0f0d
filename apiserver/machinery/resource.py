"""What a kind is: its names, versions, columns, and the strategy that says what is special about it.

A :class:`Resource` is a table of contents. The registry reads it and owns the order of things (decode, prune,
default, convert, prepare, validate, store); a :class:`Strategy` only says what differs for one kind.
Source of the split: ``k8s.io/apiserver/pkg/registry/rest``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from apiserver.machinery.errors import FieldError, qualified_resource
from apiserver.machinery.schema import Schema
from kube.names import NameRule, subdomain_problem
from kube.nodes import POD_NODE
from kube.users import AGENT_ACCOUNT, NODE_PREFIX, NODES_GROUP

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
STATUS_VERBS = ("get", "patch", "update")

Object = dict[str, Any]
"""An API object as JSON gives it."""
Path = tuple[str, ...]
"""The fields that lead to a value, one in the other."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request, as far as the rules of a kind care."""

    name: str
    groups: frozenset[str] = frozenset()
    system: bool = False
    """True for Virtplane's own controllers and node agents, which may write what users may not."""
    uid: str = ""
    """Tells the caller from others who have had the name; empty where nobody says."""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """What else is known: keys, each with its values."""

    @property
    def node(self) -> str | None:
        """The name of the node whose agent this is, empty where nobody says which; None for all others."""
        if NODES_GROUP in self.groups and self.name.startswith(NODE_PREFIX):
            return self.name.removeprefix(NODE_PREFIX)
        if self.name != AGENT_ACCOUNT:
            return None
        return next((values[0] for key, values in self.extra if key == POD_NODE and len(values) == 1), "")


class Stored(Protocol):
    """The objects of other kinds, in their hub versions, for rules that depend on them.

    They are what this server remembers: asked without waiting, and on a replica a moment old. They must not be changed.
    A kind is named as storage names it, ``plural.group``.
    """

    def one(self, kind: str, namespace: str, name: str) -> Object | None:
        """Return an object, or None; the namespace is empty for kinds that have none."""
        ...

    def all(self, kind: str, namespace: str | None = None) -> Iterator[Object]:
        """Yield the objects of a namespace, or of all."""
        ...


class Remembered(Stored, Protocol):
    """The same, for those who keep what they make of it."""

    def revision(self, kind: str, /) -> int:
        """Return when an object of a kind last changed; any change makes it another number."""
        ...


class Conversion(Protocol):
    """Moves whole objects between one served version and the hub, losing nothing (see ``conversion``)."""

    def to_hub(self, old: Object, current: Object | None = None) -> Object:
        """Return ``old`` in the hub version; ``current`` is the stored hub object that it will replace."""
        ...

    def from_hub(self, hub: Object) -> Object:
        """Return ``hub`` in this version, carrying what this version cannot say. ``hub`` is not changed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a Table answer (``additionalPrinterColumns`` of a CRD)."""

    name: str
    json_path: str = ""
    value: Callable[[Object], Any] | None = None
    """What the cell holds, where no path leads to it."""
    type: str = "string"
    format: str = ""
    priority: int = 0
    """0 is always shown; 1 only with ``kubectl get -o wide``."""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One served version of a kind."""

    name: str
    schema: Schema
    conversion: Conversion | None = None
    """None for the hub, and for versions of the same shape as the hub."""
    columns: tuple[Column, ...] = ()
    deprecation: str | None = None
    """The text of the Warning header sent with every answer in this version."""


class Strategy:
    """What is special about a kind; this base class is a kind with nothing special.

    All objects are in the hub version. ``prepare_*`` may change ``new`` in place and must not change ``old``;
    ``validate*`` and ``warnings`` change nothing.
    """

    def refuses_create(self) -> str | None:
        """Return why no object of this kind can be created, or None."""
        return None

    def prepare_for_create(self, new: Object, caller: Caller) -> None:
        """Fill in what the server decides on create (defaults that no schema can express, first status)."""

    def prepare_for_update(self, new: Object, old: Object, caller: Caller) -> None:
        """Undo what this caller may not change, and fill in what follows from the change."""

    def settle(self, obj: Object) -> None:
        """Move what can only be written to where it is kept, in a hub object that fits its schema.

        It comes before anybody owns its fields. Source: the conversions from ``v1`` to the internal version.
        """

    def prepare_for_status_update(self, new: Object, old: Object, caller: Caller) -> None:
        """Adjust the status, and unless the kind is custom the metadata, in an update of the subresource ``status``.

        All else is that of ``old``.
        """

    def prepare_for_approval(self, new: Object, old: Object, caller: Caller) -> None:
        """Adjust an update of the subresource ``approval``; ``new`` is ``old`` but for its metadata and status."""

    def refuses_delete(self, obj: Object) -> str | None:
        """Return why this object may never be deleted, or None."""
        return None

    def grace_period_seconds(self, obj: Object, asked: int | None) -> int:
        """Return how long a graceful deletion waits, where a client ``asked`` for so many seconds or said nothing."""
        return asked or 0

    def prepare_for_delete(self, new: Object, caller: Caller) -> None:
        """Adjust an object that starts to be deleted and stays until nothing holds it (``holds_deletion``)."""

    def holds_deletion(self, obj: Object) -> bool:
        """Return True while something must still happen before the object may vanish."""
        return bool(obj["metadata"].get("finalizers"))

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with a new object, beyond what its schema says."""
        return ()

    def validate_update(self, new: Object, old: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with this change; by default, with the new object."""
        return self.validate(new, caller)

    def validate_status_update(self, new: Object, old: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with an update of the status subresource of a custom kind (``Resource.custom``)."""
        return ()

    def validate_approval(self, new: Object, old: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with an update of the subresource ``approval``."""
        return ()

    def refuses_subresource(self, subresource: str, new: Object, old: Object, caller: Caller) -> str | None:
        """Return why this caller may not write that to a subresource, beyond what roles say of it (403), or None."""
        return None

    def refuses_write(self, new: Object, old: Object | None) -> str | None:
        """Return why the rest of the cluster does not allow what is right in itself (403), or None.

        ``old`` is None on create. Source: validating admission plugins.
        """
        return None

    def warnings(self, new: Object) -> Iterable[str]:
        """Yield texts for Warning headers: deprecated or useless settings that are accepted all the same."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One kind that the server serves."""

    group: str
    """Empty for the core group."""
    kind: str
    plural: str
    singular: str
    namespaced: bool
    versions: tuple[Version, ...]
    """The hub first; it is also the version that is stored, unless ``stored_as`` says otherwise."""
    strategy: Strategy = field(default_factory=Strategy)
    names: NameRule = subdomain_problem
    """What names may be."""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    has_status: bool = False
    """True when status is a subresource: spec writers never touch it, status writers touch nothing else but, unless
    the kind is ``custom``, metadata."""
    has_generation: bool = False
    """True when ``metadata.generation`` counts changes of the spec."""
    selectable_fields: tuple[str, ...] = ()
    """Field selectors beyond ``metadata.name`` and ``metadata.namespace``, such as ``status.nodeName``."""
    selectable_as: Mapping[str, str] = field(default_factory=dict[str, str])
    """More field selectors, which are called otherwise in the hub: the name there by the name here."""
    stored_as: "Resource | None" = None
    """The kind of another group whose objects these are: its hub is the hub, and every version here converts to it."""
    custom: bool = False
    """True for kinds that upstream are defined by a CustomResourceDefinition: no strategic merge patches, and every
    update names the resourceVersion that it replaces."""
    unconditional_update: bool = True
    """False for other kinds whose updates must name the resourceVersion that they replace."""
    create_on_update: bool = False
    """True when an update of an object that does not exist creates it."""
    graceful: bool = False
    """True when an object may be given time before it goes (``Strategy.grace_period_seconds``); others only wait for
    finalizers."""
    propagates: bool = True
    """False when deletion leaves dependents alone, whatever its propagationPolicy (Kubernetes' policy Unsupported)."""
    returns_deleted: bool = False
    """True when a delete that removes the object answers with it; others answer with a Status (ReturnDeletedObject)."""
    deletes_collections: bool = True
    """False when a whole collection cannot be deleted in one request."""
    finalizable: bool = False
    """True when ``spec.finalizers`` holds the object and the subresource ``finalize`` changes it."""
    approvable: bool = False
    """True when the subresource ``approval`` changes the conditions of the status, by which objects are decided on."""
    scale: "Scale | None" = None
    """How many replicas there are and shall be, as the subresource ``scale`` tells and changes it; None without."""
    transient: bool = False
    """True for questions: an object can only be created, is answered at once, and is not stored."""
    confidential: bool = False
    """True where objects are encrypted in storage."""
    unattended: bool = False
    """True while nothing acts on objects of this kind; whoever creates one is told so in a Warning header."""

    @property
    def list_kind(self) -> str:
        """The kind of a list of these."""
        return f"{self.kind}List"

    @property
    def verbs(self) -> tuple[str, ...]:
        """What can be done with objects of this kind."""
        if self.transient:
            return ("create",)
        return VERBS if self.deletes_collections else tuple(verb for verb in VERBS if verb != "deletecollection")

    @property
    def subresources(self) -> dict[str, tuple[str, ...]]:
        """What can be done with each subresource."""
        found: dict[str, tuple[str, ...]] = {"approval": STATUS_VERBS} if self.approvable else {}
        found |= {"status": STATUS_VERBS} if self.has_status else {}
        found |= {"finalize": ("update",)} if self.finalizable else {}
        return found | ({"scale": STATUS_VERBS} if self.scale else {})

    def served_at(self, subresource: str, version: str) -> "tuple[Resource, str]":
        """Return the kind, and its version, of what is read and written at a subresource of ``version``."""
        return (self.scale.kind, self.scale.kind.hub.name) if self.scale and subresource == "scale" else (self, version)

    @property
    def hub(self) -> Version:
        """The version that everything converts through."""
        return self.stored_as.hub if self.stored_as else self.versions[0]

    @property
    def hub_api_version(self) -> str:
        """The ``apiVersion`` of stored objects."""
        return self.stored_as.hub_api_version if self.stored_as else self.api_version(self.versions[0].name)

    @property
    def storage_name(self) -> str:
        """The name of this resource in storage keys: ``plural.group``."""
        return self.stored_as.storage_name if self.stored_as else qualified_resource(self.group, self.plural)

    def version(self, name: str) -> Version:
        """Return a served version. Raises KeyError when it is not served."""
        for version in self.versions:
            if version.name == name:
                return version
        raise KeyError(name)

    def api_version(self, name: str) -> str:
        """Return ``group/version``, or the version alone for the core group."""
        return f"{self.group}/{name}" if self.group else name


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Where the objects of a kind keep what a Scale shows, in all versions alike.

    Source: ``subresources.scale`` of a CustomResourceDefinition.
    """

    kind: Resource
    """The kind Scale."""
    spec_replicas: Path = ("spec", "replicas")
    status_replicas: Path = ("status", "replicas")
    label_selector: Path = ("status", "labelSelector")
    default_replicas: int = 1
    """What no replicas in the spec mean."""
