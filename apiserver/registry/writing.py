"""create, update, patch and apply of one object, in Kubernetes' order and with its conflicts.

Source: ``k8s.io/apiserver/pkg/registry/generic/registry`` and Kubernetes' API conventions on concurrency control.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

import orjson

from apiserver.machinery import errors
from apiserver.machinery.cloning import clone
from apiserver.machinery.resource import Object, Resource
from apiserver.registry import admission, managedfields, quota
from apiserver.registry.codec import hub_object, stored_body, versioned_object
from apiserver.registry.namespaces import in_active_namespace
from apiserver.registry.options import WriteOptions
from apiserver.registry.reading import get
from apiserver.storage.contract import (
    Along,
    AlreadyExistsError,
    ConflictError,
    Key,
    NotFoundError,
    Record,
    Store,
)

NAME_ATTEMPTS = 8
"""How many generated names are tried before the client is told to try again (KEP-4420)."""
UPDATE_ATTEMPTS = 100
"""How often a write that names no resourceVersion is retried against the newest state: of many writers to one object,
one gets through at a time."""


MayCreate = Callable[[Object], Awaitable[None]]
"""Raises StatusError when the caller may not create an object that an update or an apply did not find."""


@dataclass(frozen=True, slots=True)
class Written:
    """What an update or an apply did."""

    record: Record
    created: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """What an object shall become, in the request's version."""

    obj: Object
    managed: managedfields.Entries | None = None
    """The entries to store; None to find them out."""


@dataclass(frozen=True, slots=True)
class _Proposal:
    """What an object shall become, in the hub version."""

    hub: Object
    managed: managedfields.Entries
    expected: str | None
    """The resourceVersion that the client thinks the object has."""


async def create(resource: Resource, store: Store, namespace: str, obj: Object, options: WriteOptions) -> Record:
    """Store a new object. Raises 400, 409 AlreadyExists, 422."""
    admission.check_identity(resource, obj, options, namespace, None)
    if obj["metadata"].get("resourceVersion"):
        raise errors.bad_request("resourceVersion should not be set on objects to be created")
    return await _create(resource, store, namespace, Draft(obj), options)


async def _create(resource: Resource, store: Store, namespace: str, draft: Draft, options: WriteOptions) -> Record:
    obj = draft.obj
    prefix = obj["metadata"].get("generateName") if not obj["metadata"].get("name") else None
    hub, managed = await options.workers.run(options.size, lambda: _admitted(resource, draft, options))
    warnings_before = len(options.warnings)
    for attempt in range(NAME_ATTEMPTS):
        # What follows from the name is found out anew for each.
        new = clone(hub) if prefix else hub
        del options.warnings[warnings_before:]
        admission.prepare_new(resource, new, options)
        managedfields.put(new, managed)
        key = Key(resource.storage_name, namespace, new["metadata"]["name"])
        try:
            return await _commit_new(resource, store, key, new, options)
        except AlreadyExistsError as taken:
            if not prefix or attempt == NAME_ATTEMPTS - 1:
                raise errors.already_exists(resource.group, resource.plural, key.name) from taken
    raise AssertionError("the loop returns or raises")


def _admitted(resource: Resource, draft: Draft, options: WriteOptions) -> tuple[Object, managedfields.Entries]:
    """Return the hub object and the entries of a new object, before any strategy."""
    draft.obj["metadata"].pop("managedFields", None)
    obj = admission.checked(resource, draft.obj, options)
    hub = admission.to_hub(resource, obj, options)
    return hub, managedfields.created(resource, obj, options) if draft.managed is None else draft.managed


async def _commit_new(resource: Resource, store: Store, key: Key, hub: Object, options: WriteOptions) -> Record:
    body = stored_body(hub)
    if not options.dry_run:

        async def commit(along: Sequence[Along]) -> Record:
            with in_active_namespace(resource, hub) as namespace:
                return await store.create(key, body, along=[*namespace, *along])

        return await quota.commit_within(store, resource, hub, None, commit)
    await quota.check(store, resource, hub, None)
    try:
        await store.get(key)
    except NotFoundError:
        return Record(key, await store.latest(), body)
    raise AlreadyExistsError(key)


