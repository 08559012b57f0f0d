"""Records as one client asked to see them: whole, as rows of a Table, or their metadata alone."""

import asyncio
from collections.abc import Callable, Sequence
from functools import cache
from time import perf_counter

import orjson

from apiserver.http.negotiation import Representation
from apiserver.http.pieces import Pieces, joined
from apiserver.machinery.resource import Column, Object, Resource
from apiserver.machinery.table import IncludeObject, MetaVersion, TableMaker, partial_metadata
from apiserver.registry.codec import compact, encoder, versioned_object
from apiserver.storage.contract import Record

TURN_RECORDS = 100
TURN_SECONDS = 0.003
"""How long records are encoded until others have their turn, which is looked at after so many."""


class Shaper:
    """Encodes records, all of one resource in one version, for one client. What can be shared is encoded once."""

    def __init__(
        self, resource: Resource, version: str, representation: Representation, include: IncludeObject = "Metadata"
    ) -> None:
        self._resource = resource
        self._version = version
        self._shape = representation.shape
        self._meta_version: MetaVersion = representation.meta_version
        self._include: IncludeObject = include
        self._headers = True
        self.one: Callable[[Record], bytes]
        """Returns one object."""
        match representation.shape:
            case "":
                self.one = encoder(resource, version)
            case "Table":
                self.one = self._row
            case _:
                self.one = self._partial
        self.change = self._change if representation.shape == "Table" else self.one
        """Returns the object of one event of a watch; only the first Table has column definitions."""
        self.common: str | None = None
        """What names the bytes of changes, for all who are sent the same; None where those depend on the client."""
        if representation.shape != "Table":
            self.common = f"{representation.shape} {representation.meta_version} {resource.api_version(version)}"

    async def many(self, records: Sequence[Record], metadata: Object) -> bytes | Pieces:
        """Return a list, whose own metadata is given, made of bytes that are ready."""
        if self._shape == "Table":
            return orjson.dumps(self._table([self._shown(record) for record in records], metadata))
        api_version = f"meta.k8s.io/{self._meta_version}" if self._shape else self._resource.api_version(self._version)
        head = {"apiVersion": api_version, "kind": self._shape or self._resource.list_kind, "metadata": metadata}
        parts = await self._each(records) or [b""]
        parts[0] = orjson.dumps(head)[:-1] + b',"items":[' + parts[0]
        parts[-1] += b"]}"
        return joined(parts)

    async def _each(self, records: Sequence[Record]) -> list[bytes]:
        """Return each object. What nobody has asked for before takes a while, in which others have their turn."""
        parts: list[bytes] = []
        began = perf_counter()
        for first in range(0, len(records), TURN_RECORDS):
            parts += [self.one(record) for record in records[first : first + TURN_RECORDS]]
            if perf_counter() - began > TURN_SECONDS:
                await asyncio.sleep(0)
                began = perf_counter()
        return parts

    def bookmark(self, metadata: Object) -> bytes:
        """Return the object of a bookmark: no more than ``metadata``, in the shape of the other events."""
        kind = {"kind": self._resource.kind, "apiVersion": self._resource.api_version(self._version)}
        obj = {**kind, "metadata": {"creationTimestamp": None, **metadata}}
        match self._shape:
            case "":
                return orjson.dumps(obj)
            case "Table":
                table = self._table([obj], {"resourceVersion": metadata["resourceVersion"]})
                self._headers = False
                return orjson.dumps(table)
            case _:
                return orjson.dumps(partial_metadata(obj, self._meta_version))

    def _row(self, record: Record) -> bytes:
        return orjson.dumps(self._table([self._shown(record)], {"resourceVersion": str(record.revision)}))

    def _change(self, record: Record) -> bytes:
        body = self._row(record)
        self._headers = False
        return body

    def _shown(self, record: Record) -> Object:
        return versioned_object(record, self._resource, self._version)

    def _partial(self, record: Record) -> bytes:
        def build(record: Record) -> bytes:
            return compact(partial_metadata(self._shown(record), self._meta_version))

        return record.form(f"metadata {self._version} {self._meta_version}", build)

    def _table(self, shown: Sequence[Object], metadata: Object) -> Object:
        maker = _table_maker(self._resource.version(self._version).columns)
        return maker.table(
            shown, include=self._include, metadata=metadata, headers=self._headers, version=self._meta_version
        )


@cache
def _table_maker(columns: tuple[Column, ...]) -> TableMaker:
    return TableMaker(columns)
