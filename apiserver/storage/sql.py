"""The log on SQL: group commit, durable before it is acknowledged; SQLite and PostgreSQL.

Writes queue for a moment and commit in groups. The transaction first locks the one row of ``meta``, which is the total
order of all writes across replicas; then it checks what the writers expected, writes, and commits.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Any, Self
from weakref import WeakSet

import asyncpg
import structlog
from sqlalchemy import Row, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from apiserver.storage import tasks
from apiserver.storage.appending import PostgresqlAppender, SqliteAppender
from apiserver.storage.batch import Plan, Write, plan
from apiserver.storage.committing import CHANNEL, Memory, concerned, lock, remembered, store, within
from apiserver.storage.contract import (
    Along,
    CompactedError,
    Event,
    Key,
    NotFoundError,
    Record,
    Revision,
    Snapshot,
    UnavailableError,
)
from apiserver.storage.engine import Transaction, make_engine
from apiserver.storage.lineage import Lineage
from apiserver.storage.postgresql import connect
from apiserver.storage.rows import Revise, Rows, as_stored
from apiserver.storage.schema import history, meta, objects
from apiserver.storage.sealing import BrokenSealError, Sealing

log = structlog.get_logger()

QUEUE_WRITES = 4096
BATCH_WRITES = 128
REPLAY_EVENTS = 1000
POLL_SECONDS = 1.0
"""How soon another replica's writes are noticed when its notification got lost."""
COMMAND_SECONDS = 30.0
"""How long PostgreSQL may take for one command, however much that returns."""
COMMIT_SECONDS = 7.0
"""How long a commit may take before its writers are told that the database is unavailable (etcd's ReqTimeout)."""
NEWEST_SECONDS = 5.0
"""How long a reader waits to learn the newest revision before it is told the same."""
HISTORY_SECONDS = 10.0
"""How long a client waits for what happened before memory goes back."""
PROBE_SECONDS = 1.0
"""How soon after a failed commit another is tried when nobody writes."""

_ONE_SNAPSHOT = {"sqlite": "BEGIN", "postgresql": "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"}
"""What makes a transaction's reads see one state: SQLite's driver begins none for reads, PostgreSQL's sees commits."""


