"""What a server serves and whom it admits is what its files say at each handshake, or it says that it cannot be."""

import itertools
import os
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from certs.authority import Life, issue_client, issue_server, make_authority
from certs.contexts import PATIENCE, ServingContext, UnfitError, why_unfit
from certs.pair import Pair
from kube.tls import TlsConfiguration

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
NOW = datetime.now(UTC)
DAY = timedelta(days=1)


@dataclass
class Connection:
    """Both ends of a connection in memory."""

    client: ssl.SSLObject
    server: ssl.SSLObject

    @property
    def shown(self) -> bytes | None:
        return self.client.getpeercert(binary_form=True)


class Host:
    """The files of a server, its context, and the clients that call it."""

    def __init__(self, directory: Path, **how: object) -> None:
        self.directory = directory
        self.configuration = TlsConfiguration()
        self.authority, self.clients = make_authority("servers"), make_authority("clients")
        self.serve()
        self.admit(self.clients)
        files = (directory / name for name in ("server.pem", "clients.crt"))
        self.context = ServingContext.of(*files, configuration=lambda: self.configuration, **how)  # type: ignore[arg-type]

    def serve(self, life: Life | None = None) -> Pair:
        pair = issue_server(self.authority, "server", ["localhost"], life)
        pair.save(self.directory, "server")
        return pair

    def admit(self, *authorities: Pair) -> None:
        (self.directory / "clients.crt").write_bytes(b"".join(each.certificate_pem for each in authorities))

    def client(self, pair: Pair | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self.authority.certificate_pem.decode())
        if pair is not None:
            pair.save(self.directory, "client")
            context.load_cert_chain(self.directory / "client.pem")
        return context

    def call(self, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> Connection:
        """Connect, and exchange a byte each way, as TLS 1.3 tells of refusals and sessions after the handshake."""
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        connection = Connection(
            context.wrap_bio(to_client, to_server, server_hostname="localhost", session=session),
            self.context.wrap_bio(to_server, to_client, server_side=True),
        )
        ends = (connection.client, connection.server)
        for step in [*(end.do_handshake for end in ends * 3), *(lambda end=end: end.write(b"x") for end in ends)]:
            _go_on(step)
        for end in ends:
            _go_on(lambda end=end: end.read(1))
        return connection


def _go_on(step: Callable[[], object]) -> None:
    try:
        step()
    except ssl.SSLWantReadError:
        return


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def der(pair: Pair) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pair.certificate_pem.decode())


async def test_the_next_handshake_shows_a_replaced_certificate_and_an_open_connection_goes_on(host: Host) -> None:
    client = host.client()
    before = host.call(client)
    second = host.serve()
    assert host.call(client).shown == der(second) != before.shown
    assert host.context.served().certificate == second.certificate
    before.client.write(b"still here")
    assert before.server.read(10) == b"still here"
    await host.context.check()


def test_a_file_that_is_replaced_while_it_is_read_is_read_again(host: Host) -> None:
    file, over = host.directory / "server.pem", threading.Event()
    pairs = [pair.key_pem + pair.certificate_pem for pair in (host.serve(), host.serve())]

    def replace() -> None:
        for content in itertools.cycle(pairs):
            if over.is_set():
                return
            file.with_suffix(".new").write_bytes(content)
            file.with_suffix(".new").replace(file)

    replacing = threading.Thread(target=replace)
    replacing.start()
    try:
        for _ in range(100):
            ServingContext.of(file)
    finally:
        over.set()
        replacing.join()


def test_files_that_never_fit_are_refused(host: Host) -> None:
    (host.directory / "server.pem").write_bytes(host.authority.key_pem + host.clients.certificate_pem)
    with pytest.raises(ssl.SSLError):
        ServingContext.of(host.directory / "server.pem")


@pytest.mark.parametrize("ruin", [Path.unlink, lambda file: file.write_text("broken")], ids=["removed", "broken"])
@pytest.mark.parametrize("name", ["server.pem", "clients.crt"])
async def test_what_cannot_be_read_leaves_the_old_in_use_which_is_told_after_a_while(
    host: Host, name: str, ruin: Callable[[Path], object]
) -> None:
    shown = host.call(host.client()).shown
    ruin(host.directory / name)
    assert host.call(host.client()).shown == shown
    await host.context.check()
    _age(host.directory)
    with pytest.raises(UnfitError, match="cannot be used"):
        await host.context.check()
    replaced = host.serve()
    host.admit(host.clients)
    await host.context.check()
    assert host.call(host.client()).shown == der(replaced)


