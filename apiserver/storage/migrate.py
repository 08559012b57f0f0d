"""Bringing a database to the schema of this version, with alembic."""

from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import SQLAlchemyError

import migrations
from apiserver.storage.contract import UnavailableError
from apiserver.storage.engine import make_engine, why


async def migrate(url: str) -> None:
    """Create or upgrade the tables of the database at ``url``; does nothing when they are current.

    Raises UnavailableError when the database does not answer, refuses, or is of a newer version.
    """
    engine = make_engine(url)
    try:
        async with engine.begin() as connection:
            if not await connection.run_sync(_is_current):
                await connection.run_sync(_upgrade)
    except (SQLAlchemyError, OSError) as error:
        raise UnavailableError(why(error)) from error
    finally:
        await engine.dispose()


def _is_current(connection: Connection) -> bool:
    return (
        inspect(connection).has_table("alembic_version")
        and connection.scalar(text("SELECT version_num FROM alembic_version")) == migrations.NEWEST
    )


def _upgrade(connection: Connection) -> None:
    # Rarely needed, and a tenth of all that a server loads at its start.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as unknown:  # alembic's own words are "Can't locate revision"
        raise UnavailableError("its tables were made by a newer version of Virtplane") from unknown
