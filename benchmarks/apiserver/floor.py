"""What this machine gives, today: answers that are always the same, by uvloop and TLS alone.

Nothing that is written in Python can be faster there, and a machine that is shared with others gives more on one day
than on another: figures of different days compare by what they are of this one.
"""

import asyncio
import contextlib
import datetime as dt
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from target import Target

BODY = b"x" * 3000
"""As long as a stored machine is with its managed fields."""
TOKEN = "x" * 680
"""As long as one of a ServiceAccount."""
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)


class _Fixed(asyncio.Protocol):
    """Gives every piece of data one answer: wrk sends one request at a time."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, _data: bytes) -> None:
        self._transport.write(_ANSWER)


@contextlib.contextmanager
def fixed_server() -> Iterator[Target]:
    """Run the server in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="virtplane-benchmark-") as directory:
        pair = _pair(Path(directory))
        command = [sys.executable, __file__, str(pair)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            try:
                if process.stdout is None or not (port := process.stdout.readline().strip()):
                    raise SystemExit("the server of fixed answers did not start; what it said is above")
                yield Target(name="fixed answers", url=f"https://127.0.0.1:{port.decode()}", token=TOKEN)
            finally:
                process.terminate()


def _pair(directory: Path) -> Path:
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "fixed answers")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + dt.timedelta(days=1))
    pem, text = serialization.Encoding.PEM, serialization.NoEncryption()
    path = directory / "pair.pem"
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(pem)
    path.write_bytes(certificate + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, text))
    return path


async def _serve(pair: str) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(pair)
    server = await asyncio.get_running_loop().create_server(_Fixed, "127.0.0.1", 0, ssl=tls)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1]))
