"""How a spec is read: what is absent reads as empty, and what no XML can hold is refused first."""

import re
from collections.abc import Iterable
from typing import Any

from kube.gaps import gaps
from nodeagent.domain.facts import UnsupportedError

_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # https://www.w3.org/TR/xml/#charsets


def section(spec: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return the object at the path ``names``, empty where it is absent."""
    for name in names:
        spec = spec.get(name) or {}
    return spec


def is_enabled(features: dict[str, Any], name: str) -> bool:
    """Whether a feature is there and not switched off: in KubeVirt, naming one switches it on."""
    feature = features.get(name)
    return feature is not None and feature.get("enabled", True)


def refuse_what_is_not_provided(spec: dict[str, Any]) -> None:
    """Check that no guest of ``spec`` would lack what it asks for.

    Raises:
        UnsupportedError: Naming the first field that asks in vain.
    """
    for gap in gaps(spec):
        if gap.is_fatal:
            raise UnsupportedError(gap.field, f"{gap.reason}: remove this field")


def refuse_what_xml_cannot_hold(value: Any, field: str) -> None:
    """Check all text below ``field``: control characters and lone surrogates have no form in XML.

    Raises:
        UnsupportedError: Naming the first field that holds one.
    """
    if isinstance(value, str) and _NOT_XML.search(value):
        raise UnsupportedError(field, f"{value!r} holds characters that cannot be passed to a guest: remove them")
    for name, inner in _inside(value):
        refuse_what_xml_cannot_hold(inner, f"{field}{name}")


def _inside(value: Any) -> Iterable[tuple[str, Any]]:
    match value:
        case dict():
            return ((f".{name}", inner) for name, inner in value.items())
        case list():
            return ((f"[{index}]", inner) for index, inner in enumerate(value))
        case _:
            return ()
