"""A PostgreSQL of the tests' own, on a Unix socket, that dies with the process that started it."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 30


@contextmanager
def running() -> Iterator[str]:
    """Run a server; yields the URL of its maintenance database."""
    directory = Path(tempfile.mkdtemp(prefix="virtplane-pg-"))
    if os.geteuid() == 0:
        shutil.chown(directory, "postgres", "postgres")
    data = str(directory / "data")
    initdb = [_binary("initdb"), "--auth=trust", "--username=postgres", "--no-sync", "-D", data]
    subprocess.run([*_unprivileged(), *initdb], check=True, stdout=subprocess.DEVNULL)
    options = ["listen_addresses=", f"unix_socket_directories={directory}", "max_connections=100"]
    server = [_binary("postgres"), "-D", data, *(part for option in options for part in ("-c", option))]
    with (directory / "log").open("wb") as log:
        # A pytest that is killed cannot stop it: the kernel does. Only the thread that starts it counts as the parent.
        process = subprocess.Popen([*_unprivileged("--pdeathsig=QUIT"), *server], stdout=log, stderr=log)
    try:
        _wait_until_ready(process, directory)
        yield f"postgresql://postgres@/postgres?host={directory}"
    finally:
        process.send_signal(signal.SIGQUIT)
        process.wait()
        shutil.rmtree(directory)


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


def _wait_until_ready(process: "subprocess.Popen[bytes]", directory: Path) -> None:
    probe = [_binary("pg_isready"), "--quiet", "--host", str(directory)]
    end = time.monotonic() + START_SECONDS
    while subprocess.run(probe, check=False).returncode:
        assert process.poll() is None, (directory / "log").read_text()
        assert time.monotonic() < end, (directory / "log").read_text()
