"""Rotation with overlap: whatever happens in whatever order, nobody meets a certificate that it does not trust."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from certs.authority import CLOCK_SKEW, Life, make_authority
from certs.overlap import IssueLeaf, MakeAuthority, Step, Wait, WriteBundle, next_step, renewal, seconds_until
from certs.trust import SILENCE, Kept, Report, Request, Shown, Trust, fingerprint, issuer_of
from kube.certificates import Lifetime, Strategy

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
STRATEGY = Strategy(Lifetime(168 * HOUR, 34 * HOUR), Lifetime(24 * HOUR, 5 * HOUR))
SERVER, CLIENT = "server", "client"
REQUESTS = {SERVER: Request("virtplane", names=("localhost",)), CLIENT: Request("me", ("us",))}


@dataclass
class Consumer:
    """What one process holds, and so shows and believes."""

    trusted: tuple[x509.Certificate, ...] = ()
    shown: dict[str, x509.Certificate] = field(default_factory=dict)

    def report(self, now: datetime) -> Report:
        shown = {}
        for name, leaf in self.shown.items():
            issuer = issuer_of(leaf, self.trusted)
            assert issuer is not None
            shown[name] = Shown(fingerprint(leaf), fingerprint(issuer), leaf.not_valid_after_utc)
        return Report(now, frozenset(map(fingerprint, self.trusted)), shown)


class World:
    """What is stored, who uses it, and what time it is."""

    def __init__(self, strategy: Strategy = STRATEGY) -> None:
        self.now = BEGIN
        self.strategy = strategy
        self.trust = Trust()
        self.holders = {name: Consumer() for name in REQUESTS}
        authority = Kept(make_authority("first", Life(self.now, strategy.authority.duration)))
        self.trust = Trust(authority=authority, bundle=(authority.pair.certificate,), wanted=REQUESTS)
        for name in REQUESTS:
            self.issue(name)
        for name in REQUESTS:
            self.take_up(name)

    def issue(self, name: str) -> None:
        authority = self.trust.authority
        assert authority is not None
        pair = REQUESTS[name].issue(authority.pair, Life(self.now, self.strategy.server.duration))
        kept = Kept(pair, self.strategy.server.duration, authority.pair.certificate)
        self.trust = replace(self.trust, leaves={**self.trust.leaves, name: kept})

    def step(self) -> Step:
        step = next_step(self.trust, self.strategy, self.now)
        match step:
            case MakeAuthority():
                duration = self.strategy.authority.duration
                pair = make_authority(f"at {self.now}", Life(self.now, duration))
                made = Kept(pair, duration, former=step.former, urgent=step.urgent)
                self.trust = replace(self.trust, authority=made)
            case WriteBundle():
                self.trust = replace(self.trust, bundle=step.authorities)
            case IssueLeaf():
                self.issue(step.name)
            case Wait():
                assert step.until > self.now
        return step

    def take_up(self, name: str) -> None:
        """Let a consumer take what is stored, the bundle first, and then say what it has."""
        holder, leaf = self.holders[name], self.trust.leaves.get(name)
        holder.trusted = self.trust.bundle or holder.trusted
        if leaf is not None:
            holder.shown[name] = leaf.pair.certificate
        self.tell(name)

    def tell(self, name: str) -> None:
        self.trust = replace(self.trust, reports={**self.trust.reports, name: self.holders[name].report(self.now)})

    def let_pass(self, time: timedelta) -> None:
        """Let time pass, in which everybody says the same again."""
        self.now += time
        reports = {name: replace(each, at=self.now) for name, each in self.trust.reports.items()}
        self.trust = replace(self.trust, reports=reports)

    def settle(self) -> list[Step]:
        """Let everybody do all there is to do."""
        done: list[Step] = []
        for _ in range(40):
            step = self.step()
            before = self.trust.reports
            for name in REQUESTS:
                self.take_up(name)
            if isinstance(step, Wait):
                if self.trust.reports == before:
                    return done
                continue
            done.append(step)
        raise AssertionError("it never ends")

    def verify(self) -> None:
        for shows in self.holders.values():
            for leaf in shows.shown.values():
                assert self.now < leaf.not_valid_after_utc
                for believes in self.holders.values():
                    issuer = issuer_of(leaf, believes.trusted)
                    assert issuer is not None
                    assert self.now < issuer.not_valid_after_utc

    def authority(self) -> x509.Certificate:
        assert self.trust.authority is not None
        return self.trust.authority.pair.certificate


def without(world: World, name: str) -> None:
    leaves = {other: kept for other, kept in world.trust.leaves.items() if other != name}
    world.trust = replace(world.trust, leaves=leaves)


def test_nothing_is_done_before_its_time() -> None:
    world = World()
    assert world.settle() == []
    first = world.trust.leaves[SERVER]
    step = world.step()
    assert isinstance(step, Wait)
    assert renewal(first, STRATEGY.server) == BEGIN + 19 * HOUR
    assert (step.until, step.why) == (BEGIN + SILENCE, "")


def test_a_leaf_is_renewed_when_it_is_time_and_the_authority_stays() -> None:
    world = World()
    authority = world.authority()
    world.let_pass(19 * HOUR)
    assert [type(step) for step in world.settle()] == [IssueLeaf, IssueLeaf]
    assert world.authority() == authority


def test_a_deleted_leaf_alone_is_issued_anew() -> None:
    world = World()
    without(world, CLIENT)
    (step,) = world.settle()
    assert isinstance(step, IssueLeaf)
    assert step.name == CLIENT


def test_a_deleted_authority_is_replaced_with_overlap_and_then_forgotten() -> None:
    world = World()
    old = world.authority()
    world.trust = replace(world.trust, authority=None)
    steps = world.settle()
    assert [type(step) for step in steps] == [MakeAuthority, WriteBundle, IssueLeaf, IssueLeaf, WriteBundle]
    joined, left = (step for step in steps if isinstance(step, WriteBundle))
    assert joined.authorities == (world.authority(), old)
    assert left.authorities == (world.authority(),)


def test_no_leaf_is_issued_while_one_consumer_lacks_the_authority() -> None:
    world = World()
    world.trust = replace(world.trust, authority=None)
    world.step(), world.step()
    world.take_up(SERVER)
    assert isinstance(world.step(), Wait)
    world.take_up(CLIENT)
    assert isinstance(world.step(), IssueLeaf)


def test_a_consumer_that_does_not_follow_is_not_waited_for_when_what_others_show_expires() -> None:
    world = World()
    make_due(world)
    world.step(), world.step()
    world.take_up(SERVER)
    wait = world.step()
    assert isinstance(wait, Wait)
    assert wait.why == "waiting for client to trust the new authority"
    for _ in range(60 * 24):
        if not isinstance(world.step(), Wait):
            break
        world.let_pass(timedelta(minutes=1))
    end = world.holders[SERVER].shown[SERVER].not_valid_after_utc
    assert end - 3 * HOUR <= world.now < end


def make_due(world: World) -> None:
    """Let the authority be replaced as planned, since its duration was changed."""
    assert world.trust.authority is not None
    world.trust = replace(world.trust, authority=replace(world.trust.authority, duration=timedelta(days=3)))


@pytest.mark.parametrize(("removed", "seconds"), [(False, 180), (True, 120)], ids=["as planned", "removed"])
def test_a_consumer_that_is_gone_is_soon_not_waited_for(removed: bool, seconds: int) -> None:
    world = World()
    if removed:
        world.trust = replace(world.trust, authority=None)
    else:
        make_due(world)
    old = world.trust.bundle[0]
    world.step(), world.step()
    world.take_up(SERVER)
    wait = world.step()
    assert isinstance(wait, Wait)
    assert wait.until == BEGIN + timedelta(seconds=seconds)
    gone = world.trust.reports[CLIENT]
    world.let_pass(timedelta(seconds=seconds))
    world.trust = replace(world.trust, reports={**world.trust.reports, CLIENT: gone})
    assert isinstance(world.step(), IssueLeaf)
    assert isinstance(world.step(), IssueLeaf)
    world.take_up(SERVER)
    world.trust = replace(world.trust, reports={**world.trust.reports, CLIENT: gone})
    assert isinstance(world.step(), WriteBundle)
    assert old not in world.trust.bundle


def test_an_agent_that_sleeps_keeps_its_way_back_unless_the_authority_was_removed() -> None:
    world = World()
    make_due(world)
    asleep = world.trust.reports[CLIENT]
    world.trust = replace(world.trust, reports={SERVER: world.trust.reports[SERVER]}, agents={"node:a": asleep})
    world.step(), world.step()
    world.take_up(SERVER)
    world.let_pass(10 * HOUR)
    wait = world.step()
    assert isinstance(wait, Wait)
    assert wait.why == "waiting for node:a to trust the new authority"
    world.trust = replace(world.trust, authority=None)
    assert [type(world.step()) for _ in range(2)] == [MakeAuthority, WriteBundle]
    assert isinstance(world.step(), Wait)
    world.let_pass(timedelta(minutes=2))
    assert isinstance(world.step(), IssueLeaf)


def test_who_is_still_to_show_new_certificates_is_told() -> None:
    world = World()
    make_due(world)
    world.step(), world.step()
    for name in REQUESTS:
        world.take_up(name)
    world.step(), world.step()
    world.take_up(CLIENT)
    wait = world.step()
    assert isinstance(wait, Wait)
    assert wait.why == "waiting for server to show new certificates"


def test_an_old_authority_stays_while_somebody_shows_what_it_signed() -> None:
    world = World()
    old = world.authority()
    world.trust = replace(world.trust, authority=None)
    world.step(), world.step()
    for name in REQUESTS:
        world.take_up(name)
    world.step(), world.step()
    world.take_up(CLIENT)
    assert isinstance(world.step(), Wait)
    assert old in world.trust.bundle
    world.take_up(SERVER)
    assert isinstance(world.step(), WriteBundle)
    assert old not in world.trust.bundle


def test_the_present_authority_comes_first_in_a_bundle_that_somebody_has_sorted() -> None:
    world = World()
    make_due(world)
    world.step(), world.step()
    first, second = world.trust.bundle
    world.trust = replace(world.trust, bundle=(second, first))
    assert isinstance(world.step(), WriteBundle)
    assert world.trust.bundle == (first, second) == (world.authority(), second)


def test_a_lost_bundle_is_made_anew_with_everybody_who_is_needed() -> None:
    world = World()
    old = world.authority()
    world.trust = replace(world.trust, authority=None)
    world.step(), world.step()
    world.trust = replace(world.trust, bundle=())
    assert isinstance(world.step(), WriteBundle)
    assert set(world.trust.bundle) == {old, world.authority()}


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (replace(STRATEGY, server=Lifetime(12 * HOUR, 2 * HOUR)), [IssueLeaf, IssueLeaf]),
        (
            replace(STRATEGY, authority=Lifetime(100 * HOUR, 20 * HOUR)),
            [MakeAuthority, WriteBundle, IssueLeaf, IssueLeaf, WriteBundle],
        ),
    ],
)
def test_another_duration_takes_effect_at_once_and_only_where_it_says(strategy: Strategy, expected: list[type]) -> None:
    world = World()
    assert world.trust.authority is not None
    made = replace(world.trust.authority, duration=STRATEGY.authority.duration)
    world.trust = replace(world.trust, authority=made)
    world.strategy = strategy
    assert [type(step) for step in world.settle()] == expected


def test_a_server_under_another_name_gets_another_leaf() -> None:
    world = World()
    wanted = {**REQUESTS, SERVER: Request("virtplane", names=("localhost", "example.test"))}
    world.trust = replace(world.trust, wanted=wanted)
    step = next_step(world.trust, world.strategy, world.now)
    assert step == IssueLeaf(SERVER, wanted[SERVER], "it lacks names")


@pytest.mark.parametrize("share", [0, 1])
def test_whatever_is_said_a_certificate_is_renewed_in_its_life_and_not_all_the_time(share: int) -> None:
    duration = 10 * HOUR
    kept = Kept(make_authority("a", Life(BEGIN, duration)))
    moment = renewal(kept, Lifetime(duration, duration * share))
    assert BEGIN + 5 * HOUR <= moment <= BEGIN + 9 * HOUR


def test_waiting_is_bounded() -> None:
    assert seconds_until(BEGIN, BEGIN + HOUR) > 0
    assert seconds_until(BEGIN + 100 * HOUR, BEGIN) == 3600


def test_clocks_that_are_a_little_behind_accept_a_new_certificate() -> None:
    made = make_authority("a", Life(BEGIN, HOUR)).certificate
    assert made.not_valid_before_utc == BEGIN - CLOCK_SKEW
    assert made.not_valid_after_utc == BEGIN + HOUR


class AnyOrder(RuleBasedStateMachine):
    """Steps, consumers, deletions, tampering and time, in any order.

    Time passes in small amounts, and consumers are not asleep for longer than that: who sleeps for a day shows
    what has expired, whatever anybody does. Who removes the authority and the bundle together wants no overlap.
    """

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @rule(times=st.integers(1, 4))
    def rotate(self, times: int) -> None:
        # Each step is one write, after which the rotator may be killed: the next begins with what is stored.
        for _ in range(times):
            self.world.step()

    @rule(name=st.sampled_from([*REQUESTS]))
    def consume(self, name: str) -> None:
        self.world.take_up(name)

    @rule(name=st.sampled_from([*REQUESTS]))
    def consume_without_telling(self, name: str) -> None:
        reports = self.world.trust.reports
        self.world.take_up(name)
        self.world.trust = replace(self.world.trust, reports=reports)

    @precondition(lambda self: self.world.trust.bundle)
    @rule()
    def lose_the_authority(self) -> None:
        self.world.trust = replace(self.world.trust, authority=None)

    @rule(name=st.sampled_from([*REQUESTS]))
    def lose_a_leaf(self, name: str) -> None:
        without(self.world, name)

    @precondition(lambda self: self.world.trust.authority)
    @rule()
    def lose_the_bundle(self) -> None:
        self.world.trust = replace(self.world.trust, bundle=())

    @rule(hours=st.integers(1, 40))
    def let_time_pass(self, hours: int) -> None:
        self.world.settle()
        for _ in range(hours):
            self.world.let_pass(HOUR)
            self.world.settle()

    @invariant()
    def everybody_trusts_what_everybody_shows(self) -> None:
        self.world.verify()


AnyOrder.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestAnyOrder = AnyOrder.TestCase
