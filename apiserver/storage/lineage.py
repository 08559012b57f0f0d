"""Whether the database still is the one that this process knows, or has lost what it knew.

A standby that takes over may lack the last commits of its primary, and a restored backup those of days. The revisions
that were told of would then be given once more, to other writes, and whoever resumes from them would never learn of it.
So who notices makes the log jump ahead of them all, and counts what was before as compacted: every server loads anew,
and every client is told 410 and lists again. ``etcdutl snapshot restore --bump-revision --mark-compacted`` does so.
"""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import structlog

from apiserver.storage.contract import Event, Revision
from apiserver.storage.postgresql import Connection
from apiserver.storage.rows import Rows
from apiserver.storage.sealing import BrokenSealError, KeyMissingError

JUMP_REVISIONS = 1_000_000
"""More than another server can have told of beyond what this one knows."""
_SEEN = "SELECT meta.revision AS newest, meta.compacted, history.* FROM meta LEFT JOIN history ON history.revision = $1"
_JUMP = """
UPDATE meta SET revision = GREATEST(revision, $1) + $2, compacted = GREATEST(revision, $1) + $2
WHERE compacted < $1
"""
"""Does nothing when another server was faster."""

log = structlog.get_logger()


class _Known(NamedTuple):
    """The newest that a process has learnt."""

    revision: Revision = 0
    last: Event | None = None
    """What happened at that revision, unless it is forgotten."""


class Lineage:
    """What this process has learnt last from a log that others may write to, and recognizes it by."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._known = _Known()

    def begin(self, revision: Revision, last: Any) -> None:
        """Know the log up to ``revision``, whose row of ``history`` is ``last``, or None where it is forgotten."""
        self._known = _Known(revision, self._event(last) if last is not None else None)

    def follow(self, events: Sequence[Event]) -> None:
        """Know the log up to the last of ``events``, too."""
        if events and events[-1].revision > self._known.revision:
            self._known = _Known(events[-1].revision, events[-1])

    async def recognize(self, connection: Connection) -> None:
        """Look at the database that a new connection leads to, before anything is read or written there."""
        known = self._known  # as it is now: what is learnt meanwhile was not asked about
        if not known.revision:
            return
        row = await connection.fetchrow(_SEEN, known.revision)
        if row is None or self._has(SimpleNamespace(**row), known):
            return
        log.error(
            "the database has lost what was written to it: all servers and clients begin anew",
            known=known.revision,
            found=row["newest"],
        )
        await connection.execute(_JUMP, known.revision, JUMP_REVISIONS)

    def _has(self, row: SimpleNamespace, known: _Known) -> bool:
        """Tell whether a database whose row this is has what is known of it."""
        if known.last is None or known.revision <= row.compacted:
            return row.newest >= known.revision  # who follows the log finds out what is compacted
        return row.revision is not None and self._event(row) in (known.last, None)

    def _event(self, row: Any) -> Event | None:
        """Return what a row of ``history`` says; None when nobody can tell."""
        try:
            return self._rows.event(row)
        except (BrokenSealError, KeyMissingError):
            return None
