"""Which representation of an answer a client wants.

Source: RFC 9110 section 12.5.1; Kubernetes API concepts, "Alternate representations of resources".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from apiserver.machinery import errors

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class MediaType:
    """One acceptable media type with its parameters (``as``, ``g``, ``v``)."""

    name: str
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def wants(self) -> str:
        """The value of the ``as`` parameter: ``Table``, ``PartialObjectMetadata``, …, or empty."""
        return self.parameters.get("as", "")


def accepted(header: str) -> list[MediaType]:
    """Return the media types of an Accept header, the most wanted first. No header accepts JSON."""
    ranked = sorted(_parse(header or JSON), key=lambda each: -each[0])
    return [media for _, media in ranked]


def representation(header: str) -> MediaType:
    """Return the first acceptable representation of an object or a list that the server can make. Raises 406."""
    for media in accepted(header):
        if media.name in (JSON, "application/*", "*/*") and media.wants in ("", "Table") and _is_meta_v1(media):
            return media
    raise errors.not_acceptable([JSON])


def _is_meta_v1(media: MediaType) -> bool:
    return not media.wants or (media.parameters.get("g"), media.parameters.get("v")) == ("meta.k8s.io", "v1")


def _parse(header: str) -> Iterator[tuple[float, MediaType]]:
    for part in header.split(","):
        name, *rest = (piece.strip() for piece in part.split(";"))
        parameters = dict(pair.split("=", 1) for pair in rest if "=" in pair)
        try:
            quality = float(parameters.pop("q", "1"))
        except ValueError:
            quality = 0.0
        if name and quality > 0:
            yield quality, MediaType(name.lower(), parameters)
