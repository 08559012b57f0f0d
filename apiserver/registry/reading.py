"""get and list: consistent reads, pages of one snapshot, and resourceVersion semantics.

Source: Kubernetes API concepts, "Resource versions" and "Retrieving large result sets in chunks".
"""

import base64
import binascii
from bisect import bisect_right
from dataclasses import dataclass

import orjson

from apiserver.machinery import errors
from apiserver.machinery.resource import Resource
from apiserver.registry.codec import hub_object
from apiserver.registry.options import ListOptions
from apiserver.storage.contract import (
    CompactedError,
    FutureRevisionError,
    Key,
    NotFoundError,
    Record,
    Snapshot,
    Store,
)


@dataclass(frozen=True, slots=True)
class Page:
    """One answer to a list request."""

    revision: int
    records: list[Record]
    continue_token: str = ""
    remaining: int | None = None


async def get(resource: Resource, store: Store, namespace: str, name: str) -> Record:
    """Return one record. Raises the 404 Status."""
    try:
        return await store.get(Key(resource.storage_name, namespace, name))
    except NotFoundError as missing:
        raise errors.not_found(resource.group, resource.plural, name) from missing


async def list_page(resource: Resource, store: Store, options: ListOptions) -> Page:
    """Return the records that ``options`` select, all of one revision.

    Raises 400 for contradictory options, 410 Expired for a revision no longer kept, 504 for one not yet written.
    """
    start: tuple[str, str] | None = None
    at = _exact_revision(options)
    if options.continue_token:
        if options.resource_version not in ("", "0"):
            raise errors.bad_request("specifying resource version is not allowed when using continue")
        at, start = _parse_continue(options.continue_token)
    snapshot = await _snapshot(resource, store, options.namespace, at)
    _refuse_future(options, snapshot)
    records = snapshot.records
    if start is not None:
        records = records[bisect_right(records, start, key=lambda record: (record.key.namespace, record.key.name)) :]
    if options.selects is not None:
        selects = options.selects
        records = [record for record in records if selects(hub_object(record))]
    if not options.limit or len(records) <= options.limit:
        return Page(snapshot.revision, records)
    page = records[: options.limit]
    # A selector makes the count of what remains a guess; Kubernetes leaves it out then.
    remaining = len(records) - options.limit if options.selects is None else None
    return Page(snapshot.revision, page, _continue_token(snapshot.revision, page[-1].key), remaining)


async def _snapshot(resource: Resource, store: Store, namespace: str | None, at: int | None) -> Snapshot:
    try:
        return await store.list(resource.storage_name, namespace, at=at)
    except CompactedError as gone:
        raise errors.expired(
            "The provided resource version or continue token is too old to display a consistent list: "
            f"the oldest kept revision is {gone.oldest}. List again without it."
        ) from gone
    except FutureRevisionError as future:
        raise _future(future.asked, future.current) from future


def parse_revision(text: str) -> int:
    """Return a resourceVersion as a number. Raises 400."""
    if not text.isascii() or not text.isdigit():
        raise errors.bad_request(f"invalid resource version {text!r}: it must come from an earlier answer")
    return int(text)


def _exact_revision(options: ListOptions) -> int | None:
    match options.resource_version_match:
        case "" | "NotOlderThan":
            if options.resource_version_match and not options.resource_version:
                raise errors.bad_request("resourceVersionMatch is forbidden unless resourceVersion is provided")
            # A limit with a resourceVersion and no match means Exact, for paging clients of old.
            if options.limit and not options.resource_version_match and options.resource_version not in ("", "0"):
                return parse_revision(options.resource_version)
            return None
        case "Exact":
            if options.resource_version in ("", "0"):
                raise errors.bad_request('resourceVersionMatch "Exact" is forbidden for resourceVersion "0" or none')
            return parse_revision(options.resource_version)
        case other:
            raise errors.bad_request(f'resourceVersionMatch "{other}" is not one of Exact, NotOlderThan')


def _refuse_future(options: ListOptions, snapshot: Snapshot) -> None:
    if options.resource_version:
        asked = parse_revision(options.resource_version)
        if asked > snapshot.revision:
            raise _future(asked, snapshot.revision)


def _future(asked: int, current: int) -> errors.StatusError:
    error = errors.timed_out(f"Too large resource version: {asked}, current: {current}")
    error.details["causes"] = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    return error


def _continue_token(revision: int, last: Key) -> str:
    token = {"v": "meta.k8s.io/v1", "rv": revision, "start": [last.namespace, last.name]}
    return base64.urlsafe_b64encode(orjson.dumps(token)).decode().rstrip("=")


def _parse_continue(text: str) -> tuple[int, tuple[str, str]]:
    try:
        token = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        revision, (namespace, name) = token["rv"], token["start"]
    except (binascii.Error, ValueError, KeyError, TypeError) as broken:
        raise errors.bad_request("continue key is not valid: use it exactly as the server gave it") from broken
    if not isinstance(revision, int) or not isinstance(namespace, str) or not isinstance(name, str):
        raise errors.bad_request("continue key is not valid: use it exactly as the server gave it")
    return revision, (namespace, name)
