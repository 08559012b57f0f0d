"""Owners that are known not to exist, so that a thousand dependents of one of them do not ask a thousand times."""

from collections import OrderedDict
from typing import NamedTuple

CAPACITY = 500


class Owner(NamedTuple):
    """An owner as its dependents name it. Its uid never comes back, so what is absent stays so."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str


class AbsentOwners:
    """Remembers the owners that were asked for last. Source: the garbage collector's ``absentOwnerCache``."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._owners: OrderedDict[Owner, None] = OrderedDict()

    def __contains__(self, owner: Owner) -> bool:
        if owner not in self._owners:
            return False
        self._owners.move_to_end(owner)
        return True

    def add(self, owner: Owner) -> None:
        """Remember an owner, and forget the one that was asked for the longest time ago beyond the capacity."""
        self._owners[owner] = None
        self._owners.move_to_end(owner)
        if len(self._owners) > self._capacity:
            self._owners.popitem(last=False)
