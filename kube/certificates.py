"""How long certificates live, as ``spec.certificateRotateStrategy.selfSigned`` of the KubeVirt object says.

Source: KubeVirt's ``pkg/virt-operator/resource/apply/certificates.go`` for defaults and the older names.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from kube.durations import parse
from kube.objects import Object

AUTHORITY_DURATION, SERVER_DURATION = timedelta(hours=168), timedelta(hours=24)
RENEWED_BEFORE = 0.2
"""What share of its life a certificate has left when it is renewed, unless something else is said."""


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long a certificate lives, and how long before its end it is renewed."""

    duration: timedelta
    renew_before: timedelta


@dataclass(frozen=True, slots=True)
class Strategy:
    """The lifetimes of authorities and of all that they sign."""

    authority: Lifetime
    server: Lifetime

    @classmethod
    def of(cls, kubevirt: Object | None) -> Self:
        """Return what a KubeVirt object says, or all defaults where there is none.

        Raises DurationError for an object that was never validated.
        """
        spec = (kubevirt or {}).get("spec") or {}
        said = (spec.get("certificateRotateStrategy") or {}).get("selfSigned") or {}
        authority, server = said.get("ca") or {}, said.get("server") or {}
        return cls(
            _lifetime(
                said.get("caRotateInterval") or authority.get("duration"),
                said.get("caOverlapInterval") or authority.get("renewBefore"),
                AUTHORITY_DURATION,
            ),
            _lifetime(
                said.get("certRotateInterval") or server.get("duration"), server.get("renewBefore"), SERVER_DURATION
            ),
        )


def _lifetime(duration: str | None, renew_before: str | None, default: timedelta) -> Lifetime:
    lives = parse(duration) if duration else default
    return Lifetime(lives, parse(renew_before) if renew_before else lives * RENEWED_BEFORE)
