"""Database URLs are PostgreSQL's own, and one that cannot be used says why."""

import pytest

from apiserver.storage.contract import Key, UnavailableError
from apiserver.storage.migrate import migrate
from apiserver.storage.sql import SqlLog


async def test_what_libpq_knows_is_understood(postgresql_url: str) -> None:
    url = f"{postgresql_url}&sslmode=prefer&application_name=virtplane"
    await migrate(url)
    async with SqlLog(url) as log:
        await log.create(Key("things", "", "a"), b"1")
        assert (await log.get(Key("things", "", "a"))).body == b"1"


@pytest.mark.parametrize(
    ("who_and_where", "options", "words"),
    [
        ("postgres@/nothing", "", 'database "nothing" does not exist'),
        ("postgres@/postgres", "&sslmode=maybe", "`sslmode` parameter must be one of"),
        ("nobody@/postgres", "", 'role "nobody" does not exist'),
    ],
)
async def test_one_that_cannot_be_used_says_why(postgresql: str, who_and_where: str, options: str, words: str) -> None:
    with pytest.raises(UnavailableError, match=words):
        await migrate(postgresql.replace("postgres@/postgres", who_and_where) + options)
