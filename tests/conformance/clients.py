"""Writers, readers and watchers that do as chance tells them, and write down what came of it."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import aiohttp
import orjson

from tests.conformance.api import connected
from tests.conformance.model import Key, Read, Seen, Session, State, Write
from tests.conformance.replica import Replica

NAMESPACES = ("model-a", "model-b")
NAMES = tuple(f"k{n}" for n in range(8))
PHASES = ("one", "two")
REQUEST = aiohttp.ClientTimeout(total=20)
LAST_WATCH_SECONDS = 3
"""Long enough for a last bookmark, which comes two seconds before the end."""
REFUSALS = {"AlreadyExists": "exists", "Conflict": "conflict", "NotFound": "missing"}


class CutOffError(Exception):
    """The server was killed while it answered, or we had enough."""


@dataclass
class Run:
    """What all share in one run."""

    replicas: list[Replica]
    chance: random.Random
    operations: int
    """How many are left to do."""
    sessions: dict[int, aiohttp.ClientSession] = field(default_factory=dict[int, aiohttp.ClientSession])
    writes: list[Write] = field(default_factory=list[Write])
    reads: list[Read] = field(default_factory=list[Read])
    watches: list[list[Session]] = field(default_factory=list[list[Session]])
    """Of each watcher its sessions, each after the one before."""
    known: dict[Key, int] = field(default_factory=dict[Key, int])
    """A revision, perhaps old, that each object had."""
    newest: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)
    milestones: dict[int, asyncio.Event] = field(default_factory=dict[int, asyncio.Event])
    """Set when no more than that many operations are left."""
    _values: "count[int]" = field(default_factory=count)

    def count(self) -> None:
        """Count one operation."""
        self.operations -= 1
        for left, reached in self.milestones.items():
            if self.operations <= left:
                reached.set()

    def value(self) -> str:
        """Return what nobody has written before."""
        return f"v{next(self._values)}"

    def now(self) -> float:
        """Return the time on one clock for all."""
        return asyncio.get_running_loop().time()

    def learn(self, key: Key, revision: int) -> None:
        """Remember what an answer said."""
        self.known[key] = revision
        self.newest = max(self.newest, revision)

    @asynccontextmanager
    async def request(
        self, method: str, url: str, *, limit: aiohttp.ClientTimeout = REQUEST, **how: Any
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        """Ask any replica that is up. Raises CutOffError when it was killed before all of the answer had come."""
        index = self.chance.randrange(len(self.replicas))
        replica = self.replicas[index]
        await replica.up.wait()
        kills = replica.kills
        try:
            async with self.sessions[index].request(method, url, timeout=limit, **how) as answer:
                yield answer
        except aiohttp.ClientError as error:
            if replica.kills == kills and not self.done.is_set():
                raise  # it broke off by itself
            raise CutOffError from error

    def open(self) -> list[aiohttp.ClientSession]:
        """Open connections to every replica."""
        self.sessions = {index: connected(replica.server) for index, replica in enumerate(self.replicas)}
        for session in self.sessions.values():
            # A delete that aiohttp quietly repeats when its connection breaks may find nothing, and have done it.
            session._retry_connection = False
        return [*self.sessions.values()]


def path(namespace: str | None, name: str = "") -> str:
    inside = f"/namespaces/{namespace}" if namespace else ""
    return f"/api/v1{inside}/configmaps" + (f"/{name}" if name else "")


def state(obj: dict[str, Any]) -> tuple[Key, State]:
    metadata = obj["metadata"]
    key = (metadata["namespace"], metadata["name"])
    return key, State(int(metadata["resourceVersion"]), obj["data"]["value"], metadata["labels"]["phase"])


def _body(write: Write, phase: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": write.key[1], "labels": {"phase": phase}}
    if write.verb == "replace" and write.expected is not None:
        metadata["resourceVersion"] = str(write.expected)
    return {"metadata": metadata, "data": {"value": write.value}}


async def work(run: Run) -> None:
    """Write, get and list, until all operations are done."""
    choices = (_write, _get, _list)
    while run.operations > 0:
        run.count()
        await run.chance.choices(choices, weights=(55, 35, 10))[0](run)


async def _write(run: Run) -> None:
    key = (run.chance.choice(NAMESPACES), run.chance.choice(NAMES))
    verb = run.chance.choices(("create", "replace", "patch", "delete"), weights=(3, 3, 3, 2))[0]
    expected = run.known.get(key) if verb == "replace" or (verb == "delete" and run.chance.random() < 0.5) else None
    value = "" if verb == "delete" else run.value()
    write = Write(verb=verb, key=key, value=value, expected=expected)
    body: Any = _body(write, run.chance.choice(PHASES))
    if verb == "delete":
        body = {"preconditions": {"resourceVersion": str(expected)}} if expected else None
    run.writes.append(write)
    write.start = run.now()
    method, url = {"create": "POST", "replace": "PUT", "patch": "PATCH", "delete": "DELETE"}[verb], path(*key)
    headers = {"Content-Type": "application/merge-patch+json" if verb == "patch" else "application/json"}
    data = None if body is None else orjson.dumps(body)
    try:
        async with run.request(method, path(key[0]) if verb == "create" else url, data=data, headers=headers) as answer:
            body = await answer.json()
            write.end = run.now()
    except CutOffError:
        return  # whether it happened, the log will say
    if answer.status < 300:
        write.outcome = "done"
        if verb != "delete":
            write.revision = int(body["metadata"]["resourceVersion"])
            run.learn(key, write.revision)
    else:
        assert answer.status in (404, 409), body
        tried_too_often = body["reason"] == "Conflict" and expected is None
        write.outcome = "busy" if tried_too_often else REFUSALS[body["reason"]]


async def _get(run: Run) -> None:
    namespace, name = run.chance.choice(NAMESPACES), run.chance.choice(NAMES)
    asked = run.chance.choice((None, None, 0, run.newest))
    read = Read(namespace=namespace, name=name, asked=asked, start=run.now(), end=0)
    query = {} if asked is None else {"resourceVersion": str(asked)}
    try:
        async with run.request("GET", path(namespace, name), params=query) as answer:
            body = await answer.json()
    except CutOffError:
        return
    read.end = run.now()
    assert answer.status in (200, 404), body
    if answer.status == 200:
        key, found = state(body)
        read.found[key] = found
        run.learn(key, found.revision)
    run.reads.append(read)


async def _list(run: Run) -> None:
    asked = run.chance.choice((None, None, 0, run.newest))
    read = Read(
        namespace=run.chance.choice((None, *NAMESPACES)),
        phase=run.chance.choice((None, None, *PHASES)),
        asked=asked,
        exact=bool(asked) and run.chance.random() < 0.5,
        start=run.now(),
        end=0,
    )
    # Without the selector the server's own objects would be in the list.
    query = {"labelSelector": f"phase={read.phase}" if read.phase else "phase", "limit": "3"}
    if run.chance.random() < 0.3:
        del query["limit"]
    if asked is not None:
        match = "Exact" if read.exact else "NotOlderThan"
        query |= {"resourceVersion": str(asked), "resourceVersionMatch": match}
    while True:
        try:
            async with run.request("GET", path(read.namespace), params=query) as answer:
                body = await answer.json()
        except CutOffError:
            return
        read.end = read.end or run.now()
        assert answer.status == 200, body
        read.revisions.add(int(body["metadata"]["resourceVersion"]))
        read.found |= dict(state(item) for item in body["items"])
        if not (token := body["metadata"].get("continue")):
            break
        run.count()
        query = {"labelSelector": query["labelSelector"], "limit": "3", "continue": token}
    run.reads.append(read)


async def watch(run: Run, after: int | None, **selection: str | None) -> None:
    """Watch, be cut off at any moment and go on anywhere, until all has been seen.

    Without ``after`` each session begins with the initial state instead of going on.
    """
    sessions: list[Session] = []
    run.watches.append(sessions)
    while True:
        last = run.done.is_set()
        session = Session(**selection, after=sessions[-1].covered if sessions and after is not None else after)
        patience = None if last else run.chance.randrange(1, 300)
        try:
            async with aclosing(watch_once(run, session, last=last)) as told:
                async for count_told in told:
                    if count_told == patience:
                        break
        except CutOffError:
            last = False
        sessions.append(session)
        if last:
            return


async def watch_once(run: Run, session: Session, *, last: bool) -> AsyncGenerator[int]:
    """Watch once; yield how much was told."""
    seconds = LAST_WATCH_SECONDS if last else run.chance.choice((LAST_WATCH_SECONDS, 600))
    labels = f"phase={session.phase}" if session.phase else "phase"
    query = {"watch": "1", "allowWatchBookmarks": "1", "timeoutSeconds": str(seconds), "labelSelector": labels}
    if session.name:
        query["fieldSelector"] = f"metadata.name={session.name}"
    if session.after is None:
        query |= {"sendInitialEvents": "1", "resourceVersionMatch": "NotOlderThan"}
    else:
        query["resourceVersion"] = str(session.after)
    limit = aiohttp.ClientTimeout(total=None, connect=20)
    ended = asyncio.create_task(run.done.wait())
    try:
        async with run.request("GET", path(session.namespace), params=query, limit=limit) as answer:
            assert answer.status == 200, await answer.text()
            ended.add_done_callback(lambda _: last or answer.close())
            async for line in answer.content:
                _note(session, orjson.loads(line))
                yield len(session.events)
    finally:
        ended.cancel()


def _note(session: Session, event: dict[str, Any]) -> None:
    assert event["type"] != "ERROR", event
    if event["type"] == "BOOKMARK":
        session.bookmarks.append((int(event["object"]["metadata"]["resourceVersion"]), len(session.events)))
        return
    key, seen = state(event["object"])
    if session.after is None and not session.bookmarks:
        assert event["type"] == "ADDED", event
        session.initial[key] = seen
    else:
        session.events.append(Seen(event["type"], key, seen))
