"""What is noted about what runs, and what is believed of it."""

import os
from pathlib import Path

import orjson
import pytest

from virtplane.home import Home
from virtplane.state import AlreadyRunningError, ProcessState, State, is_locked, locked, running
from virtplane.supervision.processes import Identity


def ourselves() -> Identity:
    found = Identity.of(os.getpid())
    assert found is not None
    return found


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path)
    made.make()
    return made


@pytest.fixture
def state() -> State:
    processes = (
        ProcessState(name="server", identity=ourselves(), since="then", restarts=2),
        ProcessState(name="agent", identity=None),
    )
    return State(supervisor=ourselves(), since="then", ready=True, server="https://a", node="a", processes=processes)


def test_what_is_noted_is_what_is_read(home: Home, state: State) -> None:
    state.write(home)
    assert State.read(home) == state
    with locked(home):
        assert running(home) == state


def test_what_a_newer_version_noted_is_read_as_far_as_it_is_known(home: Home, state: State) -> None:
    state.write(home)
    noted = orjson.loads(home.state.read_bytes())
    noted["colour"] = "green"
    noted["processes"][0]["colour"] = "green"
    home.state.write_bytes(orjson.dumps(noted))
    assert State.read(home) == state


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"supervisor": 1, "processes": []}'])
def test_what_makes_no_sense_is_not_believed(home: Home, content: str) -> None:
    home.state.write_text(content)
    assert State.read(home) is None


def test_nothing_runs_without_the_lock_whatever_is_noted(home: Home, state: State) -> None:
    state.write(home)
    assert running(home) is None


def test_the_lock_is_for_one(home: Home) -> None:
    assert not is_locked(home)
    with locked(home), pytest.raises(AlreadyRunningError), locked(home):
        pass
    assert not is_locked(home)


def test_a_process_with_the_id_of_one_that_is_gone_is_left_alone(home: Home) -> None:
    earlier = Identity(os.getpid(), ourselves().began - 1, ourselves().boot)
    assert not earlier.is_alive
    earlier.end(0)
    assert ourselves().is_alive
