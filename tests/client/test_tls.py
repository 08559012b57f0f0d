"""A client's TLS context follows its files."""

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from certs.authority import issue_client, issue_server, make_authority
from certs.contexts import ServingContext
from certs.pair import Pair
from client.tls import FollowingContext


class Ends:
    """The files of a server and of a client, and the contexts of both, made once."""

    def __init__(self, directory: Path) -> None:
        self.server, self.client = directory / "server", directory / "client"
        self.renew(self.server, lambda authority: issue_server(authority, "s", ["localhost"]))
        self.renew(self.client, lambda authority: issue_client(authority, "c"))
        self.serving = ServingContext.of(*(self.server / name for name in ("own.crt", "own.key", "ca.crt")))
        files = (self.client / name for name in ("ca.crt", "own.crt", "own.key"))
        self.calling = FollowingContext.of(*files)

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
    (ends.client / "own.key").write_bytes(make_authority("other").key_pem)
    assert ends.shake_hands() == first
