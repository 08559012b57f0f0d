"""watch: initial state, then every change, as the selectors of one watcher see it.

Source: Kubernetes API concepts, "Efficient detection of changes"; KEP-3157 for ``sendInitialEvents``.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from apiserver.machinery import errors
from apiserver.machinery.resource import Object, Resource
from apiserver.registry.codec import hub_object
from apiserver.registry.reading import parse_revision
from apiserver.storage.contract import (
    CompactedError,
    Event,
    EventKind,
    FutureRevisionError,
    Record,
    SlowWatcherError,
    Store,
)


@dataclass(frozen=True, slots=True)
class Change:
    """One thing to tell a watcher."""

    type: str
    """ADDED, MODIFIED, DELETED, or BOOKMARK (then ``record`` is None)."""
    revision: int
    record: Record | None
    initial_events_end: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchOptions:
    """From where to watch, and what."""

    namespace: str | None
    selects: Callable[[Object], bool] | None
    resource_version: str = ""
    send_initial_events: bool = False


async def watch(resource: Resource, store: Store, options: WatchOptions) -> AsyncGenerator[Change, None]:
    """Yield changes for ever. Raises 410 Expired when the watcher must list again, 400, 504."""
    selects = options.selects or _everything
    after = parse_revision(options.resource_version) if options.resource_version else 0
    if options.send_initial_events or after == 0:
        snapshot = await store.list(resource.storage_name, options.namespace)
        after = snapshot.revision
        for record in snapshot.records:
            if selects(hub_object(record)):
                yield Change("ADDED", record.revision, record)
        if options.send_initial_events:
            yield Change("BOOKMARK", after, None, initial_events_end=True)
    try:
        async with aclosing(store.watch(resource.storage_name, after=after, namespace=options.namespace)) as events:
            async for event in events:
                change = _seen_by(selects, event)
                if change is not None:
                    yield change
    except CompactedError as gone:
        raise errors.expired(f"too old resource version: {gone.asked} ({gone.oldest})") from gone
    except SlowWatcherError as slow:
        raise errors.expired("the watch fell too far behind and was closed; list again") from slow
    except FutureRevisionError as future:
        raise errors.timed_out(f"Too large resource version: {future.asked}, current: {future.current}") from future


def _seen_by(selects: Callable[[Object], bool], event: Event) -> Change | None:
    """Turn a write into what a selector sees: objects appear and disappear when they start and stop to match."""
    matched = event.previous is not None and selects(hub_object(event.previous))
    matches = event.kind is not EventKind.DELETED and selects(hub_object(event.record))
    if matches:
        return Change("MODIFIED" if matched else "ADDED", event.revision, event.record)
    if matched:
        return Change("DELETED", event.revision, event.record)
    return None


def _everything(_: Object) -> bool:
    return True
