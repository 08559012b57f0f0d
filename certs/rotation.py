"""When a certificate must be made anew: an ordered list of pure checks, which is the policy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from certs.pair import Pair

RENEW_AT = 2 / 3
"""The share of its lifetime after which a certificate is replaced."""

Finding = str


@dataclass(frozen=True, slots=True)
class Leaf:
    """A certificate under scrutiny, and what it should be."""

    pair: Pair
    authority: Pair
    subject: x509.Name
    """Whom it names."""
    names: Sequence[str] = ()
    """The names under which it is served."""


Check = Callable[[Leaf], Finding | None]


def issuer_was_replaced(leaf: Leaf) -> Finding | None:
    """Find a leaf that this authority did not sign."""
    try:
        leaf.pair.certificate.verify_directly_issued_by(leaf.authority.certificate)
    except (ValueError, TypeError, InvalidSignature):
        return "it was issued by another authority"
    return None


def subject_differs(leaf: Leaf) -> Finding | None:
    """Find a leaf that speaks for somebody else, such as the node that this one was called before."""
    named = leaf.pair.certificate.subject
    if named == leaf.subject:
        return None
    return f"it names {named.rfc4514_string()}, not {leaf.subject.rfc4514_string()}"


def names_differ(leaf: Leaf) -> Finding | None:
    """Find a leaf that lacks a name under which it is served."""
    missing = set(leaf.names) - set(served_names(leaf.pair.certificate))
    return f"it lacks the names {', '.join(sorted(missing))}" if missing else None


def renewal_time_has_passed(leaf: Leaf) -> Finding | None:
    """Find a leaf that has lived long enough."""
    begin, end = leaf.pair.certificate.not_valid_before_utc, leaf.pair.certificate.not_valid_after_utc
    renewal = begin + (end - begin) * RENEW_AT
    return f"it should be renewed since {renewal:%Y-%m-%d}" if datetime.now(UTC) >= renewal else None


ROTATE_WHEN: tuple[Check, ...] = (issuer_was_replaced, subject_differs, names_differ, renewal_time_has_passed)


def why_rotate(leaf: Leaf) -> Finding | None:
    """Return the first reason to replace ``leaf``, or None."""
    return next((finding for check in ROTATE_WHEN if (finding := check(leaf))), None)


def served_names(certificate: x509.Certificate) -> list[str]:
    """Return the DNS names and addresses that a certificate is good for."""
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    addresses = [str(address) for address in alternatives.get_values_for_type(x509.IPAddress)]
    return [*alternatives.get_values_for_type(x509.DNSName), *addresses]
