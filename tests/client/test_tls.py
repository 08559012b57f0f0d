"""A client's TLS context follows its files."""

import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from certs.authority import issue_client, issue_server, make_authority
from certs.contexts import ServingContext
from certs.kubeconfig import write_kubeconfig
from certs.pair import Pair
from client.api import Client
from client.tls import FollowingContext


class Ends:
    """The files of a server and of a client, and the contexts of both, made once."""

    def __init__(self, directory: Path) -> None:
        self.server, self.client = directory / "server", directory / "client"
        self.renew(self.server, lambda authority: issue_server(authority, "s", ["localhost"]))
        self.renew(self.client, lambda authority: issue_client(authority, "c"))
        self.serving = ServingContext.of(self.server / "own.pem", self.server / "ca.crt")
        own = self.client / "own.pem"
        self.calling = FollowingContext.of(self.client / "ca.crt", own, own)

    def renew(self, directory: Path, issue: Callable[[Pair], Pair]) -> None:
        authority = make_authority("a")
        authority.save(directory, "signer")
        issue(authority).save(directory, "own")
        for each in (self.server, self.client):
            each.mkdir(exist_ok=True)
        for other in {self.server, self.client} - {directory}:
            (other / "ca.crt").write_bytes(authority.certificate_pem)

    def shake_hands(self) -> int:
        """Return the serial number of the certificate that the client showed."""
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = self.calling.wrap_bio(to_client, to_server, server_hostname="localhost")
        server = self.serving.wrap_bio(to_server, to_client, server_side=True)
        for _ in range(6):
            for end in (client, server):
                try:
                    end.do_handshake()
                except ssl.SSLWantReadError:
                    continue
        peer = server.getpeercert()
        assert peer
        return int(str(peer["serialNumber"]), 16)


def test_the_next_connection_trusts_and_shows_what_the_files_hold_then(tmp_path: Path) -> None:
    ends = Ends(tmp_path)
    first = ends.shake_hands()
    assert first == Pair.load(ends.client, "own").certificate.serial_number
    ends.renew(ends.server, lambda authority: issue_server(authority, "s", ["localhost"]))
    ends.renew(ends.client, lambda authority: issue_client(authority, "c"))
    assert ends.shake_hands() == Pair.load(ends.client, "own").certificate.serial_number != first


def test_a_server_that_is_no_longer_trusted_is_refused(tmp_path: Path) -> None:
    ends = Ends(tmp_path)
    ends.shake_hands()
    (ends.client / "ca.crt").write_bytes(make_authority("other").certificate_pem)
    with pytest.raises(ssl.SSLCertVerificationError):
        ends.shake_hands()


def test_a_pair_that_is_half_replaced_leaves_the_old_one_in_use(tmp_path: Path) -> None:
    ends = Ends(tmp_path)
    first = ends.shake_hands()
    (ends.client / "own.pem").write_bytes(make_authority("other").key_pem)
    assert ends.shake_hands() == first


@pytest.fixture
async def ends(tmp_path: Path) -> Ends:
    return Ends(tmp_path)


@pytest.fixture
async def client(ends: Ends) -> AsyncIterator[Client]:
    """A client of a server that says which certificate and which connection a request came with."""

    async def told(request: web.Request) -> web.Response:
        assert request.transport
        peer = request.transport.get_extra_info("ssl_object").getpeercert()
        return web.json_response({"serial": peer["serialNumber"], "connection": id(request.transport)})

    app = web.Application()
    app.router.add_get("/", told)
    kubeconfig = ends.client / "kubeconfig"
    server = TestServer(app, scheme="https", host="localhost")
    await server.start_server(ssl=ends.serving)
    write_kubeconfig(
        kubeconfig,
        server=f"https://localhost:{server.port}",
        authority=ends.client / "ca.crt",
        pair=ends.client / "own.pem",
        user="c",
        embed=False,
    )
    async with Client.from_kubeconfig(kubeconfig, "tests") as client:
        yield client
    await server.close()


async def test_no_request_goes_over_a_connection_that_shows_an_old_certificate(ends: Ends, client: Client) -> None:
    first, again = await client.document("/", "*/*"), await client.document("/", "*/*")
    assert first == again
    ends.renew(ends.client, lambda authority: issue_client(authority, "c"))
    renewed, again = await client.document("/", "*/*"), await client.document("/", "*/*")
    assert renewed == again
    assert int(renewed["serial"], 16) == Pair.load(ends.client, "own").certificate.serial_number
    assert renewed["connection"] != first["connection"]
