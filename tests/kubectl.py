"""The real kubectl, with a kubeconfig."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

SECONDS = 30
RECENT = str(Path(sys.executable).with_name("kubectl"))
"""The one from PyPI, for what the installed one may be too old for."""
Kubectl = Callable[..., Awaitable[str]]
"""Runs kubectl with these arguments, and what it is ``given`` to read; returns all that it says. Must it fail?"""


def kubectl_of(kubeconfig: Path, program: str = "kubectl") -> Kubectl:
    """Return what runs ``program`` as whom ``kubeconfig`` says."""
    own = {"KUBECONFIG": str(kubeconfig), "HOME": str(kubeconfig.parent)}

    async def call(*arguments: str, given: str = "", fails: bool = False, **more: str) -> str:
        process = await asyncio.create_subprocess_exec(
            program,
            *arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **own, **more},
        )
        output, _ = await asyncio.wait_for(process.communicate(given.encode()), SECONDS)
        assert bool(process.returncode) is fails, output.decode()
        return output.decode()

    return call