async def update(
    resource: Resource,
    store: Store,
    namespace: str,
    name: str,
    obj: Object,
    options: WriteOptions,
    may_create: MayCreate,
) -> Written:
    """Replace an object, or its status when ``options.subresource`` says so; some kinds are created where missing.

    Raises 400, 404, 409, 422.
    """
    admission.check_identity(resource, obj, options, namespace, name)
    always = resource.unconditional_update and not resource.custom

    def replaced(_: Record) -> Draft:
        if not always and not obj["metadata"].get("resourceVersion"):
            raise _unconditional(resource, name)
        return Draft(copied(obj))

    if options.subresource or not resource.create_on_update:
        return Written(await change(resource, store, namespace, name, replaced, options))
    return await _change_or_create(
        resource, store, namespace, name, replaced, lambda: Draft(copied(obj)), options, may_create
    )


async def patch(
    resource: Resource,
    store: Store,
    namespace: str,
    name: str,
    apply: Callable[[Object], Object],
    options: WriteOptions,
) -> Record:
    """Change an object by ``apply``, a function from its current form in the request's version to the new one.

    ``apply`` must not change what it is given, may share it, and may run again when somebody else writes in between.
    Raises 400, 404, 409, 422.
    """

    def patched(current: Record) -> Draft:
        new = _with_own_metadata(apply(versioned_object(current, resource, options.version)))
        admission.check_identity(resource, new, options, namespace, name)
        return Draft(without_own_version(new, current))

    return await change(resource, store, namespace, name, patched, options)


async def apply(
    resource: Resource,
    store: Store,
    namespace: str,
    name: str,
    config: Object,
    options: WriteOptions,
    may_create: MayCreate,
) -> Written:
    """Make ``config`` part of an object: server-side apply (KEP-555). Creates the object where it is missing.

    Raises 400, 404 for subresources of what is missing, 409 for conflicts with other managers, 422.
    """
    require_type(config)
    admission.check_identity(resource, config, options, namespace, name)

    def applied(current: Record) -> Draft:
        new, managed = managedfields.applied(resource, current, config, options)
        return Draft(without_own_version(new, current), managed)

    def first() -> Draft:
        if uid := config["metadata"].get("uid"):
            why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            raise errors.conflict(resource.group, resource.plural, name, why)
        return Draft(*managedfields.applied(resource, None, config, options))

    if options.subresource:
        return Written(await change(resource, store, namespace, name, applied, options))
    return await _change_or_create(resource, store, namespace, name, applied, first, options, may_create)


def require_type(config: Object) -> None:
    """Raise 400 for what is applied without saying what it is."""
    if not config.get("apiVersion") or not config.get("kind"):
        kind = f"{config.get('apiVersion', '/')}, Kind={config.get('kind', '')}"
        raise errors.bad_request(f"invalid object type: {kind}")


def _with_own_metadata(obj: Object) -> Object:
    """Return ``obj`` with a copy of its metadata, which may be shared with what is stored."""
    metadata = obj.get("metadata")
    return {**obj, "metadata": {**metadata}} if isinstance(metadata, dict) else obj


def without_own_version(new: Object, current: Record) -> Object:
    """Return ``new`` without the resourceVersion of ``current``, which is no precondition of the client's."""
    if new["metadata"].get("resourceVersion") == str(current.revision):
        del new["metadata"]["resourceVersion"]
    return new


async def _change_or_create(  # noqa: PLR0917 - the whole request, and what to do either way
    resource: Resource,
    store: Store,
    namespace: str,
    name: str,
    make: Callable[[Record], Draft],
    make_first: Callable[[], Draft],
    options: WriteOptions,
    may_create: MayCreate,
) -> Written:
    for _ in range(UPDATE_ATTEMPTS):
        try:
            return Written(await change(resource, store, namespace, name, make, options))
        except errors.StatusError as missing:
            if missing.code != 404:
                raise
        draft = await options.workers.run(options.size, make_first)
        await may_create(draft.obj)
        try:
            return Written(await _create(resource, store, namespace, draft, options), created=True)
        except errors.StatusError as taken:
            if taken.reason != "AlreadyExists":
                raise
    raise _too_busy(resource, name)


