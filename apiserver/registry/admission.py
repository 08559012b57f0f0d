"""From a request's object to a hub object fit to store: identity, unknown fields, defaults, schema, conversion.

The order is Kubernetes' (``k8s.io/apiserver/pkg/registry/rest``): decode, prune, default, check, convert, prepare,
validate. Nothing here touches storage.
"""

from collections.abc import Iterable

from apiserver.machinery import errors
from apiserver.machinery.cloning import clone
from apiserver.machinery.decoding import paths
from apiserver.machinery.errors import MAX_TOLD, FieldError
from apiserver.machinery.objectmeta import drop_empty, fill_new_metadata, validate_metadata, validate_metadata_update
from apiserver.machinery.resource import Conversion, Object, Resource
from apiserver.registry.options import FieldValidation, WriteOptions


def check_identity(resource: Resource, obj: Object, options: WriteOptions, namespace: str, name: str | None) -> None:
    """Check that the object is what and where the URL says, and complete what the object leaves out.

    Raises 400.
    """
    api_version = resource.api_version(options.version)
    for key, expected in (("apiVersion", api_version), ("kind", resource.kind)):
        if obj.setdefault(key, expected) != expected:
            raise errors.bad_request(
                f"the {key} of the data ({obj[key]}) does not match the expected {key} ({expected}) of the request"
            )
    metadata = obj.setdefault("metadata", {})
    if not isinstance(metadata, dict):
        raise errors.bad_request("metadata must be an object")
    if metadata.get("namespace") in (None, "") and namespace:
        metadata["namespace"] = namespace
    if metadata.get("namespace", "") != namespace:
        raise errors.bad_request(
            f"the namespace of the provided object does not match the namespace sent on the request ({namespace})"
        )
    if not resource.namespaced:
        metadata.pop("namespace", None)
    if name is not None and metadata.setdefault("name", name) != name:
        raise errors.bad_request(
            f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})"
        )


def checked(resource: Resource, obj: Object, options: WriteOptions, current: Object | None = None) -> Object:
    """Return ``obj`` pruned, defaulted and checked in its own version. Without ``current`` that is done in place.

    Whole fields that it shares with ``current``, the hub object that it shall replace, are not looked at again: what
    is stored was right when it came, and may stay so under newer rules (as with Kubernetes' ratcheting, KEP-4008).
    Raises 400 for unknown fields under Strict validation and 422 for everything the schema refuses.
    """
    schema = resource.version(options.version).schema
    kept = _kept(resource, obj, options, current) if current else {}
    part = obj if current is None else {name: clone(each) for name, each in obj.items() if name not in kept}
    places = _places(resource, part, options)
    schema.fill(part)
    is_plain = schema.is_plain(part, kept)
    _report_strict(resource, [] if is_plain else schema.prune(part), places, options)
    if not is_plain:
        schema.apply_defaults(part)
        _refuse(resource, obj, schema.validate(part, kept))
    return {**part, **kept} if kept else part


def _kept(resource: Resource, obj: Object, options: WriteOptions, current: Object) -> Object:
    """Return the fields of ``obj`` that are those of ``current``; strategies may change what is not custom any time."""
    if not resource.custom or resource.version(options.version).conversion is not None:
        return {}
    return {name: each for name, each in obj.items() if each is current.get(name) and name != "metadata"}


def to_hub(resource: Resource, obj: Object, options: WriteOptions, current: Object | None = None) -> Object:
    """Return a ``checked`` object in the hub version; ``current`` is the hub object that it shall replace.

    Raises 422 for what does not fit the hub's schema.
    """
    version = resource.version(options.version)
    hub = obj if version.conversion is None else _converted(resource, version.conversion, obj, current)
    hub["apiVersion"] = resource.hub_api_version
    hub["metadata"].pop("selfLink", None)
    drop_empty(hub["metadata"])
    resource.strategy.settle(hub)
    return hub


def _converted(resource: Resource, conversion: Conversion, obj: Object, current: Object | None) -> Object:
    hub = conversion.to_hub(obj, current)
    resource.hub.schema.apply_defaults(hub)
    _refuse(resource, hub, resource.hub.schema.validate(hub))
    return hub


def _places(resource: Resource, obj: Object, options: WriteOptions) -> dict[str, int]:
    """Return the place of each path in ``obj`` where strict decoding tells its findings by their places.

    Kubernetes reads its own kinds in one go; of a custom resource it first tells the fields given twice.
    """
    if resource.custom or options.is_patch or not options.repeated:
        return {}
    return {path: place for place, path in enumerate(paths(obj))}


