"""``virtplane up`` as it is called: starts the installation in the background and waits until it is ready."""

import os
import shlex
import subprocess
import sys
import time

from virtplane.home import Home, server_url
from virtplane.settings import Settings
from virtplane.state import State, running
from virtplane.supervision.logfiles import open_log
from virtplane.supervision.processes import virtplane

POLL_SECONDS = 0.05


def up(settings: Settings) -> int:
    """Start everything unless it runs; return 0 once all is ready, 1 when it cannot be. Raises OSError."""
    home = Home.of(settings)
    home.make()
    if (state := _ready(home)) is not None:
        print(f"Virtplane runs already in {home.directory}, at {state.server}, since {state.since}")
        if state.server != server_url(settings):
            print("To run it with other settings, call `virtplane down` first.")
        print(next_steps(home))
        return 0
    began = time.monotonic()
    with open_log(home.log_of("up")) as log:
        process = _start(settings, log.fileno())
    try:
        _pass_on(process)
        if _ready(home) is None:
            return process.wait() or 1
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    print(f"ready after {time.monotonic() - began:.1f} seconds")
    print(next_steps(home))
    return 0


def next_steps(home: Home) -> str:
    """Return what to type now."""
    return f"""
export KUBECONFIG={shlex.quote(str(home.kubeconfig))}
kubectl apply -f examples/vm-busybox.yaml
kubectl get vm,vmi"""


def _start(settings: Settings, log: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(  # noqa: S603 - this very program
        virtplane("up", "--detached"),
        env={**os.environ, **settings.environment()},
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        start_new_session=True,
    )


def _pass_on(process: "subprocess.Popen[str]") -> None:
    """Print what the process says until it has no more to say, because it is ready or because it ends."""
    if process.stdout is None:
        return
    for line in process.stdout:
        sys.stdout.write(line)
        sys.stdout.flush()


def _ready(home: Home) -> State | None:
    """Return the state once what runs is ready; None when nothing runs (any more)."""
    while (state := running(home)) is not None and not state.ready:
        time.sleep(POLL_SECONDS)
    return state
