"""Names of container images."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from apiserver.machinery.errors import FieldError

_HOST = r"(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?"
_PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
# The grammar: https://github.com/distribution/reference/blob/main/reference.go
_IMAGE = re.compile(rf"(?:{_HOST}/)?{_PART}(?:/{_PART})*(?::\w[\w.-]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?", re.ASCII)
_LONGEST = 512
_ON_THE_NODE = ("oci:", "oci-archive:")
"""Before a path, and maybe a name after it: an OCI layout of the node, or a tar of one."""


def image_problems(name: str, path: str) -> Iterator[FieldError]:
    """Yield an error unless ``name`` can be the name of an image. Whether there is one, only the node can tell."""
    if not name:
        yield FieldError.required(path, "name an image, such as quay.io/containerdisks/debian:12")
    elif name.startswith(_ON_THE_NODE):
        scheme, _, place = name.partition(":")
        file = PurePosixPath(place.partition(":")[0])
        if not file.is_absolute() or ".." in file.parts:
            detail = f"needs an absolute path without '..', such as {scheme}:/srv/images/debian:12"
            yield FieldError.invalid(path, name, detail)
    elif len(name) > _LONGEST or not _IMAGE.fullmatch(name):
        detail = (
            "is no image; write registry/repository:tag, such as quay.io/containerdisks/debian:12, without docker://"
        )
        yield FieldError.invalid(path, name, detail)