def _report_strict(resource: Resource, unknown: list[str], places: dict[str, int], options: WriteOptions) -> None:
    """Refuse, warn of, or ignore what strict decoding finds: fields given twice and fields that do not exist."""
    if not unknown and not options.repeated:
        return
    found = [*options.repeated, *(f'unknown field "{path}"' for path in unknown[:MAX_TOLD])]
    # A path is what stands between the quotes.
    texts = errors.told(sorted(found, key=lambda text: places.get(text.partition('"')[2][:-1], -1)))
    match options.field_validation:
        case FieldValidation.STRICT if options.is_patch:
            problem = f"strict decoding error: {', '.join(texts)}"
            # Kubernetes shows the patch here; the object would show more than the client sent.
            raise errors.invalid("", "", "", [FieldError("FieldValueInvalid", "patch", f"Invalid value: {problem}")])
        case FieldValidation.STRICT:
            raise errors.bad_request(
                f'{resource.kind} in version "{options.version}" cannot be handled as a {resource.kind}: '
                f"strict decoding error: {', '.join(texts)}"
            )
        case FieldValidation.WARN:
            options.warnings.extend(texts)
        case FieldValidation.IGNORE:
            return


def check_transient(resource: Resource, obj: Object, options: WriteOptions, namespace: str) -> Object:
    """Return an object that is going to be answered and not stored, in the hub version. Raises 400 and 422."""
    check_identity(resource, obj, options, namespace, None)
    obj.pop("status", None)  # typed clients send an empty one, which need not fit the schema
    hub = to_hub(resource, checked(resource, obj, options), options)
    _judge(resource, hub, list(resource.strategy.validate(hub, options.caller)), options)
    return hub


def prepare_new(resource: Resource, hub: Object, options: WriteOptions) -> None:
    """Give a new hub object its identity and whatever its kind's strategy decides; then judge it.

    Raises 403 for kinds of which nothing can be created and for what the cluster does not allow, and 422.
    """
    metadata = hub["metadata"]
    if why := resource.strategy.refuses_create():
        name = metadata.get("name") or metadata.get("generateName", "")
        raise errors.forbidden_object(resource.group, resource.plural, name, why)
    fill_new_metadata(metadata, metadata.get("namespace", ""))
    if not metadata.get("name"):
        # Strategies may count on a name.
        _refuse(resource, hub, [*validate_metadata(metadata, resource.names)])
    metadata.pop("generation", None)
    if resource.has_generation:
        metadata["generation"] = 1
    if resource.has_status:
        hub.pop("status", None)
    resource.strategy.prepare_for_create(hub, options.caller)
    found = resource.strategy.validate(hub, options.caller)
    _judge(resource, hub, [*validate_metadata(metadata, resource.names), *found], options)
    _refuse_write(resource, hub, resource.strategy.refuses_write(hub, None))
    if resource.unattended:
        options.warnings.append(f"nothing acts on a {resource.kind} yet: it is checked and kept, and that is all")


def judge_change(
    resource: Resource, hub: Object, old: Object, found: Iterable[FieldError], options: WriteOptions
) -> None:
    """Raise 422 with everything wrong with ``hub`` in place of ``old``: metadata, and what the strategy ``found``.

    Raises 403 for what the cluster does not allow.
    """
    metadata = validate_metadata_update(hub["metadata"], old["metadata"], resource.names)
    found = [*metadata, *found]
    if options.subresource in ("approval", "status", "finalize"):
        # Without warnings, as the strategies of Kubernetes' subresources have it.
        _refuse(resource, hub, found)
        why = resource.strategy.refuses_subresource(options.subresource, hub, old, options.caller)
    else:
        _judge(resource, hub, found, options)
        why = resource.strategy.refuses_write(hub, old)
    _refuse_write(resource, hub, why)


def _judge(resource: Resource, hub: Object, found: list[FieldError], options: WriteOptions) -> None:
    _refuse(resource, hub, found)
    options.warnings.extend(resource.strategy.warnings(hub))


def _refuse_write(resource: Resource, hub: Object, why: str | None) -> None:
    if why:
        raise errors.forbidden_object(resource.group, resource.plural, hub["metadata"]["name"], why)


def _refuse(resource: Resource, obj: Object, found: list[FieldError]) -> None:
    if found:
        metadata = obj["metadata"]
        name = metadata.get("name") or metadata.get("generateName", "")
        raise errors.invalid(resource.group, resource.kind, str(name), found)
