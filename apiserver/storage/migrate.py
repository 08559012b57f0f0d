"""Bringing a database to the schema of this version, with alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection
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
            await connection.run_sync(_upgrade)
    except (SQLAlchemyError, OSError) as error:
        raise UnavailableError(why(error)) from error
    except CommandError as unknown:  # alembic's own words are "Can't locate revision"
        raise UnavailableError("its tables were made by a newer version of Virtplane") from unknown
    finally:
        await engine.dispose()


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
