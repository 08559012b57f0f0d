"""A PostgreSQL of the tests' own, on a Unix socket, that dies with the process that started it."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 30


class Cluster:
    """A server that can fail in every way."""

    def __init__(self, directory: Path, *options: str, port: int = 5432) -> None:
        """``options`` are PostgreSQL's, each ``NAME=VALUE``."""
        self._directory = directory
        self._options = options
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL of the maintenance database."""
        return f"postgresql://postgres@/postgres?host={self._directory}"

    def initialize(self) -> None:
        """Make an empty cluster."""
        initdb = [_binary("initdb"), "--auth=trust", "--username=postgres", "--no-sync", "-D", self._data]
        subprocess.run([*_unprivileged(), *initdb], check=True, stdout=subprocess.DEVNULL)

    def initialize_from(self, primary: "Cluster") -> None:
        """Make a copy of a cluster that runs, which follows it as ``standby`` once it is started."""
        where = f"host={primary._directory} port={primary._port} user=postgres application_name=standby"
        copy = [_binary("pg_basebackup"), "-R", "--checkpoint=fast", "--no-sync", "-D", self._data, "-d", where]
        subprocess.run([*_unprivileged(), *copy], check=True)

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = ["listen_addresses=", f"unix_socket_directories={self._directory}", "max_connections=100"]
        options.append("fsync=off")  # nothing has to outlive the machine
        options += [f"port={self._port}", *self._options]
        server = [_binary("postgres"), "-D", self._data, *(part for option in options for part in ("-c", option))]
        with (self._directory / "log").open("ab") as log:
            # A pytest that is killed cannot stop it: the kernel does. Only the thread that starts it is its parent.
            command = [*_unprivileged("--pdeathsig=QUIT"), *server]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        _wait_until_ready(self._process, self._directory, self._port)

    def kill(self) -> None:
        """End it at once, without a word to its clients."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()

    def run(self, statement: str, database: str = "postgres") -> str:
        """Run a statement, and return what it tells."""
        where = ["-h", str(self._directory), "-p", str(self._port), "-U", "postgres", "-d", database]
        told = subprocess.run(["psql", "-qAt", *where, "-c", statement], check=True, stdout=subprocess.PIPE, text=True)
        return told.stdout.strip()

    @property
    def _data(self) -> str:
        return str(self._directory / "data")


@contextmanager
def running_cluster() -> Generator[Cluster]:
    """Run a server that only one test, or one file of them, uses."""
    directory = Path(tempfile.mkdtemp(prefix="virtplane-pg-"))
    if os.geteuid() == 0:
        shutil.chown(directory, "postgres", "postgres")
    cluster = Cluster(directory)
    try:
        cluster.initialize()
        cluster.start()
        yield cluster
    finally:
        cluster.kill()
        shutil.rmtree(directory)


@contextmanager
def running() -> Generator[str]:
    """Run a server; yields the URL of its maintenance database."""
    with running_cluster() as cluster:
        yield cluster.url


@contextmanager
def frozen(url: str) -> Generator[None]:
    """Stop the server of a URL and all its children, as a machine that no longer answers."""
    directory = Path(url.split("host=")[1])
    server = int((directory / "data" / "postmaster.pid").read_text().splitlines()[0])
    children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    every = [server, *map(int, children)]
    for each in every:
        os.kill(each, signal.SIGSTOP)
    try:
        yield
    finally:
        for each in every:
            os.kill(each, signal.SIGCONT)


def _binary(name: str) -> str:
    found = shutil.which(name) or next(
        (str(p) for p in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))), None
    )
    assert found, f"{name} is missing: install Debian's postgresql"
    return found


def _unprivileged(*options: str) -> list[str]:
    """Return a prefix that runs a command as ``postgres`` when we are root, which PostgreSQL refuses to run as."""
    identity = ["--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    return ["setpriv", *identity, *options] if identity or options else []


def _wait_until_ready(process: "subprocess.Popen[bytes]", directory: Path, port: int) -> None:
    probe = [_binary("pg_isready"), "--quiet", "--host", str(directory), "--port", str(port)]
    end = time.monotonic() + START_SECONDS
    while subprocess.run(probe, check=False).returncode:
        assert process.poll() is None, (directory / "log").read_text()
        assert time.monotonic() < end, (directory / "log").read_text()
