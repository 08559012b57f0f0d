"""What all tests can ask for."""

import pytest
import structlog
from hypothesis import settings

from tests.libvirt_host import private_libvirt

__all__ = ["private_libvirt"]


def pytest_addoption(parser: pytest.Parser) -> None:
    told = "how often all certificates are replaced under load; 20 take less than a minute"
    parser.addoption("--rotations", type=int, default=20, help=told)


# How long an example takes says more about the machine's other work than about the code.
settings.register_profile("virtplane", deadline=None)
settings.load_profile("virtplane")

# structlog's own default prints the local variables of a traceback, and with them secrets, where rich is installed.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)
