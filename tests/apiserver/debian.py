"""Debian's own kubectl, which may be years older than the one that is installed here."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

PACKAGE = "kubernetes-client"


def kubectl() -> str:
    """The program in Debian's package, fetched when it is not in the cache; the installed one where there is no apt."""
    if shutil.which("apt-get") is None:
        return "kubectl"
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "virtplane" / "tools"
    # APT::Sandbox::User: apt would drop to a user who may not write here.
    download = ("apt-get", "-q", "-o", "APT::Sandbox::User=", "download", PACKAGE)
    uri = _output(*download, "--print-uris")
    unpacked = cache / uri.split()[1].removesuffix(".deb")
    if not unpacked.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            _output(*download, cwd=scratch)
            (package,) = Path(scratch).glob("*.deb")
            _output("dpkg", "-x", str(package), f"{scratch}/files")
            Path(scratch, "files").replace(unpacked)
    return str(unpacked / "usr/bin/kubectl")


def _output(*command: str, cwd: str | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr} (apt-get update may help)"
    return done.stdout