def _age(directory: Path) -> None:
    long_ago = (NOW - 2 * PATIENCE).timestamp()
    for each in (*directory.iterdir(), directory):
        os.utime(each, (long_ago, long_ago))


def test_a_client_of_a_dropped_authority_is_refused_and_one_of_a_new_one_admitted(host: Host) -> None:
    old, joined = host.client(issue_client(host.clients, "a")), make_authority("others")
    assert host.call(old).server.getpeercert()
    host.admit(joined)
    assert [each.subject for each in host.context.served().client_authorities] == [joined.certificate.subject]
    with pytest.raises(ssl.SSLError):
        host.call(old)
    assert host.call(host.client(issue_client(joined, "b"))).server.getpeercert()


def test_an_authority_may_be_trusted_without_whoever_vouches_for_it(host: Host) -> None:
    root, said = make_authority("root"), host.clients.certificate
    builder = x509.CertificateBuilder(
        root.certificate.subject, said.subject, said.public_key(), 1, NOW - DAY, NOW + DAY
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    vouched = Pair(builder.sign(root.key, hashes.SHA256()), host.clients.key)
    host.admit(vouched)
    assert host.call(host.client(issue_client(vouched, "a"))).server.getpeercert()
    with pytest.raises(ssl.SSLError):
        host.call(host.client(issue_client(root, "a")))


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_no_session_outlives_the_authority_that_it_began_with(host: Host, version: ssl.TLSVersion) -> None:
    client = host.client(issue_client(host.clients, "a"))
    client.maximum_version = version
    session = host.call(client).client.session
    host.admit(make_authority("others"))
    with pytest.raises(ssl.SSLError):
        host.call(client, session)


def test_a_session_is_not_resumed_without_asking_for_the_certificate(host: Host) -> None:
    client = host.client(issue_client(host.clients, "a"))
    assert not host.call(client, host.call(client).client.session).client.session_reused


def test_nobody_calls_without_a_certificate_where_one_is_demanded(tmp_path: Path) -> None:
    host = Host(tmp_path, clients=ssl.CERT_REQUIRED)
    assert host.call(host.client(issue_client(host.clients, "a"))).server.getpeercert()
    with pytest.raises(ssl.SSLError):
        host.call(host.client())
    assert host.context.served().certificate == Pair.load(tmp_path, "server").certificate


def test_another_minimum_version_holds_from_the_next_handshake_on(host: Host) -> None:
    old = host.client()
    old.maximum_version = TLS12
    assert host.call(old).client.version() == "TLSv1.2"
    host.configuration = TlsConfiguration(TLS13)
    with pytest.raises(ssl.SSLError):
        host.call(old)
    assert host.call(host.client()).client.version() == "TLSv1.3"


def test_other_ciphers_hold_from_the_next_handshake_on(host: Host) -> None:
    old = host.client()
    old.maximum_version = TLS12
    host.configuration = TlsConfiguration(TLS12, ("RC4-SHA", "ECDHE-ECDSA-AES128-GCM-SHA256"))
    assert (host.call(old).client.cipher() or ("none",))[0] == "ECDHE-ECDSA-AES128-GCM-SHA256"


def test_ciphers_that_are_no_more_leave_tls13(host: Host) -> None:
    host.configuration = TlsConfiguration(TLS12, ("RC4-SHA",))
    assert host.call(host.client()).client.version() == "TLSv1.3"


@pytest.mark.parametrize(
    ("begin", "duration", "why"),
    [
        (-DAY, 2 * DAY, None),
        (-19 * DAY / 20 + timedelta(minutes=1), DAY, None),
        (-19 * DAY / 20 - timedelta(minutes=1), DAY, "was not renewed in time"),
        (-2 * DAY, DAY, "has expired"),
        (DAY, DAY, "is not valid before"),
        # Of a day there are twelve hours left, of ten years none worth speaking of.
        (-3650 * DAY + DAY / 2, 3650 * DAY, "was not renewed in time"),
    ],
)
async def test_a_certificate_is_unfit_well_before_it_expires(
    host: Host, begin: timedelta, duration: timedelta, why: str | None
) -> None:
    now = datetime.now(UTC)
    host.authority = make_authority("servers", Life(now - 4000 * DAY, 9000 * DAY))
    pair = host.serve(Life(now + begin, duration))
    found = why_unfit(pair.certificate, now)
    if why is None:
        assert found is None
        await host.context.check()
        return
    assert why in (found or "")
    with pytest.raises(UnfitError, match=why):
        await host.context.check()
