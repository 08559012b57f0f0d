"""What a log line looks like, whoever wrote it."""

import io
import json
import logging
import os
import pty
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from aiohttp.log import ws_logger

from virtplane import logs

SECRET = "hunter2"


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Leave logging as it was."""
    root = logging.getLogger()
    handlers, level, configured = root.handlers, root.level, structlog.get_config()
    yield
    root.handlers = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.configure(**configured)


def fail_with(secret: str) -> None:
    word = secret  # a local variable that no log may show
    raise ValueError(f"no use for {len(word)} letters")


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_fact_is_one_json_line_that_names_its_process() -> None:
    stream = io.StringIO()
    logs.configure("server", stream=stream)
    structlog.get_logger("x").info("serving", port=1, path=Path("/a"))
    [line] = lines(stream)
    assert line["event"] == "serving"
    assert (line["process"], line["level"], line["port"]) == ("server", "info", 1)
    assert str(line["time"]).endswith("Z")


def test_nothing_fails_because_its_log_is_full() -> None:
    with Path("/dev/full").open("w", buffering=1) as full:
        logs.configure("server", stream=full)
        structlog.get_logger("x").warning("a batch of writes failed")
        logging.getLogger("aiohttp").warning("from a library")
        # What is still in the stream's own buffer must not fail when it is closed either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())


def test_a_failure_is_one_line_too_and_shows_no_local_variable() -> None:
    stream = io.StringIO()
    logs.configure("server", stream=stream)
    try:
        fail_with(SECRET)
    except ValueError:
        structlog.get_logger().exception("it failed")
        logging.getLogger("aiohttp.server").exception("so did this")
    ours, theirs = lines(stream)
    assert "no use for 7 letters" in str(ours["exception"])
    assert "no use for 7 letters" in str(theirs["exception"])
    assert (theirs["process"], theirs["logger"], theirs["level"]) == ("server", "aiohttp.server", "error")
    assert SECRET not in stream.getvalue()


def test_libraries_are_heard_from_warnings_on() -> None:
    stream = io.StringIO()
    logs.configure("agent", stream=stream)
    logging.getLogger("asyncio").info("chatter")
    logging.getLogger("asyncio").warning("slow")
    structlog.get_logger().debug("detail")
    assert [line["event"] for line in lines(stream)] == ["slow"]


def test_a_terminal_gets_text_with_a_plain_traceback() -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        logs.configure("up", stream=terminal)
        try:
            fail_with(SECRET)
        except ValueError:
            structlog.get_logger().exception("it failed")
        terminal.flush()
        shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert "it failed" in shown
    assert "Traceback (most recent call last)" in shown
    assert SECRET not in shown


def test_the_format_can_be_chosen() -> None:
    stream = io.StringIO()
    logs.configure("up", style="text", stream=stream)
    structlog.get_logger().info("here", a=1)
    assert "here" in stream.getvalue()
    assert "a=1" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_what_clients_offer_as_sub_protocols_is_not_told_since_it_may_be_a_token() -> None:
    stream = io.StringIO()
    logs.configure("server", stream=stream)
    ws_logger.warning("Client protocols %r don't overlap server-known ones", [SECRET])
    assert stream.getvalue() == ""
