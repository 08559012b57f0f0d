"""Server and controllers as `virtplane up` runs them: real processes, real certificates, real kubectl."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from tests.apiserver.storage import postgresql
from virtplane.home import Home
from virtplane.settings import Settings
from virtplane.state import State, is_locked
from virtplane.supervision.logfiles import open_log
from virtplane.supervision.processes import Identity

T = TypeVar("T")

RUN = """
import os, sys
from virtplane.installation import run
from virtplane.settings import Settings
sys.exit(run(Settings.load({}, os.environ), detached=True, roles=sys.argv[1:]))
"""


def eventually(look: Callable[[], T], what: str, seconds: float = 30) -> T:
    """Look until something true is seen, and return it."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        select.select((), (), (), 0.02)
    return seen


@dataclass
class Installation:
    """A directory and a port of its own, and what runs there."""

    directory: Path
    port: int
    started: list["subprocess.Popen[str]"] = field(default_factory=list)

    @property
    def home(self) -> Home:
        return Home(self.directory)

    @property
    def environment(self) -> dict[str, str]:
        own = {"VIRTPLANE_HOME": str(self.directory), "VIRTPLANE_PORT": str(self.port), "VIRTPLANE_NODE_NAME": "one"}
        return {**os.environ, **own, "KUBECONFIG": str(self.home.kubeconfig), "HOME": str(self.directory)}

    def start(self, *roles: str) -> str:
        """Start, and return what was said until all was ready or failed."""
        self.home.make()
        command = [sys.executable, "-c", RUN, *(roles or ("server", "controllers"))]
        with open_log(self.home.log_of("up")) as log:
            process = subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, stderr=log, text=True)
        self.started.append(process)
        assert process.stdout is not None
        with process.stdout as said:
            return said.read()

    def virtplane(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "virtplane", *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, check=False)

    def kubectl(self, *arguments: str) -> str:
        command = ["kubectl", *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def state(self) -> State:
        state = State.read(self.home)
        assert state is not None
        return state

    def process(self, name: str) -> Identity | None:
        return next(each.identity for each in self.state().processes if each.name == name)

    def log(self, name: str) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.home.log_of(name).read_text().splitlines()]

    def close(self) -> None:
        for process in self.started:
            process.terminate()
            process.wait(60)


