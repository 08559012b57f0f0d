"""Which representation of an answer a client wants.

Source: RFC 9110 section 12.5.1; Kubernetes API concepts, "Alternate representations of resources";
``k8s.io/apiserver/pkg/endpoints/handlers/negotiation``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from aiohttp import web

from apiserver.machinery import errors
from apiserver.machinery.table import IncludeObject, MetaVersion

JSON = "application/json"
YAML = "application/yaml"
_RANGES = {JSON: JSON, YAML: YAML, "application/*": JSON, "*/*": JSON}
"""The media type that is sent to clients that accept one."""
_TABLE_SCOPE = ("None", "Metadata", "Object")

Shape = Literal["", "Table", "PartialObjectMetadata", "PartialObjectMetadataList"]
"""What is sent in place of an object or a list; empty for the thing itself."""
_SHAPES: Mapping[str, Shape] = {
    "": "",
    "Table": "Table",
    "PartialObjectMetadata": "PartialObjectMetadata",
    "PartialObjectMetadataList": "PartialObjectMetadataList",
}
_VERSIONS: Mapping[str, MetaVersion] = {"v1": "v1", "v1beta1": "v1beta1"}


@dataclass(frozen=True, slots=True)
class MediaType:
    """One acceptable media type with its parameters (``as``, ``g``, ``v``)."""

    name: str
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def wants(self) -> str:
        """The value of the ``as`` parameter: ``Table``, ``PartialObjectMetadata``, …, or empty."""
        return self.parameters.get("as", "")


@dataclass(frozen=True, slots=True)
class Representation:
    """How an answer is to look."""

    media_type: str = JSON
    """``application/json`` or ``application/yaml``."""
    shape: Shape = ""
    meta_version: MetaVersion = "v1"
    """The version of ``meta.k8s.io`` in which a shape is sent."""


def accepted(header: str) -> list[MediaType]:
    """Return the media types of an Accept header, the most wanted first. No header accepts JSON."""
    ranked = sorted(_parse(header or JSON), key=lambda each: -each[0])
    return [media for _, media in ranked]


@lru_cache(maxsize=256)
def representation(header: str) -> Representation:
    """Return the first acceptable representation of an object or a list that the server can make. Raises 406."""
    for media in accepted(header):
        media_type, shape = _RANGES.get(media.name), _SHAPES.get(media.wants)
        if media_type is None or shape is None:
            continue
        if not shape and not media.parameters.get("g") and not media.parameters.get("v"):
            return Representation(media_type)
        version = _VERSIONS.get(media.parameters.get("v", ""))
        if shape and version and media.parameters.get("g") == "meta.k8s.io":
            return Representation(media_type, shape, version)
    raise errors.not_acceptable([JSON, YAML])


@lru_cache(maxsize=256)
def prefers_yaml(header: str) -> bool:
    """Return True when a Status or a document, which have one shape only, is best sent as YAML."""
    for media in accepted(header):
        if media.name in _RANGES and not media.parameters.keys() & {"as", "g", "v"}:
            return _RANGES[media.name] == YAML
    return False


def negotiate(request: web.BaseRequest, verb: str) -> Representation:
    """Return what the answer to a request for a resource must look like, before anything is done. Raises 400, 406."""
    wanted = representation(request.headers.get("Accept", ""))
    if verb == "watch" and wanted.media_type == YAML:
        raise errors.not_acceptable([JSON])  # kube-apiserver has no stream of YAML either
    is_list = verb in ("list", "deletecollection")
    if wanted.shape == "PartialObjectMetadata" and is_list:
        raise errors.wrong_shape("you requested PartialObjectMetadata, but the requested object is a list")
    if wanted.shape == "PartialObjectMetadataList" and not is_list:
        raise errors.wrong_shape("you requested PartialObjectMetadataList, but the requested object is not a list")
    if wanted.shape == "Table":
        include_object(request.query)
    return wanted


def include_object(query: Mapping[str, str]) -> IncludeObject:
    """Return what the rows of a Table hold of their objects. Raises 400."""
    match query.get("includeObject") or "Metadata":
        case "None" | "Metadata" | "Object" as include:
            return include
        case other:
            raise errors.bad_request(
                f'Unable to convert to Table as requested: includeObject: Invalid value: "{other}": '
                f"must be one of {', '.join(_TABLE_SCOPE)}"
            )


def wants_pretty(query: Mapping[str, str], headers: Mapping[str, str]) -> bool:
    """Return True when the answer is for human eyes: on demand, and by default for browsers and the like.

    Source: ``isPrettyPrint`` of kube-apiserver.
    """
    if asked := query.get("pretty"):
        return asked in ("1", "t", "T", "true", "True", "TRUE")
    return headers.get("User-Agent", "").startswith(("curl", "Wget", "Mozilla/5.0"))


@lru_cache(maxsize=64)
def accepts_gzip(header: str) -> bool:
    """Return True when an Accept-Encoding header allows gzip."""
    return any(media.name == "gzip" for _, media in _parse(header))


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
