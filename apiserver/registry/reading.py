"""get and list: how old an answer may be, and pages of one snapshot.

Source: Kubernetes API concepts, "Resource versions" and "Retrieving large result sets in chunks";
``ValidateListOptions`` of ``k8s.io/apimachinery/pkg/apis/meta/internalversion/validation`` and of
``k8s.io/apiserver/pkg/storage``.
"""

import base64
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import orjson

from apiserver.machinery import errors
from apiserver.machinery.errors import FieldError, StatusError
from apiserver.machinery.resource import Resource
from apiserver.registry.options import ListOptions
from apiserver.registry.selection import is_whole
from apiserver.storage.contract import (
    CompactedError,
    FutureRevisionError,
    Key,
    NotFoundError,
    Record,
    Revision,
    Store,
)

TOKEN_VERSION = "meta.k8s.io/v1"  # noqa: S105 - the version of a continue token's layout
INCONSISTENT: Revision = -1
"""In a continue token: go on with whatever is newest."""


@dataclass(frozen=True, slots=True)
class Page:
    """One answer to a list request."""

    revision: int
    records: list[Record]
    continue_token: str = ""
    remaining: int | None = None


@dataclass(frozen=True, slots=True)
class _Start:
    """Where a page starts, and how old it may be; see ``Store.list``."""

    at: Revision | None = None
    at_least: Revision | None = None
    after: tuple[str, str] | None = None


async def get(resource: Resource, store: Store, namespace: str, name: str, resource_version: str = "") -> Record:
    """Return one record, not older than ``resource_version``: the newest without one, any that is known for ``0``.

    Raises 400, 404, and 504 for a revision not yet written.
    """
    key = Key(resource.storage_name, namespace, name)
    try:
        with told_by_storage():
            return await store.get(key, at_least=parse_revision(resource_version) if resource_version else None)
    except NotFoundError as missing:
        raise errors.not_found(resource.group, resource.plural, name) from missing


async def list_page(resource: Resource, store: Store, options: ListOptions) -> Page:
    """Return the records that ``options`` select, all of one revision.

    Raises 400 and 422 for options that cannot be, 410 Expired for a revision no longer kept, 504 for one not yet
    written.
    """
    _check(options)
    start = _start(options)
    try:
        with told_by_storage():
            snapshot = await store.list(
                resource.storage_name,
                options.selection,
                at=start.at,
                at_least=start.at_least,
                start=start.after,
                limit=options.limit,
            )
    except CompactedError as gone:
        raise _expired(start) from gone
    if not snapshot.more:
        return Page(snapshot.revision, snapshot.records)
    last = snapshot.records[-1].key
    # A selector makes the count of what remains a guess; Kubernetes leaves it out then.
    remaining = snapshot.remaining if is_whole(options.selection) else None
    token = _continue_token(snapshot.revision, (last.namespace, last.name))
    return Page(snapshot.revision, snapshot.records, token, remaining)


def parse_revision(text: str) -> Revision:
    """Return a resourceVersion as a number. Raises 400."""
    if not is_revision(text):
        raise errors.bad_request(f"invalid resource version: {text!r} does not come from an earlier answer")
    return int(text)


def is_revision(text: str) -> bool:
    """Return True when ``text`` can be a resourceVersion: an unsigned number of 64 bits."""
    return text.isascii() and text.isdigit() and len(text) <= 20 and int(text) < 1 << 64


@contextmanager
def told_by_storage() -> Generator[None]:
    """Turn what storage knows of no revision so new into the 504 that clients look for."""
    try:
        yield
    except FutureRevisionError as future:
        error = errors.timed_out(f"Too large resource version: {future.asked}, current: {future.current}")
        error.details["causes"] = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
        raise error from future


def invalid_options(found: list[FieldError]) -> StatusError:
    """422: options of a list or a watch that exclude each other."""
    return errors.invalid("meta.k8s.io", "ListOptions", "", found)


def _check(options: ListOptions) -> None:
    found: list[FieldError] = []
    if match := options.resource_version_match:
        field = "resourceVersionMatch"
        if not options.resource_version:
            found.append(FieldError.forbidden(field, f"{field} is forbidden unless resourceVersion is provided"))
        if options.continue_token:
            found.append(FieldError.forbidden(field, f"{field} is forbidden when continue is provided"))
        if match not in ("Exact", "NotOlderThan"):
            found.append(FieldError.not_supported(field, match, ("Exact", "NotOlderThan", "")))
        if match == "Exact" and options.resource_version == "0":
            found.append(FieldError.forbidden(field, f'{field} "exact" is forbidden for resourceVersion "0"'))
    if options.send_initial_events is not None:
        found.append(FieldError.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    if found:
        raise invalid_options(found)


def _start(options: ListOptions) -> _Start:
    if options.continue_token:
        return _continued(options)
    if not options.resource_version:
        return _Start()
    revision = parse_revision(options.resource_version)
    # A limit with a resourceVersion and no match means Exact, for paging clients of old.
    exact = options.limit > 0 and revision > 0 if not options.resource_version_match else False
    if exact or options.resource_version_match == "Exact":
        return _Start(at=revision)
    return _Start(at_least=revision)


def _continued(options: ListOptions) -> _Start:
    revision, after = _parse_continue(options.continue_token)
    if options.resource_version not in ("", "0"):
        raise errors.bad_request("specifying resource version is not allowed when using continue")
    return _Start(after=after) if revision == INCONSISTENT else _Start(at=revision, after=after)


def _expired(start: _Start) -> StatusError:
    if start.after is None:
        return errors.expired("The resourceVersion for the provided list is too old.")
    return errors.expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list "
        "without the continue parameter, or use the continue token in this response to retrieve the remainder of the "
        "results. Continuing with the provided token results in an inconsistent list - objects that were created, "
        "modified, or deleted between the time the first chunk was returned and now may show up in the list.",
        continue_token=_continue_token(INCONSISTENT, start.after),
    )


def _continue_token(revision: Revision, last: tuple[str, str]) -> str:
    token = {"v": TOKEN_VERSION, "rv": revision, "start": list(last)}
    return base64.urlsafe_b64encode(orjson.dumps(token)).decode().rstrip("=")


def _parse_continue(text: str) -> tuple[Revision, tuple[str, str]]:
    try:
        match orjson.loads(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)):
            case {"v": "meta.k8s.io/v1", "rv": int(revision), "start": [str(namespace), str(name)]} if (
                revision > 0 or revision == INCONSISTENT
            ):
                return revision, (namespace, name)
            case _:
                problem = "it is not one that this server gave"
    except ValueError as broken:
        problem = str(broken)
    raise errors.bad_request(f"invalid continue token: continue key is not valid: {problem}")