def make(directory: Path) -> Installation:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return Installation(directory, free.getsockname()[1])


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """One that does not run yet."""
    made = make(tmp_path / "home")
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One that runs, and must go on running."""
    made = make(tmp_path_factory.mktemp("virtplane") / "home")
    assert made.start().splitlines()[-2:] == ["server: ready", "controllers: ready"]
    yield made
    made.close()


def test_all_is_ready_when_it_has_no_more_to_say(shared: Installation) -> None:
    assert shared.kubectl("get", "--raw", "/readyz") == "ok"
    assert [each.name for each in shared.state().processes] == ["server", "controllers"]


@pytest.mark.parametrize("name", ["server", "controllers"])
def test_a_killed_process_comes_back_and_all_it_acknowledged_is_there(shared: Installation, name: str) -> None:
    installation = shared
    installation.kubectl("create", "namespace", "kept")
    killed = installation.process(name)
    assert killed is not None
    os.kill(killed.pid, signal.SIGKILL)
    eventually(lambda: installation.process(name) not in {None, killed}, f"a new {name}")
    eventually(lambda: f"{installation.port} ready" in installation.virtplane("status").stdout, "the server is ready")
    assert "namespace/kept" in installation.kubectl("get", "namespaces", "-o", "name")
    assert "process restarted" in [line["event"] for line in installation.log("up")]
    installation.kubectl("delete", "namespace", "kept", "--timeout=30s")


def test_status_shows_what_runs_and_down_stops_it(installation: Installation) -> None:
    assert installation.virtplane("status").returncode == 3
    installation.start()
    status = installation.virtplane("status")
    assert status.returncode == 1, "there is no agent, so not all is well"
    assert f"https://127.0.0.1:{installation.port} ready" in status.stdout
    for each in installation.state().processes:
        assert each.identity is not None
        assert f"{each.name:12} {each.identity.pid:>8}" in status.stdout
    processes = [each.identity for each in installation.state().processes]
    down = installation.virtplane("down")
    assert (down.returncode, down.stdout) == (
        0,
        f"Virtplane in {installation.directory} is stopped. No guest was running.\n",
    )
    assert not any(each.is_alive for each in processes if each)
    assert installation.virtplane("status").returncode == 3
    again = installation.virtplane("down")
    assert (again.returncode, again.stdout) == (0, f"Virtplane does not run in {installation.directory}\n")


def test_a_namespace_that_is_deleted_goes_and_nobody_is_forbidden_anything(installation: Installation) -> None:
    installation.start()
    installation.kubectl("create", "namespace", "short-lived")
    installation.kubectl("create", "configmap", "inside", "--namespace", "short-lived", "--from-literal=a=b")
    installation.kubectl("delete", "namespace", "short-lived", "--timeout=30s")
    assert "short-lived" not in installation.kubectl("get", "namespaces", "-o", "name")
    assert installation.virtplane("down").returncode == 0
    told = [line for name in ("server", "controllers", "up") for line in installation.log(name)]
    assert [line for line in told if line["level"] in {"warning", "error"}] == []


def test_all_works_the_same_on_postgresql(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    with postgresql.running() as url:
        monkeypatch.setenv("VIRTPLANE_DATABASE_URL", f"{url}&sslmode=disable")
        assert installation.start().splitlines()[-1] == "controllers: ready"
        installation.kubectl("create", "namespace", "kept")
        assert installation.virtplane("down").returncode == 0
        installation.start()
        assert "namespace/kept" in installation.kubectl("get", "namespaces", "-o", "name")
        assert not (installation.directory / "virtplane.db").exists()
        assert installation.virtplane("down").returncode == 0


def test_what_a_killed_supervisor_ran_is_gone_before_it_runs_again(installation: Installation) -> None:
    installation.start()
    before = [each.identity for each in installation.state().processes]
    [supervisor] = installation.started
    supervisor.kill()
    supervisor.wait()
    assert installation.start().splitlines()[-1] == "controllers: ready"
    assert not any(each.is_alive for each in before if each)
    assert installation.kubectl("get", "--raw", "/readyz") == "ok"


def test_all_goes_on_while_what_runs_cannot_be_noted(installation: Installation) -> None:
    installation.start()
    killed = installation.process("controllers")
    assert killed is not None
    # A directory in its place: no note can be written, as when the disk is full.
    installation.home.state.unlink()
    installation.home.state.mkdir()
    os.kill(killed.pid, signal.SIGKILL)
    eventually(lambda: [each for each in installation.log("up") if "note" in str(each["event"])], "a failed note")
    assert installation.kubectl("get", "--raw", "/readyz") == "ok"
    installation.home.state.rmdir()
    eventually(installation.home.state.exists, "a note")
    eventually(lambda: installation.process("controllers") not in {None, killed}, "new controllers")


def test_what_is_being_stopped_does_not_count_as_ready(installation: Installation) -> None:
    installation.start()
    slow = installation.process("controllers")
    assert slow is not None
    os.kill(slow.pid, signal.SIGSTOP)
    installation.started[0].terminate()
    try:
        eventually(lambda: not installation.state().ready, "it is noted that all stops")
        assert is_locked(installation.home)
    finally:
        os.kill(slow.pid, signal.SIGCONT)


def test_only_one_runs_in_a_directory(shared: Installation) -> None:
    first = shared.state().supervisor
    assert shared.start() == f"Virtplane runs already in {shared.directory}\n"
    assert shared.started.pop().wait(10) == 0
    assert shared.state().supervisor == first


def test_up_says_at_once_that_it_runs_already(shared: Installation) -> None:
    began = time.monotonic()
    again = shared.virtplane("up")
    assert time.monotonic() - began < 2, "a second is the aim, on an idle machine"
    assert again.returncode == 0
    assert f"runs already in {shared.directory}" in again.stdout
    assert f"export KUBECONFIG={shared.home.kubeconfig}\n" in again.stdout


def test_a_taken_port_is_told_plainly_and_leaves_nothing_running(installation: Installation) -> None:
    with socket.create_server(("127.0.0.1", installation.port)):
        up = installation.virtplane("up")
    assert f"port {installation.port} of 127.0.0.1 is taken by another program" in up.stdout
    assert "--port" in up.stdout
    assert up.returncode == 1
    assert not is_locked(installation.home)
    assert not installation.home.state.exists()


def test_a_process_that_cannot_start_shows_its_last_words_and_leaves_nothing_running(
    installation: Installation,
) -> None:
    said = installation.start("server", "nonsense")
    assert installation.started[0].wait(10) == 1
    assert "nonsense ended: exit code 2. The last lines of" in said
    assert "invalid choice: 'nonsense'" in said
    assert not is_locked(installation.home)
    assert "process stopped" in [line["event"] for line in installation.log("up")]


@pytest.mark.parametrize("role", ["server", "controllers"])
def test_no_second_process_of_a_role_runs_beside_the_first(shared: Installation, role: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    second = shared.virtplane(role, "--port", str(port))
    assert second.returncode == 1
    assert f"another `virtplane {role}` runs in {shared.directory}" in second.stderr


def test_two_run_side_by_side(shared: Installation, installation: Installation) -> None:
    installation.start()
    assert installation.virtplane("down").returncode == 0
    assert shared.kubectl("get", "--raw", "/readyz") == "ok"


def test_nobody_else_may_look_into_a_new_home(tmp_path: Path) -> None:
    home = Home.of(Settings.load({"home": str(tmp_path / "new")}, {}))
    home.make()
    assert {each.stat().st_mode & 0o777 for each in (home.directory, home.logs, home.agent)} == {0o700}
