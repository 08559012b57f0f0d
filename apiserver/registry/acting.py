"""Actions: find the object that one is about, check what was sent, have it done, and show what comes of it.

Source: KubeVirt's ``pkg/virt-api/rest``.
"""

from collections.abc import Mapping
from dataclasses import replace

from apiserver.machinery import errors
from apiserver.machinery.action import Call, Endpoint, ObjectAction, StreamAction
from apiserver.machinery.errors import StatusError
from apiserver.machinery.resource import Caller, Object, Resource
from apiserver.registry import reading
from apiserver.registry.admission import check_identity, checked, to_hub
from apiserver.registry.codec import hub_object
from apiserver.registry.options import WriteOptions
from apiserver.storage.contract import Store


async def act(
    action: ObjectAction, store: Store, namespace: str, name: str, body: Object | None, options: WriteOptions
) -> Object:
    """Return the answer to an action. Raises 400 for a body that does not fit, 404, and what the action raises."""
    target = await _target(action.target, store, namespace, name) if action.target else {}
    call, version = Call(caller=options.caller, namespace=namespace, target=target), action.returns.hub.name
    if action.takes is not None and body is not None:
        sent = _version(action.takes, body)
        call = replace(call, body=_checked(action.takes, body, replace(options, version=sent), namespace))
        version = sent if action.takes is action.returns else version
    return _shown(action.returns, version, await action.handler(call))


async def locate(
    action: StreamAction, store: Store, namespace: str, name: str, caller: Caller, query: Mapping[str, str]
) -> Endpoint:
    """Return where a stream goes. Raises 404, and what the action raises."""
    target = await _target(action.target, store, namespace, name) if action.target else {}
    return action.locator(Call(caller=caller, namespace=namespace, target=target, query=query))


async def _target(kind: Resource, store: Store, namespace: str, name: str) -> Object:
    try:
        return hub_object(await reading.get(kind, store, namespace, name))
    except StatusError as error:
        if error.reason != "NotFound":
            raise
        raise errors.not_found(kind.group, kind.singular, name) from error


def _version(kind: Resource, body: Object) -> str:
    """Return the version that a body says it is of, or the hub for one that does not say it well."""
    told = body.get("apiVersion")
    return next((each.name for each in kind.versions if told == kind.api_version(each.name)), kind.hub.name)


def _checked(kind: Resource, body: Object, options: WriteOptions, namespace: str) -> Object:
    check_identity(kind, body, options, namespace, None)
    if deprecation := kind.version(options.version).deprecation:
        options.warnings.append(deprecation)
    try:
        return to_hub(kind, checked(kind, body, options), options)
    except StatusError as refused:
        if refused.reason != "Invalid":
            raise
        error = errors.bad_request(f"Object is not a valid {kind.kind}")
        error.details["causes"] = refused.details["causes"]
        raise error from refused


def _shown(kind: Resource, version: str, hub: Object) -> Object:
    conversion = kind.version(version).conversion
    shown = hub if conversion is None else conversion.from_hub(hub)
    return {**shown, "apiVersion": kind.api_version(version)}
