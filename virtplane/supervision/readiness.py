"""How a child process tells its supervisor that it is ready: a byte through a pipe that it inherits."""

import asyncio
import os
from collections.abc import MutableMapping

VARIABLE = "VIRTPLANE_READY_FD"


def announce(environment: MutableMapping[str, str]) -> None:
    """Tell whoever started this process that it is ready; nobody may have asked.

    Raises BrokenPipeError when the supervisor that asked is gone.
    """
    if (number := environment.pop(VARIABLE, None)) is not None:
        descriptor = int(number)
        try:
            os.write(descriptor, b"\n")
        finally:
            os.close(descriptor)


async def announced(descriptor: int) -> bool:
    """Wait at the other end; return True when the child is ready, False when it has ended before."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(descriptor, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(descriptor)
    return bool(os.read(descriptor, 1))
