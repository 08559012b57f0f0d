"""PostgreSQL over TLS: one server, or a primary and a standby that can take over."""

import os
import shutil
import socket
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from certs.authority import issue_server, make_authority
from certs.pair import Pair
from tests.apiserver.storage.postgresql import Cluster


@dataclass
class Databases:
    """Where the databases are, and how to make them fail."""

    directory: Path
    authority: Pair
    ports: list[int]
    clusters: list[Cluster]

    @property
    def url(self) -> str:
        """The URL of all of them; their certificates are verified."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        return f"postgresql://postgres@{hosts}/postgres?sslmode=verify-full&sslrootcert={self.directory}/ca.crt"

    def add(self, stack: ExitStack) -> Cluster:
        """Make another one, which does not run yet."""
        port = free_port()
        directory = self.directory / str(port)
        directory.mkdir()
        issue_server(self.authority, "database", ["127.0.0.1"]).save(directory, "server")
        files = (f"ssl_{each}_file={directory}/server.pem" for each in ("cert", "key"))
        cluster = Cluster(directory, "listen_addresses=127.0.0.1", "ssl=on", *files, port=port)
        stack.callback(cluster.kill)
        if os.geteuid() == 0:
            for each in (directory, directory / "server.pem"):
                shutil.chown(each, "postgres", "postgres")
        self.ports.append(port)
        self.clusters.append(cluster)
        return cluster

    def promote(self) -> None:
        """Lose the primary, as by a power cut, and have the standby take over."""
        primary, standby = self.clusters
        primary.kill()
        standby.run("SELECT pg_promote()")


@contextmanager
def running_databases(*, standby: bool = False) -> Generator[Databases]:
    """Run one, or two of which the second follows the first."""
    directory = Path(tempfile.mkdtemp(prefix="virtplane-pg-"))
    directory.chmod(0o755)
    made = Databases(directory, make_authority("databases"), [], [])
    (directory / "ca.crt").write_bytes(made.authority.certificate_pem)
    try:
        with ExitStack() as stack:
            primary = made.add(stack)
            primary.initialize()
            primary.start()
            if standby:
                follower = made.add(stack)
                follower.initialize_from(primary)
                follower.start()
            yield made
    finally:
        shutil.rmtree(directory)


def free_port() -> int:
    """Return a port that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]
