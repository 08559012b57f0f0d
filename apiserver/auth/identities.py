"""Callers by their names and groups, however they have shown who they are."""

from collections.abc import Iterable

from apiserver.machinery.resource import Caller
from kube.users import (
    ACCOUNT_PREFIX,
    ACCOUNTS_GROUP,
    AGENT_ACCOUNT,
    AUTHENTICATED,
    CONTROLLERS_ACCOUNT,
    CONTROLLERS_GROUP,
    NODES_GROUP,
    UNAUTHENTICATED,
)

ANONYMOUS = Caller("system:anonymous", frozenset({UNAUTHENTICATED}))
_OWN_ACCOUNTS = frozenset({CONTROLLERS_ACCOUNT, AGENT_ACCOUNT})

Extra = tuple[tuple[str, tuple[str, ...]], ...]
"""What else is known of a caller: keys, each with its values."""


def known(name: str, groups: Iterable[str], *, uid: str = "", extra: Extra = ()) -> Caller:
    """Return a caller whose name and groups are beyond doubt."""
    all_groups = frozenset(groups) | {AUTHENTICATED}
    system = name in _OWN_ACCOUNTS or not all_groups.isdisjoint({CONTROLLERS_GROUP, NODES_GROUP})
    return Caller(name, all_groups, system, uid, extra)


def told(name: str, groups: Iterable[str], *, uid: str = "", extra: Extra = ()) -> Caller:
    """Return the caller that somebody names who may: one who is said to be unknown remains so."""
    given = frozenset(groups)
    if name == ANONYMOUS.name or UNAUTHENTICATED in given:
        return Caller(name, given or ANONYMOUS.groups, uid=uid, extra=extra)
    return known(name, given, uid=uid, extra=extra)


def is_text(value: str) -> bool:
    """Return False for a header's value that is not UTF-8, which nobody can be called."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def account_name(namespace: str, name: str) -> str:
    """Return what a ServiceAccount is called as a user."""
    return f"{ACCOUNT_PREFIX}{namespace}:{name}"


def account_caller(namespace: str, name: str, *, uid: str = "", extra: Extra = ()) -> Caller:
    """Return a ServiceAccount as a caller, with the groups that all of its namespace, and all of them, are in."""
    groups = {ACCOUNTS_GROUP, f"{ACCOUNTS_GROUP}:{namespace}"}
    return known(account_name(namespace, name), groups, uid=uid, extra=extra)


def account_of(name: str) -> tuple[str, str] | None:
    """Return the namespace and name of the ServiceAccount that a user is, or None."""
    namespace, colon, account = name.removeprefix(ACCOUNT_PREFIX).partition(":")
    return (namespace, account) if colon and account and name.startswith(ACCOUNT_PREFIX) else None
