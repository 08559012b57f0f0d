"""Conversion that loses nothing, around plain conversions that do.

A spoke only says how its version and the hub translate. What does not survive that translation and back travels in
the annotation ``virtplane.io/unconverted-<version>`` of the translated object, and returns to its place on the way
back, unless the client has changed what it stood for meanwhile.
"""

from collections.abc import Callable
from typing import Any, Protocol

import orjson

from apiserver.machinery.cloning import clone
from apiserver.machinery.differences import Difference, differences, put_back, well_formed
from apiserver.machinery.resource import Object

CARRIED_PREFIX = "virtplane.io/unconverted-"
"""How the annotations begin that carry what a version cannot say; its name follows."""

Settle = Callable[[Object, Object], None]
"""Takes a hub object with everything put back, and the one that the client's words alone translate to."""


class Spoke(Protocol):
    """Translates whole objects between one version and the hub; may lose what the other side cannot say.

    Both are pure: neither changes what it is given. They set ``apiVersion`` and keep ``metadata``.
    """

    def to_hub(self, old: Object) -> Object:
        """Return ``old`` as far as the hub can say it."""
        ...

    def from_hub(self, hub: Object) -> Object:
        """Return ``hub`` as far as this version can say it."""
        ...


class Lossless:
    """A :class:`~apiserver.machinery.resource.Conversion` that carries what its spoke would lose."""

    def __init__(self, version: str, spoke: Spoke, settle: Settle | None = None) -> None:
        """Wrap ``spoke``, which translates ``version``.

        Where only one of several fields may be set, what is put back can contradict what a client has chosen
        meanwhile. ``settle`` repairs that in the hub object, in place.
        """
        self._annotation = CARRIED_PREFIX + version
        self._spoke = spoke
        self._settle = settle

    def to_hub(self, old: Object, current: Object | None = None) -> Object:
        """Return ``old`` in the hub version, with what it carries put back.

        A client that drops unknown annotations must not erase newer fields: where ``old`` carries nothing,
        ``current``, the stored hub object that it replaces, says what it would have carried.
        """
        plain, carried = self._unpack(old)
        if carried is None and current is not None:
            _, carried = self._translated(current)
        hub = self._spoke.to_hub(plain)
        if carried:
            said, hub = hub, self._restored(hub, carried)
            if self._settle is not None:
                self._settle(hub, said)
        return self._packed(hub, list(differences(plain, self._spoke.from_hub(hub))))

    def from_hub(self, hub: Object) -> Object:
        """Return ``hub`` in this version, carrying what the version cannot say; ``hub`` is not changed."""
        return self._packed(*self._translated(hub))

    def _translated(self, hub: Object) -> tuple[Object, list[Difference]]:
        """Return ``hub`` in this version, which may share parts with it, and what the version cannot say."""
        plain, carried = self._unpack(hub)
        old = self._spoke.from_hub(plain)
        if carried:
            old = self._restored(old, carried)
        return old, list(differences(plain, self._spoke.to_hub(old)))

    def _restored(self, obj: Object, carried: list[Difference]) -> Object:
        """Return a copy of ``obj`` with ``carried`` put back."""
        restored: Object = clone(obj)
        put_back(restored, carried)
        return restored

    def _unpack(self, obj: Object) -> tuple[Object, list[Difference] | None]:
        """Return ``obj`` without the annotation, and what that carried (None without annotation)."""
        metadata = obj.get("metadata", {})
        annotations = metadata.get("annotations")
        if not annotations or self._annotation not in annotations:
            return obj, None
        rest = {key: each for key, each in annotations.items() if key != self._annotation}
        bare = {key: each for key, each in metadata.items() if key != "annotations"}
        plain = {**obj, "metadata": {**bare, "annotations": rest} if rest else bare}
        return plain, _parsed(annotations[self._annotation])

    def _packed(self, obj: Object, carried: list[Difference]) -> Object:
        """Return a copy of ``obj`` that carries ``carried``."""
        packed: Object = clone(obj)
        if carried:
            annotations = packed.setdefault("metadata", {}).get("annotations") or {}
            packed["metadata"]["annotations"] = {**annotations, self._annotation: orjson.dumps(carried).decode()}
        return packed


def _parsed(text: Any) -> list[Difference]:
    """Read the annotation. A user can write anything there; what is not ours carries nothing."""
    try:
        carried = orjson.loads(text)
    except (orjson.JSONDecodeError, TypeError):
        return []
    return carried if well_formed(carried) else []