class SqlLog:
    """The durable log. Use as an async context manager; it owns its writer."""

    def __init__(self, url: str, revise: Revise = as_stored, sealing: Sealing | None = None) -> None:
        """Open the log at ``url``; ``revise`` brings what earlier releases stored into today's form.

        Nothing is encrypted without a ``sealing``.
        """
        self._rows = Rows(revise, sealing or Sealing())
        self._lineage = Lineage(self._rows)
        self._connections: WeakSet[Any] = WeakSet()
        """Those to PostgreSQL."""
        self._engine = make_engine(url, COMMAND_SECONDS, self._recognize)
        self._appender = self._make_appender()
        self._memory: Memory | None = None
        self._alone = True
        """False while others write: then memory is rarely up to date when it is this process' turn."""
        self._writes: asyncio.Queue[Write] = asyncio.Queue(QUEUE_WRITES)
        self._appended = asyncio.Condition()
        self._stack = AsyncExitStack()
        self._committed: Callable[[Sequence[Event]], None] | None = None
        self._newest: Revision = 0
        self._writer = 0
        """The process of PostgreSQL that makes our commits."""
        self.compacted: Revision = 0
        """How far this process has forgotten what happened."""
        self._asking: asyncio.Task[Revision] | None = None
        self._upcoming: asyncio.Task[Revision] | None = None
        self._writable = True
        """False after a commit that failed, perhaps only in its answer, until the next one that succeeds."""
        self._closed = False

    async def __aenter__(self) -> Self:
        """Start the writer, and on PostgreSQL listen for other replicas. Raises UnavailableError."""
        async with AsyncExitStack() as starting:
            starting.push_async_callback(self._disconnect)
            starting.push_async_callback(self._appender.close)
            starting.push_async_callback(self._stop_asking)
            self._newest = await self.latest()
            writer = asyncio.create_task(self._write_batches(), name="storage writer")
            starting.push_async_callback(tasks.end, writer)
            if self.shared:
                listener = asyncio.create_task(self._listen(), name="storage listener")
                starting.push_async_callback(tasks.end, listener)
            self._stack = starting.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop; writes that wait fail with UnavailableError."""
        self._closed = True
        await self._stack.aclose()
        self._refuse_waiting()

    def on_commit(self, committed: Callable[[Sequence[Event]], None] | None) -> None:
        """Call ``committed`` with the events of each of this process' commits, in order, before the writers resume."""
        self._committed = committed

    def believe(self, memory: Memory | None) -> None:
        """Write what ``memory`` makes of it without reading what is there, as long as nobody else writes."""
        self._memory = memory

    def _make_appender(self) -> PostgresqlAppender | SqliteAppender:
        if not self.shared:
            return SqliteAppender(self._engine.url)
        return PostgresqlAppender(partial(connect, self._engine.url, COMMAND_SECONDS, self._recognize))

    async def _recognize(self, connection: Any) -> None:
        self._connections.add(connection)
        await self._lineage.recognize(connection)

    async def _disconnect(self) -> None:
        for connection in tuple(self._connections):
            connection.terminate()  # a close waits for PostgreSQL, which perhaps does not answer
        await self._engine.dispose()

    @property
    def shared(self) -> bool:
        """True when other processes may write to the same log."""
        return self._engine.dialect.name == "postgresql"

    async def create(self, key: Key, body: bytes, *, along: Sequence[Along] = ()) -> Record:
        """See Store."""
        return await self._submit(key, body, None, along)

    async def replace(self, key: Key, body: bytes, *, expected: Revision, along: Sequence[Along] = ()) -> Record:
        """See Store."""
        return await self._submit(key, body, expected, along)

    async def remove(self, key: Key, *, expected: Revision) -> Record:
        """See Store."""
        return await self._submit(key, None, expected)

    async def get(self, key: Key) -> Record:
        """Return the newest state of ``key``. Raises NotFoundError, UnavailableError."""
        rows = await self._read(
            select(objects).where(within((key.resource, key.namespace)) & (objects.c.name == key.name))
        )
        found = self._rows.records(rows)
        if not found:
            raise NotFoundError(key)
        return found[0]

    async def list(self, resource: str) -> Snapshot:
        """Return everything of ``resource`` as it is now. Raises UnavailableError."""
        async with self._snapshot() as tx:
            revision = await tx.scalar(select(meta.c.revision))
            query = select(objects).where(objects.c.resource == resource)
            rows = (await tx.execute(query.order_by(objects.c.namespace, objects.c.name))).all()
        return Snapshot(revision or 0, self._rows.records(rows))

    async def everything(self) -> tuple[Revision, Sequence[Record]]:
        """Return the newest revision and every object, from one snapshot."""
        async with self._snapshot() as tx:
            revision = await tx.scalar(select(meta.c.revision)) or 0
            rows = (await tx.execute(select(objects))).all()
            last = (await tx.execute(select(history).where(history.c.revision == revision))).one_or_none()
        # Decoded only now: nobody else could write as long, and PostgreSQL ends a transaction that stands still.
        self._lineage.begin(revision, last)
        return revision, self._rows.records(rows)

    async def latest(self) -> Revision:
        """See Store."""
        return (await self._read(select(meta.c.revision)))[0].revision

    async def newest(self) -> Revision:
        """Return what ``latest`` does, soon, and from memory where nobody else can have written."""
        return await self._ask() if (known := self.known_newest) is None else known

    @property
    def known_newest(self) -> Revision | None:
        """The newest revision; None where somebody else may have written, so that only the database can tell."""
        return None if self.shared or not self._writable else self._newest

    async def check(self) -> None:
        """Return when the database answers and the last commit succeeded. Raises UnavailableError."""
        if not self._writable:
            raise UnavailableError("the last commit failed")
        await self._ask()

    def question(self) -> asyncio.Task[Revision]:
        """Return who will tell what ``latest`` does: readers that come together share one query, and do not cancel it.

        It begins after each of them asked, so that none is told less than was committed before (the read index of
        Raft, section 6.4 of Ongaro's dissertation). A reader that gives up leaves the query to the others.
        """
        if self._upcoming is None:
            self._upcoming = asyncio.create_task(self._ask_after(self._asking), name="storage newest")
            self._upcoming.add_done_callback(tasks.seen)  # perhaps all who asked gave up
        return self._upcoming

    async def _ask(self) -> Revision:
        try:
            async with asyncio.timeout(NEWEST_SECONDS):
                return await asyncio.shield(self.question())
        except TimeoutError as late:
            raise UnavailableError("the database does not tell its newest revision") from late

    async def _ask_after(self, previous: "asyncio.Task[Revision] | None") -> Revision:
        if previous is not None:
            await asyncio.wait((previous,))
        # Who comes from here on is too late for this query.
        self._asking, self._upcoming = self._upcoming, None
        async with _limited(NEWEST_SECONDS):
            return await self.latest()

    async def _stop_asking(self) -> None:
        for task in (self._upcoming, self._asking):
            if task is not None:
                await tasks.end(task)

    async def wait_for_append(self) -> None:
        """Return when something may have been appended, by this or another replica."""
        # Not wait_for: Python 3.11's may swallow a cancellation that meets a result.
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS if self.shared else None), self._appended:
                await self._appended.wait()

    async def events_after(
        self, revision: Revision, limit: int = REPLAY_EVENTS, *, resource: str | None = None
    ) -> Sequence[Event]:
        """Return up to ``limit`` events after ``revision``, in order. Raises CompactedError, UnavailableError."""
        query = select(history).where(history.c.revision > revision)
        if resource is not None:
            query = query.where(history.c.resource == resource)
        async with _limited(HISTORY_SECONDS if resource is not None else None), self._transaction() as tx:
            rows = (await tx.execute(query.order_by(history.c.revision).limit(limit))).all()
            # Read after the rows: a compaction in between then shows, instead of leaving a gap.
            compacted = await tx.scalar(select(meta.c.compacted)) or 0
        if revision < compacted:
            raise CompactedError(revision, compacted)
        events = [self._event(row, revision) for row in rows]
        if resource is None:
            self._lineage.follow(events)
        return events

    def _event(self, row: Row[Any], after: Revision) -> Event:
        try:
            return self._rows.event(row)
        except BrokenSealError as broken:  # nobody can replay it: who reads goes on from what is now
            raise CompactedError(after, row.revision) from broken

    async def compact(self, upto: Revision) -> int:
        """Forget events up to and including ``upto``; return how many."""
        async with self._transaction() as tx:
            await tx.execute(update(meta).where(meta.c.compacted < upto).values(compacted=upto))
            forgotten = await tx.execute(delete(history).where(history.c.revision <= upto))
        self.compacted = max(self.compacted, upto)
        return forgotten.rowcount

    async def _submit(
        self, key: Key, body: bytes | None, expected: Revision | None, along: Sequence[Along] = ()
    ) -> Record:
        done: asyncio.Future[Record] = asyncio.get_running_loop().create_future()
        await self._writes.put(Write(key, body, expected, done, along))
        if self._closed:  # perhaps while it waited for room in the queue: nobody takes it from there any more
            self._refuse_waiting()
        return await done

    def _refuse_waiting(self) -> None:
        while not self._writes.empty():
            _fail(self._writes.get_nowait(), UnavailableError("the storage is closed"))

    async def _write_batches(self) -> None:
        while not self._closed:
            batch = await self._next_batch()
            why = UnavailableError("the storage is being closed")
            try:
                async with _limited(COMMIT_SECONDS):
                    committed = await self._commit(batch)
                self._announce(committed)
                await self._write_again()
            except UnavailableError as error:
                log.warning("a batch of writes failed", writes=len(batch), why=str(error))
                why, self._writable = error, False
            except Exception as error:
                # The writer outlives what nobody expected: only this batch fails.
                log.exception("a batch of writes failed", writes=len(batch))
                why, self._writable = UnavailableError(f"the write failed with {type(error).__name__}"), False
            finally:
                for write in batch:
                    _fail(write, why)  # where it has no answer yet

    async def _next_batch(self) -> Sequence[Write]:
        """Return what waits to be written; nothing, after a while, when only a commit can tell if one is possible."""
        batch: list[Write] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(None if self._writable else PROBE_SECONDS):
                batch.append(await self._writes.get())
        while len(batch) < BATCH_WRITES and not self._writes.empty():
            batch.append(self._writes.get_nowait())
        # Whoever gave up while it waited was told that it failed.
        return [write for write in batch if not write.done.done()]

    async def _write_again(self) -> None:
        if not self._writable:
            self._writable = True
            await self._wake()  # the cache may lack what was committed although its answer was lost

    async def _commit(self, batch: Sequence[Write]) -> Plan:
        return await self._commit_from_memory(batch) or await self._commit_from_database(batch)

    async def _commit_from_memory(self, batch: Sequence[Write]) -> Plan | None:
        """Commit what memory says; None, and nothing happened, when it may not know all that is committed."""
        memory = self._memory
        # Not after a failure: what a database that stands still is told at once may be made when it goes on.
        if memory is None or not (self._alone and self._writable and batch):
            return None
        if (revision := memory.complete_at) is None:
            return None
        current = remembered(memory, batch)
        result = plan(batch, current, revision)
        changes = self._rows.changes(result, current, revision)
        self._alone = await self._appender.append(changes)
        return result if self._alone else None

    async def _commit_from_database(self, batch: Sequence[Write]) -> Plan:
        async with self._transaction() as tx:
            revision = await lock(tx)
            if self.shared:
                self._writer = await _process(tx)
            else:
                self._newest = revision
            self._alone = self._memory is not None and self._memory.complete_at == revision
            if not batch:
                return Plan()
            current = await concerned(tx, batch, self._rows)
            result = plan(batch, current, revision)
            await store(tx, self._rows.changes(result, current, revision))
            return result

    def _announce(self, result: Plan) -> None:
        if result.events:
            self._newest = result.events[-1].revision
            self._lineage.follow(result.events)
            if self._committed is not None:
                self._committed(result.events)
        for write, record in result.succeeded:
            if not write.done.done():
                write.done.set_result(record)
        for write, error in result.failed:
            _fail(write, error)

    async def _wake(self) -> None:
        async with self._appended:
            self._appended.notify_all()

    async def _listen(self) -> None:
        """Wake watchers when another replica commits; without a connection, their poll finds its writes."""
        while True:
            try:
                await self._listen_once()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
                log.warning("cannot listen for other replicas", why=type(error).__name__)
            except Exception:
                log.exception("cannot listen for other replicas")
            await asyncio.sleep(POLL_SECONDS)

    async def _listen_once(self) -> None:
        notified = asyncio.Event()

        def heard(_connection: object, process: object, _channel: object, reached: object) -> None:
            # Our own commits are handed over, and may be heard of before they are answered.
            if process not in (self._writer, self._appender.process) and int(str(reached)) > self._newest:
                notified.set()

        connection = await connect(self._engine.url)
        try:
            connection.add_termination_listener(lambda _: notified.set())
            await connection.add_listener(CHANNEL, heard)
            notified.set()  # nobody was listening to what was committed until now
            while not connection.is_closed():
                await notified.wait()
                notified.clear()
                await self._wake()
        finally:
            connection.terminate()  # a close waits for PostgreSQL, which perhaps does not answer

    async def _read(self, query: Any) -> Sequence[Row[Any]]:
        async with self._transaction() as tx:
            return (await tx.execute(query)).all()

    def _transaction(self) -> Transaction:
        return Transaction(self._engine)

    @asynccontextmanager
    async def _snapshot(self) -> AsyncGenerator[AsyncConnection, None]:
        """A transaction whose reads all see the database as its first one did."""
        async with self._transaction() as tx:
            await tx.exec_driver_sql(_ONE_SNAPSHOT[self._engine.dialect.name])
            yield tx


async def _process(tx: AsyncConnection) -> int:
    """Return the process of PostgreSQL that serves ``tx``."""
    connection = (await tx.get_raw_connection()).driver_connection
    return connection.get_server_pid() if connection is not None else 0


@asynccontextmanager
async def _limited(seconds: float | None) -> AsyncGenerator[None, None]:
    """Raise UnavailableError after ``seconds``; None for never."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as late:
        raise UnavailableError(f"the database does not answer within {seconds} s") from late


def _fail(write: Write, error: BaseException) -> None:
    if not write.done.done():
        write.done.set_exception(error)
