"""The tests' own PostgreSQL leaves nothing behind."""

import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path

HOLDER = """
from tests.apiserver.storage.postgresql import running

with running() as url:
    print(url, flush=True)
    input()
"""


def test_the_server_ends_with_the_process_that_started_it_even_by_kill_9() -> None:
    command = [sys.executable, "-c", HOLDER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        directory = Path(holder.stdout.readline().strip().split("host=")[1])
        server = os.pidfd_open(int((directory / "data" / "postmaster.pid").read_text().splitlines()[0]))
        holder.send_signal(signal.SIGKILL)
    try:
        assert select.select([server], [], [], 20)[0], "the server still runs"
    finally:
        os.close(server)
        shutil.rmtree(directory)
