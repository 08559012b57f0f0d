"""``metadata.managedFields`` of what is written: kept by every write, and the rule of server-side apply.

Source: ``k8s.io/apimachinery/pkg/util/managedfields`` (field manager, last-applied manager and updater).
"""

from dataclasses import dataclass
from typing import Any

import orjson

from apiserver.machinery import errors
from apiserver.machinery import managers as managing
from apiserver.machinery.applying import problems
from apiserver.machinery.cloning import clone
from apiserver.machinery.comparison import applied_fields, compare
from apiserver.machinery.conversion import CARRIED_PREFIX
from apiserver.machinery.disowning import UnconvertibleError
from apiserver.machinery.fieldmanager import FieldManager, Forms, Writer
from apiserver.machinery.fields import Fields, difference, union
from apiserver.machinery.managers import ContestedError, MalformedError, Managers
from apiserver.machinery.resource import Object, Resource, Version
from apiserver.machinery.structural import Node
from apiserver.registry.codec import hub_object, versioned_object
from apiserver.registry.options import WriteOptions
from apiserver.storage.contract import Record
from kube.timestamps import to_time, utc_now

KUBECTL = "kubectl"
"""The applier that takes over what it has applied on the client's side before."""
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

Entries = list[dict[str, Any]]
"""``metadata.managedFields``."""


@dataclass(frozen=True, slots=True)
class _Versions:
    """The versions of a kind (:class:`~apiserver.machinery.disowning.Versions`)."""

    resource: Resource

    def node(self, api_version: str) -> Node:
        return self._version(api_version).schema.root

    def convert(self, obj: Object, source: str, target: str) -> Object:
        if source == target:
            return obj
        old, new = self._version(source), self._version(target)
        if old.conversion is None and new.conversion is None:  # of one shape
            return obj
        whole = clone(obj)
        old.schema.prune(whole)
        old.schema.apply_defaults(whole)
        if wrong := old.schema.validate(whole):
            raise UnconvertibleError(wrong)
        hub = whole if old.conversion is None else old.conversion.to_hub(whole)
        return hub if new.conversion is None else new.conversion.from_hub(hub)

    def _version(self, api_version: str) -> Version:
        if api_version == self.resource.hub_api_version:
            return self.resource.hub
        group, _, name = api_version.rpartition("/")
        if group != self.resource.group:
            raise KeyError(api_version)
        return self.resource.version(name)


def of(obj: Object) -> Entries:
    """Return the entries of a stored object."""
    return obj["metadata"].get("managedFields", [])


def same(one: Object, other: Object) -> bool:
    """Return True when the entries of two objects differ in nothing but their times."""
    return managing.same_but_times(of(one), of(other))


def put(obj: Object, entries: Entries) -> None:
    """Set the entries of an object that is going to be stored."""
    if entries:
        obj["metadata"]["managedFields"] = entries
    else:
        obj["metadata"].pop("managedFields", None)


def created(resource: Resource, obj: Object, options: WriteOptions) -> Entries:
    """Return the entries of a new object. ``obj`` is in the request's version, pruned, defaulted and checked."""
    api_version = resource.api_version(options.version)
    nothing, new = {api_version: {"metadata": {}}}, {api_version: obj}
    return managing.encode(_manager(resource, options).update({}, nothing, new, _writer(resource, options)))


def updated(resource: Resource, current: Record, new: Forms, asked: Any, options: WriteOptions) -> Entries:
    """Return the entries of an object that is put in the place of ``current``.

    ``new`` holds it in the request's version and in the hub's, pruned, defaulted and checked, before any strategy;
    ``asked`` is the ``managedFields`` that the client sent, None when there is none. Objects without managers stay
    so until somebody applies.
    """
    before = of(hub_object(current))
    managers = _asked(before, None if options.subresource else asked)
    if not managers:
        return []
    api_version = resource.api_version(options.version)
    old = {
        resource.hub_api_version: hub_object(current),
        api_version: versioned_object(current, resource, options.version),
    }
    try:
        return managing.encode(_manager(resource, options).update(managers, old, new, _writer(resource, options)))
    except UnconvertibleError:  # the old state breaks a newer schema: Kubernetes keeps the entries then, too
        return before


