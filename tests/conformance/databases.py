"""Databases for tests that are not about storage."""

from pathlib import Path

import pytest

from tests.server import prepare


@pytest.fixture
def sqlite_only(tmp_path: Path) -> str:
    """Where an empty SQLite database is; a module takes it for its ``database_url``, one database being enough."""
    prepare(tmp_path)
    return f"sqlite:///{tmp_path}/log.db"
