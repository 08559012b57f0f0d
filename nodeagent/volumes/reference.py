"""Names of container images, read the way container tools read them."""

import re
from dataclasses import dataclass

DEFAULT_REGISTRY = "docker.io"

_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::\d{1,5})?")
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ImageReference:
    """A complete image name: ``registry/repository:tag`` or ``registry/repository@digest``."""

    registry: str
    repository: str
    tag: str
    digest: str | None = None

    def __str__(self) -> str:
        name = f"{self.registry}/{self.repository}"
        return f"{name}@{self.digest}" if self.digest else f"{name}:{self.tag}"

    @property
    def version(self) -> str:
        """What the registry is asked for: the digest if there is one, otherwise the tag."""
        return self.digest or self.tag

    @classmethod
    def parse(cls, name: str) -> "ImageReference":
        """Complete ``name`` with Docker's defaults: registry docker.io, repository library/, tag latest.

        The grammar: https://github.com/distribution/reference/blob/main/reference.go.

        Raises:
            ValueError: ``name`` is not an image name; the message says which part is wrong.
        """
        rest, _, digest = name.partition("@")
        if digest and not _DIGEST.fullmatch(digest):
            raise ValueError(f"the digest {digest!r} is not sha256: and 64 hexadecimal digits")
        first, slash, path = rest.partition("/")
        if slash and ("." in first or ":" in first or first == "localhost"):
            registry, rest = first, path
        else:
            registry = DEFAULT_REGISTRY
        repository, _, tag = rest.partition(":")
        if registry == DEFAULT_REGISTRY and "/" not in repository:
            repository = f"library/{repository}"
        for what, value, rule in (
            ("registry", registry, _HOST),
            ("repository", repository, _REPOSITORY),
            ("tag", tag or "latest", _TAG),
        ):
            if not rule.fullmatch(value):
                raise ValueError(f"{value!r} is not the name of a {what}")
        return cls(registry=registry, repository=repository, tag=tag or "latest", digest=digest or None)


def same_image(stored: str, asked: ImageReference) -> bool:
    """Whether the name an image is stored under, as people write it, completes to the one asked for."""
    try:
        return ImageReference.parse(stored) == asked
    except ValueError:
        return False
