"""watch: where one starts.

Source: Kubernetes API concepts, "Efficient detection of changes" and "Resource versions"; KEP-3157 for
``sendInitialEvents``; ``k8s.io/apiserver/pkg/storage/cacher``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from apiserver.machinery import errors
from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Resource
from apiserver.registry.reading import invalid_options, is_revision, told_by_storage
from apiserver.storage.contract import Record, Revision, Selection, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchOptions:
    """From where to watch, and what."""

    selection: Selection
    resource_version: str = ""
    resource_version_match: str = ""
    send_initial_events: bool | None = None
    bookmarks: bool = False
    continue_token: str = ""


@dataclass(frozen=True, slots=True)
class Start:
    """What a watcher is told before the first event."""

    after: Revision
    initial: Sequence[Record] = ()
    """The state at ``after``, told as if each object had just been added."""


def check(resource: Resource, options: WatchOptions) -> None:
    """Raise 422 for options that cannot be (``validateWatchOptions``)."""
    found: list[FieldError] = []
    match, field = options.resource_version_match, "resourceVersionMatch"
    if options.send_initial_events is not None and match != "NotOlderThan":
        found.append(FieldError.forbidden(field, f"sendInitialEvents requires setting {field} to NotOlderThan"))
    if match:
        if options.send_initial_events is None:
            found.append(
                FieldError.forbidden(field, f"{field} is forbidden for watch unless sendInitialEvents is provided")
            )
        if match != "NotOlderThan":
            found.append(FieldError.not_supported(field, match, ("NotOlderThan",)))
        if options.continue_token:
            found.append(FieldError.forbidden(field, f"{field} is forbidden when continue is provided"))
    if found:
        raise invalid_options(found)
    if options.resource_version and not is_revision(options.resource_version):
        problem = FieldError.invalid("resourceVersion", options.resource_version, "must come from an earlier answer")
        raise errors.invalid(resource.group, resource.plural, "", [problem])


async def start(resource: Resource, store: Store, options: WatchOptions) -> Start:
    """Return where the watch starts. Raises 504 for a revision not yet written."""
    asked = int(options.resource_version or 0)
    if options.send_initial_events is False and not asked:
        return Start(await store.latest())
    if not options.send_initial_events and asked:
        return Start(asked)
    with told_by_storage():
        at_least = asked if options.resource_version else None
        snapshot = await store.list(resource.storage_name, options.selection, at_least=at_least)
    return Start(snapshot.revision, snapshot.records)
