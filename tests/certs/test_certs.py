"""Authorities, leaves, and when they are made anew."""

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from certs import authority as authority_module
from certs.authority import issue_client, issue_server, make_authority, subject
from certs.bootstrap import AuthorityError, ensure
from certs.contexts import ServingContext
from certs.pair import Pair
from certs.rotation import Leaf, why_rotate

NAMES = ["localhost", "127.0.0.1"]


def serials(directory: Path) -> dict[str, int]:
    names = ("ca", "server", "admin", "controllers", "agent")
    return {name: Pair.load(directory, name).certificate.serial_number for name in names}


def served_serial(server: ssl.SSLContext, authority: Path) -> int:
    """Shake hands in memory and return the serial number of what was served."""
    client = ssl.create_default_context(cafile=str(authority))
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server, server_hostname="localhost"),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    for _ in range(6):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    peer = ends[0].getpeercert()
    assert peer
    return int(str(peer["serialNumber"]), 16)


def test_a_second_start_changes_nothing(tmp_path: Path) -> None:
    ensure(tmp_path, NAMES, "one")
    first = serials(tmp_path)
    ensure(tmp_path, NAMES, "one")
    assert serials(tmp_path) == first


def test_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    pki = ensure(tmp_path, NAMES, "one")
    assert pki.key("server").stat().st_mode & 0o777 == 0o600


def test_a_new_name_replaces_only_the_serving_certificate(tmp_path: Path) -> None:
    ensure(tmp_path, NAMES, "one")
    first = serials(tmp_path)
    ensure(tmp_path, [*NAMES, "example.test"], "one")
    changed = {name for name, serial in serials(tmp_path).items() if serial != first[name]}
    assert changed == {"server"}


def test_a_lost_authority_replaces_every_leaf(tmp_path: Path) -> None:
    pki = ensure(tmp_path, NAMES, "one")
    first = serials(tmp_path)
    pki.authority.unlink()
    ensure(tmp_path, NAMES, "one")
    assert all(serial != first[name] for name, serial in serials(tmp_path).items())


def test_a_new_node_name_replaces_only_the_agents_certificate(tmp_path: Path) -> None:
    ensure(tmp_path, NAMES, "one")
    first = serials(tmp_path)
    ensure(tmp_path, NAMES, "two")
    assert {name for name, serial in serials(tmp_path).items() if serial != first[name]} == {"agent"}
    subject = Pair.load(tmp_path, "agent").certificate.subject.rfc4514_string()
    assert subject == "CN=system:node:two,O=system:nodes"


@pytest.mark.parametrize("break_it", [lambda key: key.write_text("broken"), Path.unlink])
def test_a_broken_authority_is_left_alone_and_what_to_do_is_told(
    tmp_path: Path, break_it: Callable[[Path], object]
) -> None:
    pki = ensure(tmp_path, NAMES, "one")
    certificate, first = pki.authority.read_bytes(), pki.certificate("admin").read_bytes()
    break_it(pki.key("ca"))
    with pytest.raises(AuthorityError, match=r"restore ca\.crt and ca\.key from a backup, or remove both"):
        ensure(tmp_path, NAMES, "one")
    assert (pki.authority.read_bytes(), pki.certificate("admin").read_bytes()) == (certificate, first)


def test_an_authority_that_was_made_only_half_is_made_anew(tmp_path: Path) -> None:
    make_authority("virtplane").save(tmp_path, "ca")
    (tmp_path / "ca.crt").unlink()
    assert ensure(tmp_path, NAMES, "one").authority.exists()


def test_an_expired_authority_is_replaced_with_every_leaf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as past:
        past.setattr(authority_module, "AUTHORITY_LIFETIME", timedelta(seconds=-1))
        make_authority("virtplane").save(tmp_path, "ca")
    expired = Pair.load(tmp_path, "ca").certificate.serial_number
    ensure(tmp_path, NAMES, "one")
    authority = Pair.load(tmp_path, "ca")
    assert authority.certificate.serial_number != expired
    assert authority.certificate.not_valid_after_utc > datetime.now(UTC) + timedelta(days=3000)


def test_no_leaf_outlives_its_authority(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authority_module, "AUTHORITY_LIFETIME", timedelta(days=1))
    signer = make_authority("test")
    leaf = issue_client(signer, "me").certificate
    assert leaf.not_valid_after_utc == signer.certificate.not_valid_after_utc


def test_an_encrypted_key_counts_as_broken(tmp_path: Path) -> None:
    pki = ensure(tmp_path, NAMES, "one")
    encryption = serialization.BestAvailableEncryption(b"secret")
    key = Pair.load(tmp_path, "admin").key
    pki.key("admin").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    )
    ensure(tmp_path, NAMES, "one")
    assert Pair.load(tmp_path, "admin")


def test_a_broken_file_counts_as_missing(tmp_path: Path) -> None:
    pki = ensure(tmp_path, NAMES, "one")
    pki.key("admin").write_text("broken")
    ensure(tmp_path, NAMES, "one")
    assert Pair.load(tmp_path, "admin")


def test_a_leaf_is_replaced_after_two_thirds_of_its_life(monkeypatch: pytest.MonkeyPatch) -> None:
    signer = make_authority("test")
    assert why_rotate(Leaf(issue_client(signer, "me"), signer, subject("me"))) is None
    monkeypatch.setattr(authority_module, "LEAF_LIFETIME", timedelta(minutes=1))
    finding = why_rotate(Leaf(issue_client(signer, "me"), signer, subject("me")))
    assert finding
    assert "renewed" in finding


def test_a_foreign_leaf_is_found() -> None:
    finding = why_rotate(Leaf(issue_server(make_authority("a"), "x", NAMES), make_authority("b"), subject("x"), NAMES))
    assert finding == "it was issued by another authority"


def test_a_replaced_certificate_is_served_from_the_next_handshake(tmp_path: Path) -> None:
    pki = ensure(tmp_path, NAMES, "one")
    context = ServingContext.of(pki.certificate("server"), pki.key("server"), pki.authority)
    assert served_serial(context, pki.authority) == serials(tmp_path)["server"]
    issue_server(Pair.load(tmp_path, "ca"), "virtplane", NAMES).save(tmp_path, "server")
    assert served_serial(context, pki.authority) == serials(tmp_path)["server"]
