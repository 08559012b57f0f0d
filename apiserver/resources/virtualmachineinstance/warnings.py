"""What an instance is accepted with, and its author should know."""

from collections.abc import Iterator

from apiserver.machinery.resource import Object
from apiserver.resources.virtualmachineinstance.bindings import deprecations
from kube.gaps import gaps


def spec_warnings(spec: Object, path: str) -> Iterator[str]:
    """Yield what of an instance's v1 ``spec`` at ``path`` should no longer be used, or does not work yet."""
    yield from deprecations(spec, path)
    for gap in gaps(spec):
        yield f"{path}.{gap}"