async def change(
    resource: Resource,
    store: Store,
    namespace: str,
    name: str,
    make: Callable[[Record], Draft],
    options: WriteOptions,
) -> Record:
    """Change an object to what ``make`` makes of its newest state, again each time that somebody else was faster.

    Raises 404, 409, 422.
    """
    warnings_before = len(options.warnings)
    for _ in range(UPDATE_ATTEMPTS):
        current = await get(resource, store, namespace, name)
        del options.warnings[warnings_before:]
        size = max(options.size, len(current.body))
        proposal = await options.workers.run(size, partial(_propose, resource, make, current, options))
        expected = proposal.expected
        hub = _merged(resource, proposal, current, options)
        try:
            return await _commit_change(resource, store, current, hub, options)
        except ConflictError as conflict:
            if expected:
                raise _modified(resource, name) from conflict
        except NotFoundError as missing:
            raise errors.not_found(resource.group, resource.plural, name) from missing
    raise _too_busy(resource, name)


def _propose(resource: Resource, make: Callable[[Record], Draft], current: Record, options: WriteOptions) -> _Proposal:
    """Return what a write wants, in the hub version, before its kind's strategy has seen it."""
    draft = make(current)
    obj = draft.obj
    expected: str | None = obj["metadata"].get("resourceVersion")
    if expected and expected != str(current.revision):
        raise _modified(resource, current.key.name)
    asked = obj["metadata"].pop("managedFields", None)
    old = hub_object(current)
    obj = admission.checked(resource, obj, options, old)
    hub = admission.to_hub(resource, obj, options, old)
    managed = draft.managed
    if managed is None:
        forms = {resource.hub_api_version: hub, resource.api_version(options.version): obj}
        managed = managedfields.updated(resource, current, forms, asked, options)
    return _Proposal(hub, managed, expected)


