"""Rotation with overlap: the one next step, decided anew from what is stored each time, so that a crash loses nothing.

A new authority joins the bundle before it signs anything; leaves are issued once every consumer trusts their issuer;
an old authority leaves the bundle when nobody shows a leaf of its any more. Losing the authority, or removing it on
suspicion, goes the same way, only at once.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509

from certs.authority import life_of, served_names, subject
from certs.pair import Pair
from certs.trust import SILENCE, Kept, Report, Request, Trust, fingerprint, signed_by
from kube.certificates import Lifetime, Strategy

_EARLIEST, _LATEST = 0.5, 0.1
"""The shares of its life that a certificate has at most and at least left when it is renewed, whatever is said."""


@dataclass(frozen=True, slots=True)
class MakeAuthority:
    """Store a new authority in place of the present one, and with it who is needed beside it."""

    former: tuple[x509.Certificate, ...]
    urgent: bool
    why: str


@dataclass(frozen=True, slots=True)
class WriteBundle:
    """Let consumers trust ``authorities``, and nobody else."""

    authorities: tuple[x509.Certificate, ...]
    why: str


@dataclass(frozen=True, slots=True)
class IssueLeaf:
    """Store a new leaf, signed by the present authority."""

    name: str
    request: Request
    why: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing until ``until``, or until something changes."""

    until: datetime
    why: str
    """What is waited for; empty when all is as it should be."""


Write = MakeAuthority | WriteBundle | IssueLeaf
Step = Write | Wait


def next_step(trust: Trust, strategy: Strategy, now: datetime) -> Step:
    """Return what to do now."""
    authority = trust.authority
    why = _why_other_authority(authority, strategy.authority, now)
    if authority is None or why is not None:
        return MakeAuthority(tuple(_needed(trust, now).values()), authority is None, why or "there is none")
    current = authority.pair.certificate
    needed = {fingerprint(current): current} | _needed(trust, now)
    joining = needed.keys() - {fingerprint(each) for each in trust.bundle}
    if joining or trust.bundle[0] != current:
        present = {fingerprint(each): each for each in trust.bundle if now < each.not_valid_after_utc}
        why = f"{len(joining)} joined" if joining else "the present authority comes first"
        return WriteBundle(tuple((needed | present).values()), why)
    waiting: list[Wait] = []
    for name, request in sorted(trust.wanted.items()):
        if (why := why_other_leaf(trust.leaves.get(name), request, authority.pair, strategy.server, now)) is None:
            continue
        deadline = _deadline(trust, name, strategy.server)
        lagging = trust.lagging(now)
        if not lagging or (deadline is not None and now >= deadline):
            return IssueLeaf(name, request, why)
        until = min(
            (each for each in (deadline, *_silences(trust, now)) if each), default=now + strategy.server.duration
        )
        waiting.append(Wait(until, f"waiting for {', '.join(lagging)} to trust the new authority"))
    if waiting:
        return min(waiting, key=lambda each: each.until)
    if len(needed) < len(trust.bundle):
        return WriteBundle(tuple(needed.values()), "what nobody needs any more left")
    showing = sorted(name for name, each in trust.consumers(now).items() if _shows_another(each, current))
    why = f"waiting for {', '.join(showing)} to show new certificates" if showing else ""
    return Wait(min(_moments(trust, authority, strategy, now)), why)


def renewal(kept: Kept, lifetime: Lifetime) -> datetime:
    """Return when a certificate is to be renewed."""
    end = kept.pair.certificate.not_valid_after_utc
    life = life_of(kept.pair.certificate)
    return end - min(max(lifetime.renew_before, life * _LATEST), life * _EARLIEST)


def _why_other_authority(kept: Kept | None, lifetime: Lifetime, now: datetime) -> str | None:
    if kept is None:
        return "there is none that can be used"
    if now >= renewal(kept, lifetime):
        return "it is time to renew it"
    return _why_other_duration(kept, lifetime)


def _why_other_duration(kept: Kept, lifetime: Lifetime) -> str | None:
    return "its duration was changed" if kept.duration not in (None, lifetime.duration) else None


def why_other_leaf(
    kept: Kept | None, request: Request, authority: Pair, lifetime: Lifetime, now: datetime
) -> str | None:
    """Return why a leaf must be issued anew, or None."""
    if kept is None:
        return "there is none that can be used"
    certificate = kept.pair.certificate
    checks: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("the authority was replaced", lambda: not signed_by(certificate, authority.certificate)),
        ("it names somebody else", lambda: certificate.subject != subject(request.user, request.groups)),
        ("it lacks names", lambda: not set(request.names) <= set(served_names(certificate))),
        ("it is time to renew it", lambda: now >= renewal(kept, lifetime)),
    )
    found = next((told for told, check in checks if check()), None)
    return found or _why_other_duration(kept, lifetime)


def _needed(trust: Trust, now: datetime) -> dict[str, x509.Certificate]:
    """Return whom consumers must trust for what is stored, or shown."""
    known = trust.known()
    signed = [kept.issuer for name, kept in trust.leaves.items() if kept.issuer is not None and name in trust.wanted]
    consumers = trust.consumers(now).values()
    shown = {each.issuer for report in consumers for each in report.shown.values() if now < each.until}
    # Without a report nothing is known of what is shown.
    unknown = () if trust.reports else trust.bundle
    needed = shown.union(map(fingerprint, (*signed, *unknown)))
    return {name: each for name, each in known.items() if name in needed and now < each.not_valid_after_utc}


def _deadline(trust: Trust, name: str, lifetime: Lifetime) -> datetime | None:
    """Return when to wait no longer for consumers that do not follow, so that a leaf that is shown does not expire."""
    ends = [report.shown[name].until for report in trust.reports.values() if name in report.shown]
    ends = [each - min(lifetime.renew_before, lifetime.duration * _EARLIEST) / 2 for each in ends]
    return min((each for each in (*ends, trust.patience_ends) if each), default=None)


def _shows_another(report: Report, authority: x509.Certificate) -> bool:
    return any(each.issuer != fingerprint(authority) for each in report.shown.values())


def _silences(trust: Trust, now: datetime) -> Iterator[datetime]:
    """Yield when consumers will count as gone."""
    return (each.at + SILENCE for each in trust.reports.values() if each.is_heard(now))


def _moments(trust: Trust, authority: Kept, strategy: Strategy, now: datetime) -> Iterator[datetime]:
    """Yield the times at which something may have to be done."""
    yield renewal(authority, strategy.authority)
    for name in trust.wanted:
        yield renewal(trust.leaves[name], strategy.server)
    for report in trust.consumers(now).values():
        yield from (each.until for each in report.shown.values() if each.until > now)
    if trust.patience_ends is not None and trust.patience_ends > now:
        yield trust.patience_ends
    yield from _silences(trust, now)
    yield from (each.not_valid_after_utc for each in trust.bundle if each.not_valid_after_utc > now)


def seconds_until(moment: datetime, now: datetime) -> float:
    """Return how long to wait, never less than a moment and never more than an hour, as clocks are set at times."""
    return min(max((moment - now) / timedelta(seconds=1), 0.1), 3600)
