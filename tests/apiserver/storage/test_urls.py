"""Database URLs are PostgreSQL's own, and one that cannot be used says why."""

import pytest

from apiserver.storage.contract import Key, UnavailableError
from apiserver.storage.migrate import migrate
from apiserver.storage.sql import SqlLog
from apiserver.storage.urls import each_host, parse


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


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql://me:p%40ss@one:1,two:2/db", ["one:1", "two:2"]),
        ("postgresql://me:p%40ss@one,two:2/db?application_name=x", ["one", "two:2"]),
        ("postgresql://me:p%40ss@/db?host=one,two&port=1,2", [("one", "1"), ("two", "2")]),
        ("postgresql://me:p%40ss@/db?host=one&host=two&port=1", [("one", "1"), ("two", "1")]),
        ("postgresql://me:p%40ss@[::1]:1,[::2]/db", ["[::1]:1", "[::2]"]),
        ("postgresql://me:p%40ss@/db?host=/run/one,/run/two", ["/run/one", "/run/two"]),
    ],
)
def test_several_hosts_are_understood_as_libpq_and_sqlalchemy_write_them(url: str, hosts: list[object]) -> None:
    each = each_host(parse(url))
    where = [(u.query["host"], u.query["port"]) if "port" in u.query else u.query["host"] for u in each]
    assert where == hosts
    assert {(u.username, u.password, u.database, u.host, u.port) for u in each} == {("me", "p@ss", "db", None, None)}
    assert parse(parse(url).render_as_string(hide_password=False)) == parse(url)


def test_one_host_stays_as_it_is() -> None:
    assert each_host(parse("postgresql://me@one:1/db")) == [parse("postgresql://me@one:1/db")]