def _merged(resource: Resource, proposal: _Proposal, current: Record, options: WriteOptions) -> Object:
    """Return the hub object to store: the proposed one, with everything that it may not change put back."""
    old, hub, managed = hub_object(current), proposal.hub, proposal.managed
    _keep_identity(resource, hub, old)
    if options.subresource == "status":
        return _with_new_status(resource, hub, old, managed, options)
    if options.subresource == "approval":
        return _decided(resource, hub, old, managed, options)
    hub = {name: clone(each) if each is old.get(name) else each for name, each in hub.items()}
    managedfields.put(hub, managed)
    if resource.has_status:
        hub.pop("status", None)
        if "status" in old:
            hub["status"] = clone(old["status"])
    if options.subresource != "finalize":
        resource.strategy.prepare_for_update(hub, old, options.caller)
    if resource.has_generation and hub.get("spec") != old.get("spec"):
        hub["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
    admission.judge_change(resource, hub, old, resource.strategy.validate_update(hub, old, options.caller), options)
    return hub


def _with_new_status(
    resource: Resource, asked: Object, old: Object, managed: managedfields.Entries, options: WriteOptions
) -> Object:
    """Return the old object with the status that is asked for and, unless it is a custom resource, the metadata too.

    Source: ``customresource/status_strategy.go`` of k8s.io/apiextensions-apiserver puts back all but the status; the
    status strategies of Kubernetes' own kinds (``k8s.io/kubernetes/pkg/registry/core``) put back the spec.
    """
    metadata = dict(old["metadata"]) if resource.custom else asked["metadata"]
    hub = {**old, "metadata": metadata, "status": asked.get("status", {})}
    managedfields.put(hub, managed)
    resource.strategy.prepare_for_status_update(hub, old, options.caller)
    judge = resource.strategy.validate_status_update if resource.custom else resource.strategy.validate_update
    found = judge(hub, old, options.caller)
    admission.judge_change(resource, hub, old, found, options)
    return hub


def _decided(
    resource: Resource, asked: Object, old: Object, managed: managedfields.Entries, options: WriteOptions
) -> Object:
    """Return the old object with the metadata and as much of the status as approval changes."""
    hub = {**old, "metadata": asked["metadata"], "status": asked.get("status", {})}
    managedfields.put(hub, managed)
    resource.strategy.prepare_for_approval(hub, old, options.caller)
    found = resource.strategy.validate_approval(hub, old, options.caller)
    admission.judge_change(resource, hub, old, found, options)
    return hub


def _keep_identity(resource: Resource, hub: Object, old: Object) -> None:
    metadata, before = hub["metadata"], old["metadata"]
    if metadata.get("uid") not in (None, "", before["uid"]):
        raise errors.conflict(
            resource.group,
            resource.plural,
            before["name"],
            f"Precondition failed: UID in precondition: {metadata['uid']}, UID in object meta: {before['uid']}",
        )
    for server_owned in (
        "uid",
        "creationTimestamp",
        "generation",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ):
        if server_owned in before:
            metadata[server_owned] = before[server_owned]
        else:
            metadata.pop(server_owned, None)
    metadata["resourceVersion"] = before["resourceVersion"]


async def _commit_change(
    resource: Resource, store: Store, current: Record, hub: Object, options: WriteOptions
) -> Record:
    old = hub_object(current)
    if _same(hub, old) and not current.outdated:
        return current
    body, key, expected = stored_body(hub), current.key, current.revision
    if options.dry_run:
        if not options.subresource:
            await quota.check(store, resource, hub, old)
        return Record(key, expected, body)
    if _ends(resource, hub):
        return await store.remove(key, expected=expected)
    if options.subresource:
        return await store.replace(key, body, expected=expected)
    return await quota.commit_within(
        store, resource, hub, old, lambda along: store.replace(key, body, expected=expected, along=along)
    )


def _same(hub: Object, old: Object) -> bool:
    """Return True when a write changes nothing but, at most, the times at which managers wrote.

    Source: ``handlers/fieldmanager/equality.go``; the bytes tell apart what Python does not, such as 1 and true.
    """
    if not managedfields.same(hub, old):
        return False
    one, other = (_content(obj) for obj in (hub, old))
    sort = orjson.OPT_SORT_KEYS
    return one == other and orjson.dumps(one, option=sort) == orjson.dumps(other, option=sort)


def _content(obj: Object) -> Object:
    return {**obj, "metadata": {name: value for name, value in obj["metadata"].items() if name != "managedFields"}}


def _ends(resource: Resource, hub: Object) -> bool:
    """Return True when an update took away the last thing that held an object in deletion.

    Source: ``generic/registry.ShouldDeleteDuringUpdate``; a grace period that runs is ended by a delete only.
    """
    metadata = hub["metadata"]
    waits = "deletionTimestamp" not in metadata or metadata.get("deletionGracePeriodSeconds")
    return not waits and not resource.strategy.holds_deletion(hub)


def copied(obj: Object) -> Object:
    """Return a copy of what a client sent. Raises 400 when that is nested too deeply."""
    try:
        return clone(obj)
    except ValueError as too_deep:
        raise errors.nested_too_deeply() from too_deep


def _unconditional(resource: Resource, name: str) -> errors.StatusError:
    told = "Invalid value: 0x0: must be specified for an update"
    wrong = errors.FieldError("FieldValueInvalid", "metadata.resourceVersion", told)
    return errors.invalid(resource.group, resource.plural, name, [wrong])


def _too_busy(resource: Resource, name: str) -> errors.StatusError:
    return errors.conflict(resource.group, resource.plural, name, "it is being changed too often; please try again")


def _modified(resource: Resource, name: str) -> errors.StatusError:
    return errors.conflict(
        resource.group,
        resource.plural,
        name,
        "the object has been modified; please apply your changes to the latest version and try again",
    )
