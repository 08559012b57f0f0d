"""Authorities, leaves, and when they are made anew."""

import ssl
from datetime import timedelta
from pathlib import Path

import pytest

from certs import authority as authority_module
from certs.authority import issue_client, issue_server, make_authority
from certs.bootstrap import ensure
from certs.contexts import serving_context
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


def test_a_broken_file_counts_as_missing(tmp_path: Path) -> None:
    pki = ensure(tmp_path, NAMES, "one")
    pki.key("admin").write_text("broken")
    ensure(tmp_path, NAMES, "one")
    assert Pair.load(tmp_path, "admin")


def test_a_leaf_is_replaced_after_two_thirds_of_its_life(monkeypatch: pytest.MonkeyPatch) -> None:
    signer = make_authority("test")
    assert why_rotate(Leaf(issue_client(signer, "me"), signer)) is None
    monkeypatch.setattr(authority_module, "LEAF_LIFETIME", timedelta(minutes=1))
    finding = why_rotate(Leaf(issue_client(signer, "me"), signer))
    assert finding
    assert "renewed" in finding


def test_a_foreign_leaf_is_found() -> None:
    finding = why_rotate(Leaf(issue_server(make_authority("a"), "x", NAMES), make_authority("b"), NAMES))
    assert finding == "it was issued by another authority"


def test_a_replaced_certificate_is_served_from_the_next_handshake(tmp_path: Path) -> None:
    pki = ensure(tmp_path, NAMES, "one")
    context = serving_context(pki.certificate("server"), pki.key("server"), pki.authority)
    assert served_serial(context, pki.authority) == serials(tmp_path)["server"]
    issue_server(Pair.load(tmp_path, "ca"), "virtplane", NAMES).save(tmp_path, "server")
    assert served_serial(context, pki.authority) == serials(tmp_path)["server"]