def _asked(before: Entries, asked: Any) -> Managers:
    """Return the managers to start from: those that a client has written, where they are usable, or the stored ones."""
    if asked is None or asked == before:
        return managing.decode(before)
    if managing.is_reset(asked):
        return {}
    try:
        return managing.decode_foreign(asked) or managing.decode(before)
    except MalformedError:
        return managing.decode(before)


def applied(
    resource: Resource, current: Record | None, config: Object, options: WriteOptions
) -> tuple[Object, Entries]:
    """Return what results from applying ``config`` to an object, or to nothing, in the request's version.

    Raises 400 for a configuration that cannot be merged, 409 for conflicts.
    """
    _check(resource, config, options)
    live: Object = {"metadata": {}} if current is None else versioned_object(current, resource, options.version)
    fields, writer = _manager(resource, options), _writer(resource, options)
    managers = managing.decode(of(live))
    try:
        new, left = _apply(fields, managers, live, config, writer, force=options.force)
    except ContestedError as refused:
        raise managing.conflict(refused.contested) from refused
    except UnconvertibleError as broken:
        name = str(config["metadata"].get("name", ""))
        raise errors.invalid(resource.group, resource.kind, name, broken.wrong) from broken
    whole: Object = clone(new)
    whole["metadata"].pop("managedFields", None)
    if options.manager == KUBECTL and (whole["metadata"].get("annotations") or {}).get(LAST_APPLIED):
        whole["metadata"]["annotations"][LAST_APPLIED] = _last_applied(config)
    return whole, managing.encode(left)


def _apply(
    fields: FieldManager, managers: Managers, live: Object, config: Object, writer: Writer, *, force: bool
) -> tuple[Object, Managers]:
    """Apply, as kubectl also over what it has itself applied on the client's side."""
    try:
        return fields.apply(managers, live, config, writer, force=force)
    except ContestedError as refused:
        if writer.name != KUBECTL:
            raise
        allowed = _applied_before(fields, live, writer.api_version)
        contested = {key: difference(each, allowed) for key, each in refused.contested.items()}
        if contested := {key: each for key, each in contested.items() if each}:
            raise ContestedError(contested) from refused
        return fields.apply(managers, live, config, writer, force=True)


def _applied_before(fields: FieldManager, live: Object, api_version: str) -> Fields:
    """Return the fields that ``kubectl apply`` has set from the client's side and that still are as it set them."""
    try:
        last = orjson.loads(live["metadata"].get("annotations", {}).get(LAST_APPLIED, ""))
        if not isinstance(last, dict) or last.get("apiVersion") != api_version or not last.get("metadata"):
            return {}
        node = fields.versions.node(api_version)
        if next(problems(node, clone(last)), None):
            return {}
        was = fields.comparable(last)
    except (ValueError, LookupError, RecursionError):  # anybody can write anything there
        return {}
    changed = compare(node, was, fields.comparable(live))
    return difference(applied_fields(node, was), union(changed.removed, union(changed.modified, changed.added)))


def _last_applied(config: Object) -> str:
    plain = clone(config)
    (plain["metadata"].get("annotations") or {}).pop(LAST_APPLIED, None)
    return orjson.dumps(plain, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE).decode()


def _check(resource: Resource, config: Object, options: WriteOptions) -> None:
    version = resource.version(options.version)
    if config["metadata"].get("managedFields") is not None:
        raise errors.bad_request("metadata.managedFields must be nil")
    try:
        wrong = errors.told(problems(version.schema.root, config))
    except RecursionError as too_deep:
        raise errors.nested_too_deeply() from too_deep
    if wrong:
        metadata = config["metadata"]
        what = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}; {resource.group}/{version.name}"
        told = wrong[0] if len(wrong) == 1 else "\n  ".join(["errors:", *wrong])
        raise errors.bad_request(f"failed to create typed patch object ({what}, Kind={resource.kind}): {told}")


def _writer(resource: Resource, options: WriteOptions) -> Writer:
    return Writer(
        name=options.manager,
        api_version=resource.api_version(options.version),
        time=to_time(utc_now()),
        subresource=options.subresource,
    )


def _manager(resource: Resource, options: WriteOptions) -> FieldManager:
    of_status = options.subresource in ("approval", "status")
    put_back = "spec" if of_status else "status"
    return FieldManager(
        versions=_Versions(resource),
        only="status" if of_status and resource.custom else None,
        without=frozenset({put_back}) if resource.has_status else frozenset(),
        unowned_annotations=CARRIED_PREFIX,
    )
