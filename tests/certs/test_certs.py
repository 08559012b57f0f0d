"""Authorities, leaves, and when they are made anew."""

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from certs import authority as authority_module
from certs.authority import Life, issue_client, issue_server, make_authority
from certs.bootstrap import AuthorityError, ensure, read_bundle
from certs.contexts import ServingContext
from certs.pair import Pair
from certs.purposes import CALLERS, CLIENTS, LEAVES, PURPOSES, Purpose
from certs.trust import signed_by

NAMES = ["localhost", "127.0.0.1"]


def serials(directory: Path) -> dict[str, int]:
    names = [each.file for each in (*PURPOSES, *LEAVES)]
    return {name: Pair.load(directory, name).certificate.serial_number for name in names}


def changed(directory: Path, first: dict[str, int]) -> set[str]:
    return {name for name, serial in serials(directory).items() if serial != first[name]}


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
    assert pki.pair("server").stat().st_mode & 0o777 == 0o600


def test_a_new_name_replaces_only_serving_certificates(tmp_path: Path) -> None:
    ensure(tmp_path, NAMES, "one")
    first = serials(tmp_path)
    ensure(tmp_path, [*NAMES, "example.test"], "one")
    assert changed(tmp_path, first) == {"server", "agent-server", "migration-server", "exports"}


@pytest.mark.parametrize("purpose", PURPOSES, ids=lambda purpose: purpose.file)
def test_a_lost_authority_replaces_every_leaf_of_its_own(tmp_path: Path, purpose: Purpose) -> None:
    pki = ensure(tmp_path, NAMES, "one")
    first = serials(tmp_path)
    pki.bundle(purpose).unlink()
    pki.pair(purpose.file).unlink()
    ensure(tmp_path, NAMES, "one")
    assert changed(tmp_path, first) == {purpose.file} | {each.file for each in LEAVES if each.purpose is purpose}


def test_a_new_node_name_replaces_only_the_certificates_that_say_it(tmp_path: Path) -> None:
    ensure(tmp_path, NAMES, "one")
    first = serials(tmp_path)
    ensure(tmp_path, NAMES, "two")
    assert changed(tmp_path, first) == {"agent", "agent-server", "migration-server"}
    subject = Pair.load(tmp_path, "agent").certificate.subject.rfc4514_string()
    assert subject == "CN=system:node:two,O=system:nodes"


@pytest.mark.parametrize("break_it", [lambda key: key.write_text("broken"), Path.unlink])
def test_a_broken_authority_is_left_alone_and_what_to_do_is_told(
    tmp_path: Path, break_it: Callable[[Path], object]
) -> None:
    pki = ensure(tmp_path, NAMES, "one")
    certificate, first = pki.authority.read_bytes(), pki.pair("server").read_bytes()
    break_it(pki.pair("ca"))
    with pytest.raises(AuthorityError, match=r"restore ca\.pem and ca\.crt from a backup, or remove both"):
        ensure(tmp_path, NAMES, "one")
    assert (pki.authority.read_bytes(), pki.pair("server").read_bytes()) == (certificate, first)


def test_a_first_start_that_was_interrupted_goes_on(tmp_path: Path) -> None:
    made = make_authority("kubevirt-ca@1")
    made.save(tmp_path, "ca")
    assert read_bundle(ensure(tmp_path, NAMES, "one").authority) == [made.certificate]


def test_an_expired_authority_is_replaced(tmp_path: Path) -> None:
    make_authority("kubevirt-ca@1", Life(datetime.now(UTC) - timedelta(days=2), timedelta(days=1))).save(tmp_path, "ca")
    expired = Pair.load(tmp_path, "ca").certificate
    pki = ensure(tmp_path, NAMES, "one")
    authority = Pair.load(tmp_path, "ca").certificate
    assert authority != expired
    assert authority.not_valid_after_utc > datetime.now(UTC) + timedelta(days=3000)
    assert read_bundle(pki.authority) == [authority]


def test_what_had_one_authority_for_all_keeps_it_for_the_server_alone(tmp_path: Path) -> None:
    old = make_authority("virtplane")
    (tmp_path / "ca.crt").write_bytes(old.certificate_pem)
    (tmp_path / "ca.key").write_bytes(old.key_pem)
    for suffix in ("crt", "key"):
        (tmp_path / f"admin.{suffix}").write_bytes(b"old")
    pki = ensure(tmp_path, NAMES, "one")
    assert read_bundle(pki.authority) == [old.certificate]
    assert signed_by(Pair.load(tmp_path, "server").certificate, old.certificate)
    assert signed_by(Pair.load(tmp_path, "admin").certificate, Pair.load(tmp_path, CLIENTS.file).certificate)
    assert not [*tmp_path.glob("admin.[ck]*"), *tmp_path.glob("ca.key")]


def test_no_authority_is_trusted_for_what_is_anothers(tmp_path: Path) -> None:
    pki = ensure(tmp_path, NAMES, "one")
    bundles = [read_bundle(pki.bundle(purpose)) for purpose in PURPOSES]
    assert all(len(each) == 1 for each in bundles)
    for leaf in LEAVES:
        signers = [
            purpose
            for purpose, (one,) in zip(PURPOSES, bundles, strict=True)
            if signed_by(Pair.load(tmp_path, leaf.file).certificate, one)
        ]
        assert signers == [leaf.purpose]


def test_no_leaf_outlives_its_authority(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authority_module, "AUTHORITY_LIFETIME", timedelta(days=1))
    signer = make_authority("test")
    leaf = issue_client(signer, "me").certificate
    assert leaf.not_valid_after_utc == signer.certificate.not_valid_after_utc


def test_an_encrypted_key_counts_as_broken(tmp_path: Path) -> None:
    pki = ensure(tmp_path, NAMES, "one")
    encryption = serialization.BestAvailableEncryption(b"secret")
    key = Pair.load(tmp_path, "admin").key
    pki.pair("admin").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    )
    ensure(tmp_path, NAMES, "one")
    assert Pair.load(tmp_path, "admin")


def test_a_broken_file_counts_as_missing(tmp_path: Path) -> None:
    pki = ensure(tmp_path, NAMES, "one")
    pki.pair("admin").write_text("broken")
    ensure(tmp_path, NAMES, "one")
    assert Pair.load(tmp_path, "admin")


def test_a_leaf_that_will_expire_soon_is_renewed_at_the_start(tmp_path: Path) -> None:
    pki = ensure(tmp_path, NAMES, "one")
    signer = Pair.load(tmp_path, CLIENTS.file)
    for age, renewed in ((80, False), (95, True)):
        life = Life(datetime.now(UTC) - timedelta(days=age), timedelta(days=100))
        issue_client(signer, "kubernetes-admin", ["system:masters"], life).save(tmp_path, "admin")
        before = pki.pair("admin").read_bytes()
        ensure(tmp_path, NAMES, "one")
        assert (pki.pair("admin").read_bytes() != before) is renewed


def test_a_replaced_certificate_is_served_from_the_next_handshake(tmp_path: Path) -> None:
    pki = ensure(tmp_path, NAMES, "one")
    context = ServingContext.of(pki.pair("server"), *(pki.bundle(each) for each in CALLERS))
    assert served_serial(context, pki.authority) == serials(tmp_path)["server"]
    issue_server(Pair.load(tmp_path, "ca"), "virtplane", NAMES).save(tmp_path, "server")
    assert served_serial(context, pki.authority) == serials(tmp_path)["server"]
