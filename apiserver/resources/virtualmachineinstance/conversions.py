"""What holds an instance's spec converts it as the instance itself does, wherever it is."""

from collections.abc import Callable, Mapping
from functools import reduce

from apiserver.machinery.conversion import Lossless
from apiserver.machinery.resource import Conversion, Object
from apiserver.resources.kubevirtio import GROUP
from apiserver.resources.virtualmachineinstance import v1alpha1, v1beta1
from apiserver.resources.virtualmachineinstance.bindings import settle_interfaces

Change = Callable[[Object, Object], tuple[Object, Object]]
"""Takes an object and the instance's spec in it; returns the object's metadata and that spec in another version."""

_CHANGES: Mapping[str, tuple[Change, Change]] = {
    "v1beta1": (v1beta1.to_hub, v1beta1.from_hub),
    "v1alpha1": (v1alpha1.to_hub, v1alpha1.from_hub),
}


class InstanceSpoke:
    """The spoke of a version of a kind that differs from v1 only in the instance's spec that it holds.

    The spec is at ``path`` below the object's own; without a domain in it there is nothing to translate.
    """

    def __init__(self, version: str, *path: str) -> None:
        self._version = version
        self._path = path
        self._to_hub, self._from_hub = _CHANGES[version]

    def to_hub(self, old: Object) -> Object:
        """Return ``old`` as far as v1 can say it."""
        return self._changed(old, "v1", self._to_hub)

    def from_hub(self, hub: Object) -> Object:
        """Return ``hub`` as far as this version can say it."""
        return self._changed(hub, self._version, self._from_hub)

    def settle(self, hub: Object, said: Object) -> None:
        """Let an interface have one way to reach its network, the client's."""
        spec, wanted = (_inner(each.get("spec", {}), self._path) for each in (hub, said))
        if "domain" in spec and "domain" in wanted:
            settle_interfaces(spec, wanted)

    def _changed(self, obj: Object, version: str, change: Change) -> Object:
        changed = {**obj, "apiVersion": f"{GROUP}/{version}"}
        spec = _inner(obj.get("spec", {}), self._path)
        if "domain" in spec:
            changed["metadata"], spec = change(obj, spec)
            changed["spec"] = _with_inner(obj["spec"], self._path, spec)
        return changed


def conversions(*path: str) -> dict[str, Conversion]:
    """Return the conversions of a kind that differs from v1 only in the instance's spec at ``path`` below its own."""
    spokes = {version: InstanceSpoke(version, *path) for version in _CHANGES}
    return {version: Lossless(version, spoke, spoke.settle) for version, spoke in spokes.items()}


def _inner(spec: Object, path: tuple[str, ...]) -> Object:
    return reduce(lambda owner, step: owner[step], path, spec)


def _with_inner(spec: Object, path: tuple[str, ...], inner: Object) -> Object:
    if not path:
        return inner
    first, *rest = path
    return {**spec, first: _with_inner(spec[first], tuple(rest), inner)}
