"""Query parameters, checked and turned into the registry's options."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from aiohttp import hdrs

from apiserver.auth.attributes import RequestInfo
from apiserver.http.request import Request
from apiserver.machinery import errors
from apiserver.machinery.decoding import MAX_BODY_BYTES
from apiserver.machinery.resource import Resource
from apiserver.machinery.selectors import (
    FieldRequirement,
    FieldSelector,
    parse_field_selector,
    parse_label_selector,
)
from apiserver.registry.options import FieldValidation, ListOptions, WriteOptions
from apiserver.registry.selection import select
from apiserver.registry.watching import WatchOptions
from apiserver.storage.contract import Selection

MANAGER_MAX_BYTES = 128
"""How long the name of a field manager may be (``metav1/validation.FieldManagerMaxLength``)."""


def selection(resource: Resource, info: RequestInfo, query: Mapping[str, str]) -> Selection:
    """Return what a request selects: by its namespace, label and field selectors. Raises 400."""
    labels = parse_label_selector(query.get("labelSelector", ""))
    selectable = (*resource.selectable_fields, *resource.selectable_as)
    fields = parse_field_selector(query.get("fieldSelector", ""), selectable).renamed(resource.selectable_as)
    if info.name:
        fields = FieldSelector((*fields.requirements, FieldRequirement("metadata.name", equal=True, value=info.name)))
    return select(resource, info.namespace, labels, fields)


def list_options(resource: Resource, info: RequestInfo, query: Mapping[str, str]) -> ListOptions:
    """Return the options of a list. Raises 400."""
    return ListOptions(
        selection=selection(resource, info, query),
        resource_version=query.get("resourceVersion", ""),
        resource_version_match=query.get("resourceVersionMatch", ""),
        limit=max(number(query, "limit") or 0, 0),
        continue_token=query.get("continue", ""),
        send_initial_events=flag(query, "sendInitialEvents"),
    )


def watch_options(resource: Resource, info: RequestInfo, query: Mapping[str, str]) -> WatchOptions:
    """Return the options of a watch. Raises 400."""
    return WatchOptions(
        selection=selection(resource, info, query),
        resource_version=query.get("resourceVersion", ""),
        resource_version_match=query.get("resourceVersionMatch", ""),
        send_initial_events=flag(query, "sendInitialEvents"),
        bookmarks=flag(query, "allowWatchBookmarks") or False,
        continue_token=query.get("continue", ""),
    )


def request_options(request: Request, *, applies: bool = False) -> WriteOptions:
    """Return the options of a request that writes.

    Raises 422, as kube-apiserver does for options that do not exist.
    """
    info, query = request.info, request.query
    force = flag(query, "force")
    manager = query.get("fieldManager", "")
    if problems := list(_manager_problems(manager, applies=applies, force=force)):
        raise errors.invalid("meta.k8s.io", f"{info.verb.title()}Options", "", problems)
    dry_run = query.get("dryRun") or ""
    if dry_run not in ("", "All"):
        raise _not_supported(info.verb, "dryRun", dry_run, ["All"])
    return WriteOptions(
        caller=request.caller,
        version=info.version,
        subresource=info.subresource,
        dry_run=dry_run == "All",
        field_validation=_field_validation(info.verb, query.get("fieldValidation", "")),
        is_patch=info.verb == "patch",
        manager=manager or _manager_from(request.headers.get(hdrs.USER_AGENT, "")),
        force=force or False,
        size=_size(request),
        workers=request.api.workers,
    )


def _field_validation(verb: str, text: str) -> FieldValidation:
    if not text:
        return FieldValidation.WARN
    try:
        return FieldValidation(text)
    except ValueError as unknown:
        raise _not_supported(verb, "fieldValidation", text, sorted(FieldValidation)) from unknown


def _size(request: Request) -> int:
    """Return how long the body is, at most: one that is compressed or of unknown length may be as long as any."""
    if request.content_length is None or hdrs.CONTENT_ENCODING in request.headers:
        return MAX_BODY_BYTES
    return request.content_length


def _manager_problems(manager: str, *, applies: bool, force: bool | None) -> Iterator[errors.FieldError]:
    """Yield what is wrong with ``fieldManager`` and ``force`` (``metav1/validation.ValidatePatchOptions``)."""
    if applies and not manager:
        yield errors.FieldError.required("fieldManager", "is required for apply patch")
    if not applies and force is not None:
        yield errors.FieldError.forbidden("force", "may not be specified for non-apply patch")
    if len(manager.encode()) > MANAGER_MAX_BYTES:
        told = f"Too long: may not be more than {MANAGER_MAX_BYTES} bytes"
        yield errors.FieldError("FieldValueTooLong", "fieldManager", told)
    for position, character in enumerate(manager):
        if not character.isprintable():
            detail = f"invalid character U+{ord(character):04X} (at position {position})"
            yield errors.FieldError.invalid("fieldManager", manager, detail)


@lru_cache(256)
def _manager_from(user_agent: str) -> str:
    """Return the manager that a client is whose requests name none: the program in its User-Agent."""
    program = "".join(character for character in user_agent.partition("/")[0] if character.isprintable())
    return program.encode()[:MANAGER_MAX_BYTES].decode(errors="ignore")


def _not_supported(verb: str, name: str, value: str, supported: Sequence[str]) -> errors.StatusError:
    kind = f"{verb.removesuffix('collection').title()}Options"
    return errors.invalid("meta.k8s.io", kind, "", [errors.FieldError.not_supported(name, value, supported)])


def number(query: Mapping[str, str], name: str) -> int | None:
    """Return a query parameter that must be a whole number of 64 bits, or None when it is absent. Raises 400."""
    text = query.get(name)
    if not text:
        return None
    if not re.fullmatch(r"[+-]?[0-9]{1,19}", text) or not -(1 << 63) <= int(text) < 1 << 63:
        raise errors.bad_request(f"{name} must be a whole number; it is {text!r}")
    return int(text)


def flag(query: Mapping[str, str], name: str) -> bool | None:
    """Return a boolean query parameter, or None when it is absent.

    Everything but ``false`` and ``0`` is true (``Convert_Slice_string_To_bool`` of ``k8s.io/apimachinery``).
    """
    text = query.get(name)
    return None if text is None else text.lower() not in ("false", "0")
