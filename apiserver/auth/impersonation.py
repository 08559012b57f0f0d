"""Acting as somebody else, for those who may: the ``Impersonate-`` headers.

Source: ``k8s.io/apiserver/pkg/endpoints/filters/impersonation.go``.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from apiserver.auth.attributes import RequestInfo
from apiserver.auth.authorization import Authorization, require
from apiserver.auth.identities import Extra, account_caller, account_of, is_text, told
from apiserver.machinery import errors
from apiserver.machinery.resource import Caller

PREFIX = "impersonate-"
_EXTRA = "extra-"
_IDENTITY_GROUP = "authentication.k8s.io"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Whom a request wants to be."""

    user: str
    groups: tuple[str, ...]
    uid: str
    extra: Extra


async def impersonated(caller: Caller, headers: Iterable[tuple[str, str]], authorization: Authorization) -> Caller:
    """Return whom ``caller`` acts as by the headers of a request: themselves, where these name nobody.

    Raises 400 for groups and the like of nobody, 401 and 403 where the caller may not be all of that.
    """
    wanted = _wanted([(name.lower(), value) for name, value in headers if name[: len(PREFIX)].lower() == PREFIX])
    if wanted is None:
        return caller
    for asked in _questions(wanted):
        await require(authorization, caller, asked)
    return _caller(wanted)


def _wanted(headers: list[tuple[str, str]]) -> _Wanted | None:
    if not headers:
        return None
    values: dict[str, list[str]] = {}
    for name, value in headers:
        if not is_text(value):
            raise errors.bad_request("a request cannot impersonate what is not written in UTF-8")
        values.setdefault(name.removeprefix(PREFIX), []).append(value)
    user, uid = (values.get(each, [""])[0] for each in ("user", "uid"))
    extra = tuple(
        (unquote(name.removeprefix(_EXTRA)), tuple(given))
        for name, given in sorted(values.items())
        if name.startswith(_EXTRA)
    )
    if not user:
        raise errors.bad_request("a request cannot impersonate groups, a uid or extra values without a user")
    return _Wanted(user, tuple(values.get("group", ())), uid, extra)


def _questions(wanted: _Wanted) -> Iterator[RequestInfo]:
    """Yield what must be allowed, all of it."""
    if (account := account_of(wanted.user)) is not None:
        yield _asked("serviceaccounts", account[1], namespace=account[0])
    else:
        yield _asked("users", wanted.user)
    for group in wanted.groups:
        yield _asked("groups", group)
    for key, values in wanted.extra:
        for value in values:
            yield _asked("userextras", value, group=_IDENTITY_GROUP, subresource=key)
    if wanted.uid:
        yield _asked("uids", wanted.uid, group=_IDENTITY_GROUP)


def _asked(resource: str, name: str, *, group: str = "", subresource: str = "", namespace: str = "") -> RequestInfo:
    return RequestInfo(
        verb="impersonate",
        path="",
        group=group,
        version="v1",
        resource=resource,
        subresource=subresource,
        namespace=namespace,
        name=name,
    )


def _caller(wanted: _Wanted) -> Caller:
    account = account_of(wanted.user)
    if account is not None and not wanted.groups:
        return account_caller(*account, uid=wanted.uid, extra=wanted.extra)
    return told(wanted.user, wanted.groups, uid=wanted.uid, extra=wanted.extra)
