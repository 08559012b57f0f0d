"""The tables: what is now, what happened, and how far we are."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, String, Table

metadata = MetaData()

objects = Table(
    "objects",
    metadata,
    Column("resource", String(253), primary_key=True),
    Column("namespace", String(63), primary_key=True),
    Column("name", String(253), primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
"""The current state of every object."""

history = Table(
    "history",
    metadata,
    Column("revision", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("resource", String(253), nullable=False),
    Column("namespace", String(63), nullable=False),
    Column("name", String(253), nullable=False),
    Column("kind", String(8), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("previous_revision", BigInteger),
    Column("previous_body", LargeBinary),
    Index("history_by_resource", "resource", "revision"),
)
"""Every write still replayable, one row a revision."""

meta = Table(
    "meta",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
    Column("compacted", BigInteger, nullable=False),
)
"""One row: the newest revision, whose lock is the total order of writes, and the newest compacted one."""
