"""Database URLs: SQLAlchemy's for SQLite, libpq's for PostgreSQL, which may name several hosts."""

import re
from collections.abc import Iterable

from sqlalchemy import URL, make_url

_SEVERAL_HOSTS = re.compile(r"(?P<before>postgres(?:ql)?://(?:[^@/?]*@)?)(?P<hosts>[^/?]*,[^/?]*)(?P<after>.*)")
_PORT = re.compile(r"\d*")


def parse(url: str) -> URL:
    """Return a database URL; several hosts become values of ``host`` in its query, as SQLAlchemy knows them.

    Raises ArgumentError and ValueError for what is none.
    """
    if (several := _SEVERAL_HOSTS.fullmatch(url)) is None:
        return make_url(url)
    hosts = several["hosts"].split(",")
    if not all(_PORT.fullmatch(_port(each)) for each in hosts):
        raise ValueError("a port is a number")
    return make_url(several["before"] + several["after"]).update_query_dict({"host": hosts})


def each_host(url: URL) -> list[URL]:
    """Return a URL for each host of one of PostgreSQL, in any of the forms that libpq and SQLAlchemy take."""
    hosts = _listed(url.query.get("host", ()))
    if len(hosts) < 2:
        return [url]
    ports = _listed(url.query.get("port", ())) or [""]
    if len(ports) not in (1, len(hosts)):
        raise ValueError(f"{len(ports)} ports do not fit {len(hosts)} hosts")
    bare = url.difference_update_query(("host", "port")).set(host=None, port=None)
    ports = ports * len(hosts) if len(ports) == 1 else ports
    return [_at(bare, host, port) for host, port in zip(hosts, ports, strict=True)]


def _at(bare: URL, host: str, port: str) -> URL:
    return bare.update_query_dict({"host": host} if not port or _port(host) else {"host": host, "port": port})


def _port(host: str) -> str:
    """Return the port in ``HOST:PORT`` or ``[ADDRESS]:PORT``; empty where there is none."""
    return "" if host.startswith("/") else host.rpartition("]")[2].partition(":")[2]


def _listed(value: str | Iterable[str]) -> list[str]:
    return [each for part in ([value] if isinstance(value, str) else value) for each in part.split(",") if each]
