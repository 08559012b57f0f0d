"""What a request may ask for beside its object, parsed and named as Kubernetes' query parameters are."""

from dataclasses import dataclass, field
from enum import StrEnum

from apiserver.machinery.resource import Caller
from apiserver.registry.workers import Workers
from apiserver.storage.contract import EVERYTHING, Selection


class FieldValidation(StrEnum):
    """What to do with unknown and duplicate fields (KEP-2885)."""

    IGNORE = "Ignore"
    WARN = "Warn"
    STRICT = "Strict"


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOptions:
    """How to write."""

    caller: Caller
    version: str
    """The served version in which the object comes and goes."""
    subresource: str = ""
    """Empty, ``approval``, ``status``, ``finalize`` or ``scale``."""
    manager: str = "unknown"
    """Whose fields the written ones become (``fieldManager``, or what the User-Agent says)."""
    force: bool = False
    """True when an apply takes fields from those who own them."""
    dry_run: bool = False
    field_validation: FieldValidation = FieldValidation.WARN
    is_patch: bool = False
    """True when the client sent a patch, so that the object is not all its words."""
    repeated: list[str] = field(default_factory=list[str])
    """What strict decoding says about fields that the body has twice; the reader of the body appends."""
    warnings: list[str] = field(default_factory=list[str])
    """Texts for Warning headers; the registry appends."""
    size: int = 0
    """How many bytes the body has, at most."""
    workers: Workers = field(default_factory=Workers)
    """Where much is worked on."""


class Propagation(StrEnum):
    """What becomes of the dependents of a deleted object (``metav1.DeletionPropagation``)."""

    BACKGROUND = "Background"
    FOREGROUND = "Foreground"
    ORPHAN = "Orphan"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteOptions:
    """``meta/v1.DeleteOptions``."""

    grace_period_seconds: int | None = None
    propagation: Propagation | None = None
    """None leaves it to the object's finalizers, and without them to the background."""
    cascades: bool = False
    """True when the client said ``orphanDependents=false``, the old way to ask for propagation."""
    precondition_uid: str | None = None
    precondition_resource_version: str | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOptions:
    """Which objects, as of when, and how many."""

    selection: Selection = EVERYTHING
    resource_version: str = ""
    resource_version_match: str = ""
    limit: int = 0
    """0 for no limit."""
    continue_token: str = ""
    send_initial_events: bool | None = None
