"""Whom a cluster's ConfigMap says to trust, and that nobody is where it cannot be understood."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from multidict import CIMultiDict

from apiserver.auth.clustertrust import ClusterTrust, ClusterTrustError
from apiserver.auth.frontproxy import ClusterCertificates
from apiserver.machinery.resource import Caller
from certs.authority import Life, issue_client, make_authority
from certs.pair import Pair

PROXIES, USERS = make_authority("request-header-ca"), make_authority("client-ca")
PROXY = issue_client(PROXIES, "front-proxy-client")


def pem(*authorities: Pair) -> str:
    return "".join(each.certificate_pem.decode() for each in authorities)


SAID = {
    "client-ca-file": pem(USERS),
    "requestheader-client-ca-file": pem(PROXIES),
    "requestheader-allowed-names": '["front-proxy-client"]',
    "requestheader-username-headers": '["X-Remote-User"]',
    "requestheader-group-headers": '["X-Remote-Group"]',
    "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
}
"""As kubeadm has it."""


def expired(authority: Pair) -> Pair:
    """The same authority as it was in the past."""
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(authority.certificate.subject)
    builder = builder.issuer_name(authority.certificate.subject).public_key(authority.key.public_key())
    builder = (
        builder.serial_number(1).not_valid_before(now - timedelta(days=2)).not_valid_after(now - timedelta(days=1))
    )
    return Pair(builder.sign(authority.key, hashes.SHA256()), authority.key)


def owner(pair: Pair, *headers: tuple[str, str], **said: str) -> Caller | None:
    trust = ClusterTrust.of(SAID | {key.replace("_", "-"): value for key, value in said.items()})
    der = pair.certificate.public_bytes(Encoding.DER)
    return ClusterCertificates(lambda: trust).owner(der, CIMultiDict(headers))


@pytest.mark.parametrize(
    "wrong",
    [
        {"client-ca-file": "garbage"},
        {"client-ca-file": pem(USERS)[:-60]},
        {"requestheader-client-ca-file": PROXIES.key_pem.decode()},
        {"requestheader-allowed-names": "front-proxy-client"},
        {"requestheader-allowed-names": '{"front-proxy-client": true}'},
        {"requestheader-allowed-names": "[1]"},
        {"requestheader-allowed-names": '[""]'},
        {"requestheader-username-headers": '["X-Remote-User"'},
        {"requestheader-group-headers": "null"},
        {"requestheader-extra-headers-prefix": '[""]'},
        {"requestheader-client-ca-file": pem(PROXIES, USERS), "requestheader-allowed-names": "[]"},
    ],
    ids=",".join,
)
def test_what_cannot_be_understood_is_refused_as_a_whole(wrong: Mapping[str, str]) -> None:
    with pytest.raises(ClusterTrustError):
        ClusterTrust.of({**SAID, **wrong})


@pytest.mark.parametrize(
    "missing", ["requestheader-client-ca-file", "requestheader-username-headers", "client-ca-file"]
)
def test_what_is_not_said_is_nobody(missing: str) -> None:
    trust = ClusterTrust.of({key: value for key, value in SAID.items() if key != missing})
    assert (trust.proxy is None) is missing.startswith("requestheader")
    assert (trust.clients.certificates == ()) is missing.startswith("client")
    nobody = ClusterTrust.of({})
    assert (nobody.proxy, nobody.pem) == (None, "")


def test_the_front_proxy_says_who_calls() -> None:
    found = owner(
        PROXY,
        ("X-Remote-User", "eve"),
        ("x-remote-group", "developers"),
        ("X-REMOTE-GROUP", "testers"),
        ("X-Remote-Group", ""),
        ("X-Remote-Uid", "u-1"),
        ("X-Remote-Extra-Authentication.kubernetes.io%2fcredential-Id", "X509SHA256=1"),
        ("X-Remote-Extra-scopes", "read"),
        ("X-Remote-Extra-Scopes", "write"),
        ("X-Remote-Extra-with%20blank", ""),
    )
    assert found == Caller(
        "eve",
        frozenset({"developers", "testers", "system:authenticated"}),
        extra=(
            ("authentication.kubernetes.io/credential-id", ("X509SHA256=1",)),
            ("scopes", ("read", "write")),
            ("with blank", ("",)),
        ),
    )


def test_headers_are_those_that_the_cluster_names_and_the_first_that_has_a_value_counts() -> None:
    found = owner(
        PROXY,
        ("X-Second", "bob"),
        ("X-First", ""),
        ("X-Remote-User", "eve"),
        ("X-Id", "u-1"),
        requestheader_username_headers='["X-First", "X-Second"]',
        requestheader_uid_headers='["X-Id"]',
    )
    assert found == Caller("bob", frozenset({"system:authenticated"}), uid="u-1")


def test_who_is_unknown_to_the_cluster_remains_so() -> None:
    found = owner(PROXY, ("X-Remote-User", "system:anonymous"), ("X-Remote-Group", "system:unauthenticated"))
    assert found == Caller("system:anonymous", frozenset({"system:unauthenticated"}))


EVE = ("X-Remote-User", "eve")
OTHERS = {
    "another name": issue_client(PROXIES, "another"),
    "an authority of the same name": issue_client(make_authority("request-header-ca"), "front-proxy-client"),
    "an authority that nobody knows": issue_client(make_authority("elsewhere"), "front-proxy-client"),
}


@pytest.mark.parametrize("pair", OTHERS.values(), ids=OTHERS)
def test_nobody_else_says_who_calls(pair: Pair) -> None:
    assert owner(PROXY, EVE) is not None
    assert owner(pair, EVE) is None


def test_a_certificate_is_nobodys_once_it_or_its_authority_has_expired() -> None:
    past = Life(datetime.now(UTC) - timedelta(hours=2), timedelta(hours=1))
    assert owner(issue_client(PROXIES, "front-proxy-client", life=past), EVE) is None
    assert owner(issue_client(USERS, "eve", life=past)) is None
    assert owner(PROXY, EVE, requestheader_client_ca_file=pem(expired(PROXIES))) is None


def test_an_authority_may_be_renewed_with_its_old_key() -> None:
    assert owner(PROXY, EVE, requestheader_client_ca_file=pem(expired(PROXIES), PROXIES)) is not None


def test_a_user_is_who_the_certificate_says_whatever_the_headers_say() -> None:
    found = owner(issue_client(USERS, "front-proxy-client", ["developers"]), EVE, ("X-Remote-Group", "system:masters"))
    assert found is not None
    assert (found.name, found.groups) == ("front-proxy-client", {"developers", "system:authenticated"})


def test_the_front_proxy_is_no_user_of_its_own() -> None:
    assert owner(PROXY) is None
    assert owner(PROXY, ("X-Remote-User", "")) is None
    assert owner(PROXY, ("X-Remote-Group", "system:masters")) is None


def test_any_name_will_do_where_none_is_listed_and_only_proxies_have_the_authority() -> None:
    found = owner(OTHERS["another name"], EVE, requestheader_allowed_names="[]")
    assert found is not None
    assert found.name == "eve"


def test_with_one_authority_for_both_only_the_listed_name_is_the_front_proxy() -> None:
    both = {"requestheader_client_ca_file": pem(USERS)}
    proxy, user = issue_client(USERS, "front-proxy-client"), issue_client(USERS, "bob")
    callers = (owner(proxy, EVE, **both), owner(user, EVE, **both), owner(proxy, **both))
    assert [each and each.name for each in callers] == ["eve", "bob", "front-proxy-client"]


def test_all_of_a_bundle_are_trusted_while_a_new_authority_takes_over() -> None:
    new = make_authority("request-header-ca")
    bundle = {"requestheader_client_ca_file": pem(new, PROXIES)}
    for pair in (PROXY, issue_client(new, "front-proxy-client")):
        assert owner(pair, EVE, **bundle) is not None
    assert owner(PROXY, EVE, requestheader_client_ca_file=pem(new)) is None
