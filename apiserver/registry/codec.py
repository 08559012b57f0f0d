"""Records to objects and back: what is stored, and how each version shows it.

Stored bytes are the hub version without ``metadata.resourceVersion``, which is the record's revision; their apiVersion
says which version that was when they were written. Every form is built once per record and shared by all readers, who
must not change it.
"""

from collections.abc import Callable
from typing import Any

import orjson

from apiserver.machinery import errors
from apiserver.machinery.resource import Object, Resource
from apiserver.storage.contract import Key, Record


def stored_body(hub: Object) -> bytes:
    """Return the bytes to store for a hub object. Raises 400 for one that cannot be written as JSON again."""
    metadata = {key: value for key, value in hub["metadata"].items() if key != "resourceVersion"}
    # First what tells the version, where Revision looks for it, and then where an encoder puts the resourceVersion.
    beginning = {"apiVersion": hub["apiVersion"], "kind": hub["kind"], "metadata": metadata}
    try:
        return compact({**beginning, **hub, "metadata": metadata})
    except orjson.JSONEncodeError as refused:
        # What can be read can be written, but for nesting: reading allows more levels than writing.
        raise errors.nested_too_deeply() from refused


def hub_object(record: Record) -> Object:
    """Return the record's object in the hub version, with its resourceVersion."""
    return record.form("hub", _decode)


def decoded_record(key: Key, hub: Object) -> Record:
    """Return a record of an object that others keep, for those who only look at the object."""
    return Record(key, int(hub["metadata"]["resourceVersion"]), b"", {"hub": hub})


def versioned_object(record: Record, resource: Resource, version: str) -> Object:
    """Return the record's object as ``version`` shows it."""

    def build(record: Record) -> Object:
        hub = hub_object(record)
        conversion = resource.version(version).conversion
        shown = dict(hub) if conversion is None else conversion.from_hub(hub)
        shown["apiVersion"] = resource.api_version(version)
        return shown

    if resource.version(version) is resource.hub:
        return hub_object(record)
    return record.form(f"object {resource.api_version(version)}", build)


def encoder(resource: Resource, version: str) -> Callable[[Record], bytes]:
    """Return what gives a record's object as JSON in ``version``: fast, for lists and watches call it per object."""
    api_version = resource.api_version(version)
    form = f"json {api_version}"
    stored, shown = _opening(resource.hub_api_version, resource.kind), _opening(api_version, resource.kind)
    of_hub_shape = resource.version(version).conversion is None

    def build(record: Record) -> bytes:
        body = record.body
        if of_hub_shape and body.startswith(stored):
            # What is stored, but for two words: neither decoded nor encoded.
            return b'%b"resourceVersion":"%d",%b' % (shown, record.revision, body[len(stored) :])
        return compact(versioned_object(record, resource, version))

    return lambda record: record.forms.get(form) or record.form(form, build)


def _opening(api_version: str, kind: str) -> bytes:
    """Return how what :func:`stored_body` makes begins, up to the first field of the metadata: there is always one."""
    return compact({"apiVersion": api_version, "kind": kind, "metadata": {}})[:-2]


def compact(obj: Object) -> bytes:
    """Return JSON for keeping: orjson's own result holds on to its buffer, some 4 KiB more than its length."""
    return bytes(memoryview(orjson.dumps(obj)))


def _decode(record: Record) -> dict[str, Any]:
    obj = orjson.loads(record.body)
    obj["metadata"]["resourceVersion"] = str(record.revision)
    return obj
