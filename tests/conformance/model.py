"""What a run against the server must look like, whatever happened in which order.

Every write has a value of its own, so that the log, read back at the end, says which writes happened and in which
order. Everything that was answered and watched must agree with it. The properties are those that etcd's robustness
tests name: https://github.com/etcd-io/etcd/blob/main/tests/robustness/README.md.
"""

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

Key = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True)
class State:
    """One object at one revision."""

    revision: int
    value: str
    phase: str


@dataclass(frozen=True)
class Seen:
    """One event as a watcher was told it."""

    type: str
    key: Key
    state: State


@dataclass(kw_only=True)
class Write:
    """One request to change an object, and its answer."""

    verb: str
    """``create``, ``replace``, ``patch`` or ``delete``."""
    key: Key
    value: str = ""
    expected: int | None = None
    """The revision that it must find."""
    start: float = 0.0
    end: float = math.inf
    outcome: str = "unknown"
    """``done``, ``exists``, ``conflict``, ``missing``; ``busy`` was refused without a reason of its own."""
    revision: int | None = None


@dataclass(kw_only=True)
class Read:
    """What a get or a list brought."""

    namespace: str | None
    name: str | None = None
    phase: str | None = None
    asked: int | None = None
    """The resourceVersion asked for; None for the newest."""
    exact: bool = False
    start: float
    end: float
    revisions: set[int] = field(default_factory=set[int])
    """Those that its pages gave; empty for a get."""
    found: dict[Key, State] = field(default_factory=dict[Key, State])


@dataclass(kw_only=True)
class Session:
    """One connection of a watcher."""

    namespace: str | None = None
    name: str | None = None
    phase: str | None = None
    after: int | None = None
    """The revision that it started after; None when it began with the initial state."""
    initial: dict[Key, State] = field(default_factory=dict[Key, State])
    events: list[Seen] = field(default_factory=list[Seen])
    bookmarks: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """Revisions, and how many events had come before."""

    @property
    def covered(self) -> int:
        """Everything up to here has been told."""
        told = [self.after or 0, *(each.state.revision for each in self.events[-1:])]
        return max(told + [revision for revision, _ in self.bookmarks[-1:]])


class History:
    """The log: every state of every object."""

    def __init__(self, events: Sequence[Seen]) -> None:
        self.events = events
        self.by_key: dict[Key, list[tuple[int, State | None]]] = defaultdict(list)
        for event in events:
            before = self.at(event.key, event.state.revision)
            assert (event.type == "ADDED") == (before is None), f"{event} happened to {before}"
            state = None if event.type == "DELETED" else event.state
            self.by_key[event.key].append((event.state.revision, state))

    def at(self, key: Key, revision: float) -> State | None:
        """Return the state of an object at a revision."""
        states = self.by_key.get(key, [])
        index = bisect_right(states, revision, key=lambda each: each[0])
        return states[index - 1][1] if index else None

    def between(self, key: Key, low: float, high: float) -> list[State | None]:
        """Return every state that an object had from one revision to another."""
        states = self.by_key.get(key, [])
        first = bisect_right(states, low, key=lambda each: each[0])
        last = bisect_right(states, high, key=lambda each: each[0])
        return [self.at(key, low), *(state for _, state in states[first:last])]

    def snapshot(self, read: Read | Session, revision: int) -> dict[Key, State]:
        """Return what is selected at a revision."""
        states = ((key, self.at(key, revision)) for key in self.by_key)
        return {key: state for key, state in states if state is not None and _selects(read, key, state)}

    def view(self, session: Session, after: int) -> list[Seen]:
        """Return what a watcher must be told after a revision."""
        told: list[Seen] = []
        for event in self.events[bisect_right(self.events, after, key=lambda each: each.state.revision) :]:
            before = self.at(event.key, event.state.revision - 1)
            matched = before is not None and _selects(session, event.key, before)
            matches = event.type != "DELETED" and _selects(session, event.key, event.state)
            if matches:
                told.append(Seen("MODIFIED" if matched else "ADDED", event.key, event.state))
            elif matched and before is not None:
                told.append(Seen("DELETED", event.key, State(event.state.revision, before.value, before.phase)))
        return told


