"""The server under test: one of our own, started for it, or any other that is told by its URL."""

import base64
import contextlib
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import orjson
import yaml

NAMESPACE = "benchmark"
MACHINES = f"/apis/kubevirt.io/v1/namespaces/{NAMESPACE}/virtualmachines"
INSTALLATION, CONTROLLERS = "virtplane", "virtplane-controllers"
"""The ServiceAccount of the controllers, who alone may write the status of machines."""
START_SECONDS = 120
REQUEST_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a server is, and how to be somebody there who may do everything."""

    name: str
    url: str
    token: str
    authority: str = ""
    """The PEM of whom to trust; empty to verify nothing."""
    process: int | None = None
    """The process whose memory is the server's, where it is known."""
    start_seconds: float | None = None
    """How long it took to become ready, where that was seen."""

    @property
    def host(self) -> str:
        """The host of the URL."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The port of the URL."""
        return urlsplit(self.url).port or 443

    def context(self) -> ssl.SSLContext:
        """Return how to speak TLS with it."""
        if self.authority:
            return ssl.create_default_context(cadata=self.authority)
        return _unverified()

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Return what one request is answered with. Raises URLError."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        data = None if body is None else orjson.dumps(body)
        request = Request(self.url + path, data, headers, method=method)  # noqa: S310 - an https URL
        with urlopen(request, timeout=REQUEST_SECONDS, context=self.context()) as answer:  # noqa: S310 - https
            return orjson.loads(answer.read())

    def resident_bytes(self) -> int | None:
        """Return the memory of its process; None where that is not known."""
        return None if self.process is None else resident_bytes(self.process)


def resident_bytes(process: int) -> int:
    """Return the memory that is the process' alone, and its share of what it has in common with others."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


@contextlib.contextmanager
def own_server(database_url: str, home: Path) -> Iterator[Target]:
    """Run a server of this checkout in ``home``, which keeps what it stores on SQLite; an empty URL stands for that."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {
        "VIRTPLANE_HOME": str(home),
        "VIRTPLANE_PORT": str(port),
        "VIRTPLANE_DATABASE_URL": database_url,
        "VIRTPLANE_LOG_LEVEL": "warning",
    }
    command = [str(Path(sys.executable).with_name("virtplane")), "server"]
    began = time.monotonic()
    process = subprocess.Popen(command, env={**os.environ, **settings}, stdout=subprocess.DEVNULL)
    try:
        seconds = _until_ready(process, port, began)
        kubeconfig = yaml.safe_load((home / "kubeconfig").read_text())
        yield _target(kubeconfig, database_url, process.pid, seconds)
    finally:
        process.terminate()
        process.wait(START_SECONDS)


def _until_ready(process: "subprocess.Popen[bytes]", port: int, began: float) -> float:
    context = _unverified()
    while time.monotonic() - began < START_SECONDS and process.poll() is None:
        with contextlib.suppress(OSError), urlopen(f"https://127.0.0.1:{port}/readyz", timeout=5, context=context):
            return time.monotonic() - began
        time.sleep(0.005)
    raise SystemExit("the server does not become ready; what it said is above")


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _target(kubeconfig: Mapping[str, Any], database_url: str, process: int, seconds: float) -> Target:
    """Return the server as the controllers see it, with a token, and may do everything there."""
    cluster, user = kubeconfig["clusters"][0]["cluster"], kubeconfig["users"][0]["user"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    with tempfile.NamedTemporaryFile() as pair:
        for part in ("client-certificate-data", "client-key-data"):
            pair.write(base64.b64decode(user[part]))
        pair.flush()
        context = ssl.create_default_context(cadata=authority)
        context.load_cert_chain(pair.name)

    def create(path: str, body: dict[str, Any]) -> Any:
        request = Request(cluster["server"] + path, orjson.dumps(body), {"Content-Type": "application/json"})  # noqa: S310 - https
        with urlopen(request, timeout=REQUEST_SECONDS, context=context) as answer:  # noqa: S310 - https
            return orjson.loads(answer.read())

    accounts = f"/api/v1/namespaces/{INSTALLATION}/serviceaccounts"
    with contextlib.suppress(HTTPError):  # made by the run that stored the machines
        create(accounts, {"metadata": {"name": CONTROLLERS}})
        binding = {
            "metadata": {"name": CONTROLLERS},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "namespace": INSTALLATION, "name": CONTROLLERS}],
        }
        create("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
    asked = {"spec": {"expirationSeconds": 86400}}
    token = create(f"{accounts}/{CONTROLLERS}/token", asked)["status"]["token"]
    return Target(
        name="Virtplane on " + ("PostgreSQL" if database_url else "SQLite"),
        url=cluster["server"],
        token=token,
        authority=authority,
        process=process,
        start_seconds=seconds,
    )
