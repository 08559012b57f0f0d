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
            _, carried = self._unpack(self.from_hub(current))
        # A copy: a spoke may return parts of what it was given, and put_back writes.
        hub = clone(self._spoke.to_hub(plain))
        if carried:
            put_back(hub, carried)
            if self._settle is not None:
                self._settle(hub, self._spoke.to_hub(plain))
        self._pack(hub, list(differences(plain, self._spoke.from_hub(hub))))
        return hub

    def from_hub(self, hub: Object) -> Object:
        """Return ``hub`` in this version, carrying what the version cannot say; ``hub`` is not changed."""
        plain, carried = self._unpack(hub)
        old = clone(self._spoke.from_hub(plain))
        put_back(old, carried or [])
        self._pack(old, list(differences(plain, self._spoke.to_hub(old))))
        return old

    def _unpack(self, obj: Object) -> tuple[Object, list[Difference] | None]:
        """Return a copy of ``obj`` without the annotation, and what it carried (None without annotation)."""
        plain: Object = clone(obj)
        annotations = plain.get("metadata", {}).get("annotations")
        if not annotations or self._annotation not in annotations:
            return plain, None
        text = annotations.pop(self._annotation)
        if not annotations:
            del plain["metadata"]["annotations"]
        return plain, _parsed(text)

    def _pack(self, obj: Object, carried: list[Difference]) -> None:
        if not carried:
            return
        metadata = obj.setdefault("metadata", {})
        metadata["annotations"] = {
            **(metadata.get("annotations") or {}),
            self._annotation: orjson.dumps(carried).decode(),
        }


def _parsed(text: Any) -> list[Difference]:
    """Read the annotation. A user can write anything there; what is not ours carries nothing."""
    try:
        carried = orjson.loads(text)
    except (orjson.JSONDecodeError, TypeError):
        return []
    return carried if well_formed(carried) else []