def _selects(of: Read | Session, key: Key, state: State) -> bool:
    return of.namespace in (None, key[0]) and of.name in (None, key[1]) and of.phase in (None, state.phase)


class Time:
    """What the writes say about when revisions were reached.

    Nothing may take effect before it was asked for, nor after it was answered.
    """

    def __init__(self, writes: Iterable[Write]) -> None:
        known = [write for write in writes if write.revision is not None]
        by_end = sorted((write.end, write.revision or 0) for write in known)
        by_start = sorted((write.start, write.revision or 0) for write in known)
        self._ends, self._starts = [end for end, _ in by_end], [start for start, _ in by_start]
        self._reached = _running((revision for _, revision in by_end), max)
        self._not_yet = _running((revision for _, revision in reversed(by_start)), min)[::-1]

    def at_least(self, moment: float) -> int:
        """Return the newest revision that was acknowledged before ``moment``."""
        index = bisect_left(self._ends, moment)
        return self._reached[index - 1] if index else 0

    def at_most(self, moment: float) -> float:
        """Return the newest revision that can have been there at ``moment``."""
        index = bisect_right(self._starts, moment)
        return self._not_yet[index] - 1 if index < len(self._not_yet) else math.inf


def _running(values: Iterable[int], better: Callable[[int, int], int]) -> list[int]:
    best: list[int] = []
    for value in values:
        best.append(better(best[-1], value) if best else value)
    return best


def check_writes(history: History, writes: Sequence[Write]) -> Time:
    """Each write happened once or, when it failed, not at all; in an order that agrees with time and expectations."""
    happened = {each.state.value: each for each in history.events if each.type != "DELETED"}
    assert len(happened) == sum(each.type != "DELETED" for each in history.events), "a write happened twice"
    for write in writes:
        event = happened.pop(write.value, None) if write.value else None
        if write.outcome == "done" and write.verb != "delete":
            assert event is not None, f"lost: {write}"
            assert (event.key, event.state.revision) == (write.key, write.revision), f"{write} is {event}"
        elif write.outcome != "unknown":
            assert event is None, f"refused, and still done: {write}"
        elif event is not None:
            write.revision = event.state.revision  # its end stays unknown
    assert not happened, f"nobody wrote {happened}"
    _assign_deletes(history, writes, Time(writes))
    time = Time(writes)
    for write in writes:
        _check_write(history, time, write)
    return time


def _assign_deletes(history: History, writes: Sequence[Write], time: Time) -> None:
    """Give each deletion to a delete that it can have been, such that each delete that was acknowledged has one.

    A delete whose answer is lost may have been any of several: it is a matching, found by augmenting paths.
    """
    gone: dict[Key, list[int]] = defaultdict(list)
    for event in history.events:
        if event.type == "DELETED":
            gone[event.key].append(event.state.revision)
    deletes = [write for write in writes if write.verb == "delete" and write.outcome in ("done", "unknown")]
    windows = [(time.at_least(write.start), time.at_most(write.end)) for write in deletes]
    fits = [
        [each for each in gone[write.key] if low < each <= high and _finds_expected(history, write, each)]
        for write, (low, high) in zip(deletes, windows, strict=True)
    ]
    owners: dict[int, int] = {}
    order = sorted(range(len(deletes)), key=lambda each: (deletes[each].outcome == "unknown", deletes[each].end))
    # Whoever ends first most likely came first; only what that leaves over is worth thinking twice.
    left = [number for number in order if not _assign_free(number, fits, owners)]
    for number in left:
        found = _assign(number, fits, owners, set())
        assert found or deletes[number].outcome == "unknown", f"deleted nothing: {deletes[number]}"
    for revision, number in owners.items():
        deletes[number].revision = revision
    nobodys = {key: left for key, all_ in gone.items() if (left := [each for each in all_ if each not in owners])}
    assert not nobodys, f"nobody deleted {nobodys}"


