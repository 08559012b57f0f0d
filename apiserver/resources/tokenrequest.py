"""The token of a ServiceAccount, made on request: ``serviceaccounts/token``.

Source: ``k8s.io/kubernetes/pkg/registry/core/serviceaccount/storage/token.go`` and
``pkg/apis/authentication/validation``.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from apiserver.machinery import errors
from apiserver.machinery.action import Call, ObjectAction
from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object, Resource, Stored, Version
from apiserver.machinery.schema import Catalogue
from kube.timestamps import to_time, utc_now

GROUP = "authentication.k8s.io"
SECONDS = 3600
"""How long a token is good, where nobody says."""
SHORTEST_SECONDS, LONGEST_SECONDS = 600, 1 << 32

Issue = Callable[[Object, Sequence[str], int, Object | None], tuple[str, int]]
"""Makes a token of an account, for audiences, good for so many seconds, bound to a Secret; and says when it expires."""


def action(accounts: Resource, catalogue: Catalogue, stored: Stored, issue: Issue) -> ObjectAction:
    """Return what asks for a token of one of the ``accounts``."""
    kind = Resource(
        group=GROUP,
        kind="TokenRequest",
        plural="tokenrequests",
        singular="tokenrequest",
        namespaced=True,
        versions=(Version(name="v1", schema=catalogue.schema(GROUP, "v1", "TokenRequest")),),
        transient=True,
    )

    async def create(call: Call) -> Object:
        spec, account = call.body["spec"], call.target
        name, asked = account["metadata"]["name"], call.body["metadata"].get("name", "")
        if asked not in ("", name):
            raise errors.bad_request(f"name must match serviceaccount name: {name}, got {asked}")
        seconds = spec.get("expirationSeconds") or SECONDS
        if found := list(_problems(seconds)):
            raise errors.invalid(GROUP, kind.kind, name, found)
        bound = _secret(spec.get("boundObjectRef"), call.namespace, stored)
        token, expires = issue(account, spec.get("audiences") or (), seconds, bound)
        told = {"creationTimestamp": to_time(utc_now()), "name": name, "namespace": call.namespace}
        until = to_time(datetime.fromtimestamp(expires, UTC))
        status = {"token": token, "expirationTimestamp": until}
        return {**call.body, "metadata": told, "spec": {**spec, "expirationSeconds": seconds}, "status": status}

    return ObjectAction(
        group=accounts.group,
        versions=tuple(version.name for version in accounts.versions),
        resource=accounts.plural,
        subresource="token",
        verb="create",
        target=accounts,
        takes=kind,
        returns=kind,
        announced=True,
        handler=create,
    )


def _problems(seconds: int) -> Iterable[FieldError]:
    if seconds < SHORTEST_SECONDS:
        detail = "may not specify a duration less than 10 minutes"
        yield FieldError.invalid("spec.expirationSeconds", seconds, detail)
    if seconds > LONGEST_SECONDS:
        yield FieldError.invalid(
            "spec.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds"
        )


def _secret(reference: Object | None, namespace: str, stored: Stored) -> Object | None:
    """Return the Secret that a token is to be bound to. Raises 400 for another kind, 404, 409 for another uid."""
    if reference is None:
        return None
    kind, version, name = (reference.get(field, "") for field in ("kind", "apiVersion", "name"))
    if (kind, version) != ("Secret", "v1"):
        raise errors.bad_request(f"cannot bind token for serviceaccount to object of type {version}, Kind={kind}")
    found = stored.one("secrets", namespace, name)
    if found is None:
        raise errors.not_found("", "secrets", name)
    uid = found["metadata"]["uid"]
    if reference.get("uid", uid) not in ("", uid):
        told = f"the UID in the bound object reference ({reference['uid']}) does not match the UID in record"
        raise errors.conflict("", "secrets", name, told)
    return found
