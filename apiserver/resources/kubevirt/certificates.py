"""How long certificates live: the rules of ``spec.certificateRotateStrategy.selfSigned``.

Source: KubeVirt's ``pkg/virt-operator/resource/apply/certificates.go``, ``webhooks/kubevirt-update-admitter.go``.
"""

from collections.abc import Iterator
from datetime import timedelta

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object
from kube.certificates import AUTHORITY_DURATION, RENEWED_BEFORE, SERVER_DURATION
from kube.durations import DurationError, parse

PATH = "spec.certificateRotateStrategy.selfSigned"
_OLD = ("caRotateInterval", "caOverlapInterval", "certRotateInterval")
_DURATIONS = (*_OLD, "ca.duration", "ca.renewBefore", "server.duration", "server.renewBefore")
_LIVES = {"caRotateInterval", "certRotateInterval", "ca.duration", "server.duration"}
"""Those that say how long a certificate lives."""
SHORTEST = timedelta(seconds=5)
"""Less, and nobody gets a certificate before it has expired: not even who would set it right."""


def certificate_errors(spec: Object) -> Iterator[FieldError]:
    """Yield an error for each duration that is none, or that does not go with the others."""
    said = spec.get("certificateRotateStrategy", {}).get("selfSigned", {})
    wrong = [*_unreadable(said)]
    yield from wrong
    if any(name in said for name in ("ca", "server")):
        for name in _OLD:
            if name in said:
                yield FieldError.forbidden(f"{PATH}.{name}", "does not go with ca and server; use these alone")
    if not wrong:
        yield from _unordered(said)


def _unreadable(said: Object) -> Iterator[FieldError]:
    for name in _DURATIONS:
        text = _at(said, name)
        try:
            least = SHORTEST if name in _LIVES else timedelta(0)
            if text is not None and parse(text) < least:
                yield FieldError.invalid(f"{PATH}.{name}", text, f"must be at least {_text(least)}")
        except DurationError as error:
            yield FieldError.invalid(f"{PATH}.{name}", text, str(error))


def _unordered(said: Object) -> Iterator[FieldError]:
    authority = _duration(said, ("caRotateInterval", "ca.duration"), AUTHORITY_DURATION)
    server = _duration(said, ("certRotateInterval", "server.duration"), SERVER_DURATION)
    overlap = _duration(said, ("caOverlapInterval", "ca.renewBefore"), authority * RENEWED_BEFORE)
    if overlap > authority:
        told = "must be at most the duration of the certificate"
        yield FieldError.invalid(f"{PATH}.ca.renewBefore", _text(overlap), told)
    renewed = _duration(said, ("server.renewBefore",), server * RENEWED_BEFORE)
    if renewed > server:
        told = "must be at most the duration of the certificate"
        yield FieldError.invalid(f"{PATH}.server.renewBefore", _text(renewed), told)
    if server > authority:
        told = f"must be at most the duration of the authority's certificate, {_text(authority)}"
        yield FieldError.invalid(f"{PATH}.server.duration", _text(server), told)


def _duration(said: Object, names: tuple[str, ...], default: timedelta) -> timedelta:
    """Return the first of ``names`` that is said; the older go first, as in KubeVirt."""
    texts = (_at(said, name) for name in names)
    return next((parse(text) for text in texts if text is not None), default)


def _at(said: Object, name: str) -> str | None:
    outer, dot, inner = name.partition(".")
    return said.get(outer, {}).get(inner) if dot else said.get(outer)


def _text(duration: timedelta) -> str:
    minutes, seconds = divmod(duration.total_seconds(), 60)
    hours, minutes = divmod(int(minutes), 60)
    parts = ((hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{number:g}{unit}" for number, unit in parts if number) or "0s"
