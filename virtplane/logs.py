"""How a process logs: one line a fact, readable on a terminal and JSON elsewhere, Python's own logging included."""

import contextlib
import logging
import sys
from collections.abc import Sequence
from typing import TextIO, cast

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger


def configure(process: str, *, level: str = "info", style: str = "auto", stream: TextIO | None = None) -> None:
    """Log to ``stream`` (standard error if None), naming ``process`` in every line.

    Args:
        process: Which of the product's processes this is, such as ``server``.
        level: The least that is logged: debug, info, warning or error. Libraries are heard from warning on, unless
            it is debug.
        style: ``json``, ``text``, or ``auto``: text on a terminal, else JSON.
        stream: Where to.
    """
    out = cast("TextIO", _Forgiving(stream or sys.stderr))
    least = logging.getLevelNamesMapping()[level.upper()]
    as_text = style == "text" or (style == "auto" and out.isatty())
    renderers = _text(colors=out.isatty()) if as_text else _json()

    def name_process(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {"process": process, **event}

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        name_process,
    ]
    structlog.configure(
        processors=[*shared, *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.WriteLoggerFactory(out),
    )
    _route_libraries(out, least, shared, renderers)


class _Forgiving:
    """A stream that loses what cannot be written, as on a full disk: no work may fail because it cannot be logged."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()


def _text(*, colors: bool) -> list[Processor]:
    # Not structlog's richer tracebacks: those print local variables, and with them secrets.
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain, timestamp_key="time")]


def _json() -> list[Processor]:
    return [
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(serializer=lambda event, **_: orjson.dumps(event, default=repr).decode()),
    ]


def _route_libraries(out: TextIO, least: int, shared: Sequence[Processor], renderers: Sequence[Processor]) -> None:
    """Give what aiohttp, asyncio and others log, and warnings, the same form."""
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(least if least == logging.DEBUG else max(least, logging.WARNING))
    # It repeats the sub-protocols that a client offers, and those may hold a token.
    logging.getLogger("aiohttp.websocket").setLevel(logging.ERROR)
    logging.captureWarnings(capture=True)