def _assign_free(number: int, fits: Sequence[Sequence[int]], owners: dict[int, int]) -> bool:
    """Give the first deletion that fits it and is nobody's to a delete. False if there is none."""
    free = next((revision for revision in fits[number] if revision not in owners), None)
    if free is not None:
        owners[free] = number
    return free is not None


def _assign(number: int, fits: Sequence[Sequence[int]], owners: dict[int, int], tried: set[int]) -> bool:
    """Give a deletion that fits it to a delete; whoever had that one takes another. False if none can."""
    if _assign_free(number, fits, owners):
        return True
    for revision in fits[number]:
        if revision not in tried:
            tried.add(revision)
            if _assign(owners[revision], fits, owners, tried):
                owners[revision] = number
                return True
    return False


def _finds_expected(history: History, write: Write, revision: int) -> bool:
    before = history.at(write.key, revision - 1)
    return before is not None and write.expected in (None, before.revision)


def _check_write(history: History, time: Time, write: Write) -> None:
    low, high = time.at_least(write.start), time.at_most(write.end)
    states = history.between(write.key, low, high)
    match write.outcome:
        case "done":
            assert write.revision is not None
            assert low < write.revision <= high, f"{write} is not between {low} and {high}"
            before = history.at(write.key, write.revision - 1)
            assert (write.verb == "create") == (before is None), f"{write} found {before}"
            assert before is None or write.expected in (None, before.revision), f"{write} found {before}"
        case "exists":
            assert any(states), f"{write}, and it never did"
        case "missing":
            assert not all(states), f"{write}, and it never was"
        case "conflict":
            assert any(state and state.revision != write.expected for state in states), f"{write} without one"
        case _:
            pass


def check_read(history: History, time: Time, read: Read) -> None:
    """A get shows one moment between its beginning and end; a list is whole, of one revision that fits its options."""
    low, high = time.at_least(read.start), time.at_most(read.end)
    if read.asked is not None:
        low = read.asked
    if read.name is not None:
        states = history.between((read.namespace or "", read.name), low, high)
        assert read.found.get((read.namespace or "", read.name)) in states, f"{read} is none of {states}"
        return
    assert len(read.revisions) == 1, f"pages of several revisions: {read}"
    [revision] = read.revisions
    assert low <= revision <= high, f"{read} is not between {low} and {high}"
    assert not read.exact or revision == read.asked, f"{read} is of another revision"
    assert read.found == history.snapshot(read, revision), f"{read} is not what was at {revision}"


def check_session(history: History, session: Session) -> None:
    """Ordered, unique, atomic, reliable, bookmarkable: exactly what happened, from the start to what was covered."""
    after = session.after
    if after is None:
        if not session.bookmarks:
            return  # it ended before its initial state did
        after = session.bookmarks[0][0]
        assert session.initial == history.snapshot(session, after), f"not what was at {after}: {session.initial}"
    expected = history.view(session, after)
    for number, event in enumerate(session.events):
        due = expected[number] if number < len(expected) else None
        assert event == due, f"told {event} instead of {due}, after {session.events[max(number - 3, 0) : number]}"
    for revision, count in session.bookmarks:
        so_far = sum(event.state.revision <= revision for event in expected)
        assert count == so_far, f"a bookmark at {revision} after {count} events, {so_far} were due"


def check_chain(history: History, sessions: Sequence[Session], until: int) -> None:
    """Resumable: each session goes on where the one before ended, and the last has all."""
    for before, after in pairwise(sessions):
        assert after.after == before.covered
    assert sessions[-1].covered >= until
    told = [event for session in sessions for event in session.events]
    due = [event for event in history.view(sessions[0], sessions[0].after or 0) if event.state.revision <= until]
    assert told[: len(due)] == due
