"""The audit log: who did what, when, to what, with which answer; one JSON document a line.

Source: Kubernetes' auditing (``audit.k8s.io/v1``): the Event and the Policy, with its levels and rules.
"""

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, Self

import orjson
import structlog
import yaml

from apiserver.auth.attributes import RequestInfo
from apiserver.machinery.resource import Caller
from kube.users import NODES_GROUP

CAPACITY = 10_000
"""Events that may wait to be written; what comes beyond is dropped and counted in the log."""
ROTATE_BYTES = 100 * 1024**2
KEPT_FILES = 10
SECRETS = frozenset({"secrets", "serviceaccounts/token", "tokenreviews"})
"""Never logged beyond metadata, whatever a policy says: who reads the audit log is not who may read these."""

log = structlog.get_logger(__name__)


class Level(IntEnum):
    """How much of a request is logged."""

    NONE = 0
    METADATA = 1
    REQUEST = 2
    REQUESTRESPONSE = 3

    @property
    def word(self) -> str:
        """The level as a Policy and an Event write it."""
        return {0: "None", 1: "Metadata", 2: "Request", 3: "RequestResponse"}[self]


class AuditPolicyError(ValueError):
    """A policy that cannot be used; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Gives a level to the requests that match all of what it names; empty means any."""

    level: Level
    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    verbs: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()
    resources: tuple[tuple[str, frozenset[str]], ...] = ()
    """API groups, each with plural names or ``plural/subresource``; no names mean all of the group."""
    paths: tuple[str, ...] = ()
    """Paths that are no resource's; a ``*`` at the end stands for any rest."""

    def matches(self, caller: Caller, asked: RequestInfo) -> bool:
        """Return True when the rule is about this request."""
        if self.users and caller.name not in self.users:
            return False
        if self.groups and not self.groups & caller.groups:
            return False
        if self.verbs and asked.verb not in self.verbs:
            return False
        if self.namespaces and asked.namespace not in self.namespaces:
            return False
        if asked.is_resource:
            return not self.paths and (not self.resources or any(_covers(each, asked) for each in self.resources))
        return not self.resources and (not self.paths or any(_path_matches(each, asked.path) for each in self.paths))


def _covers(resources: tuple[str, frozenset[str]], asked: RequestInfo) -> bool:
    group, names = resources
    return asked.group == group and (not names or _qualified(asked) in names)


def _qualified(asked: RequestInfo) -> str:
    return f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource


def _path_matches(pattern: str, path: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


DEFAULT_RULES = (
    Rule(level=Level.NONE, paths=("/healthz*", "/livez*", "/readyz*", "/version", "/openapi*", "/api*")),
    # Heartbeats say every ten seconds that a node lives, and nothing else.
    Rule(level=Level.NONE, groups=frozenset({NODES_GROUP}), resources=(("coordination.k8s.io", frozenset()),)),
    Rule(level=Level.METADATA),
)


@dataclass(frozen=True, slots=True)
class Policy:
    """An ordered list of rules; the first that matches decides."""

    rules: Sequence[Rule] = DEFAULT_RULES

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read an ``audit.k8s.io/v1`` Policy. Raises AuditPolicyError and OSError."""
        try:
            document = yaml.safe_load(path.read_text(encoding="utf-8"))
            return cls(tuple(_rule(each) for each in document["rules"]))
        except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
            raise AuditPolicyError(f"{path} is not an audit policy with a list of rules: {error}") from error

    def level(self, caller: Caller, asked: RequestInfo) -> Level:
        """Return how much of a request to log; nothing when no rule matches."""
        level = next((rule.level for rule in self.rules if rule.matches(caller, asked)), Level.NONE)
        return min(level, Level.METADATA) if _qualified(asked) in SECRETS else level


def _rule(given: Mapping[str, Any]) -> Rule:
    words = {each.word: each for each in Level}
    if given["level"] not in words:
        raise ValueError(f"level {given['level']!r} is not one of {', '.join(words)}")
    return Rule(
        level=words[given["level"]],
        users=frozenset(given.get("users") or ()),
        groups=frozenset(given.get("userGroups") or ()),
        verbs=frozenset(given.get("verbs") or ()),
        namespaces=frozenset(given.get("namespaces") or ()),
        resources=tuple(
            (each.get("group", ""), frozenset(each.get("resources") or ())) for each in given.get("resources") or ()
        ),
        paths=tuple(given.get("nonResourceURLs") or ()),
    )


@dataclass(slots=True)
class AuditLog:
    """Writes audit events to a file that is begun anew when it has grown large."""

    path: Path
    policy: Policy = field(default_factory=Policy)
    rotate_bytes: int = ROTATE_BYTES
    _waiting: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(CAPACITY), init=False)
    _dropped: int = field(default=0, init=False)

    def record(self, event: dict[str, Any]) -> None:
        """Have an event written soon. It never waits: an event is dropped when too many wait already."""
        try:
            self._waiting.put_nowait(orjson.dumps(event) + b"\n")
        except asyncio.QueueFull:
            if not self._dropped:
                log.warning("audit events are dropped: the audit log cannot be written fast enough")
            self._dropped += 1

    async def run(self) -> None:
        """Write until cancelled, and then what still waits."""
        try:
            while True:
                await self._write_after(await self._waiting.get())
        finally:
            await asyncio.shield(asyncio.to_thread(self._append, self._ready()))

    async def _write_after(self, first: bytes) -> None:
        lines = [first, *self._ready()]
        writing = asyncio.ensure_future(asyncio.to_thread(self._append, lines))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait((writing,))  # a thread cannot be stopped: these lines come before the last ones
            raise
        except OSError as error:
            log.error("audit events are lost", count=len(lines), path=str(self.path), error=str(error))  # noqa: TRY400
        if self._dropped:
            log.warning("audit events were dropped", count=self._dropped)
            self._dropped = 0

    def _ready(self) -> list[bytes]:
        return [self._waiting.get_nowait() for _ in range(self._waiting.qsize())]

    def _append(self, lines: Sequence[bytes]) -> None:
        if lines:
            with self._open() as file:
                file.write(b"".join(lines))

    def _open(self) -> BinaryIO:
        if self.path.exists() and self.path.stat().st_size >= self.rotate_bytes:
            _shift(self.path)
        return os.fdopen(os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")


def _shift(path: Path) -> None:
    """Rename the log to ``NAME.1``, what was that to ``NAME.2``, and so on; the oldest goes."""
    older = [path, *(path.with_name(f"{path.name}.{number}") for number in range(1, KEPT_FILES + 1))]
    for newer, target in reversed(list(pairwise(older))):
        if newer.exists():
            newer.replace(target)
