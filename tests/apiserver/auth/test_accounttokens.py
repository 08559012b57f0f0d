"""Tokens of ServiceAccounts, and what only looks like one."""

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from apiserver.auth.accounttokens import ISSUER, AccountTokens
from apiserver.auth.webtokens import Signer, TokenError

Object = dict[str, Any]
KEY = ec.generate_private_key(ec.SECP256R1())
SIGNER = Signer(KEY)
NOW = 1_800_000_000


def account(uid: str = "u1", **metadata: Any) -> Object:
    return {"metadata": {"namespace": "team", "name": "builder", "uid": uid, **metadata}}


class Memory:
    """One account and one Secret, or others in their places."""

    def __init__(self) -> None:
        self.objects: dict[str, Object | None] = {"serviceaccounts": account(), "secrets": account("s1")}

    def one(self, kind: str, namespace: str, name: str) -> Object | None:
        return self.objects[kind] if (namespace, name) == ("team", "builder") else None

    def revision(self, kind: str) -> int:
        return id(self.objects[kind])

    def all(self, kind: str, namespace: str | None = None) -> Iterator[Object]:
        return (found for found in [self.objects[kind]] if found is not None and namespace in (None, "team"))


def tokens(memory: Memory | None = None, now: float = NOW) -> AccountTokens:
    return AccountTokens(SIGNER, memory or Memory(), lambda: now)


def claims(**changed: Any) -> Object:
    token, _ = tokens().issue(account(), (), 600, None)
    found = SIGNER.read(token) | changed
    return {key: value for key, value in found.items() if value is not None}


def encoded(value: Object | bytes) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def test_a_token_tells_the_account_and_its_groups_until_it_expires() -> None:
    token, expires = tokens().issue(account(), (), 600, None)
    assert expires == NOW + 600
    found = tokens(now=expires - 1).authenticate(token)
    assert found.audiences == (ISSUER,)
    assert (found.caller.name, found.caller.uid) == ("system:serviceaccount:team:builder", "u1")
    assert found.caller.groups == {"system:serviceaccounts", "system:serviceaccounts:team", "system:authenticated"}
    assert not found.caller.system
    for now in (expires, expires + 1, NOW - 1):
        with pytest.raises(TokenError):
            tokens(now=now).authenticate(token)


def test_a_token_is_for_its_audiences_only() -> None:
    token, _ = tokens().issue(account(), ("vault", "registry"), 600, None)
    assert tokens().authenticate(token, ("other", "vault")).audiences == ("vault",)
    for audiences in ((), ("other",), (ISSUER,)):
        with pytest.raises(TokenError):
            tokens().authenticate(token, audiences)


@pytest.mark.parametrize("kind", ["serviceaccounts", "secrets"])
@pytest.mark.parametrize(
    "instead", [None, account("another"), account("u1", deletionTimestamp="2026-01-01T00:00:00Z")], ids=str
)
def test_a_token_ends_with_what_it_is_bound_to(kind: str, instead: Object | None) -> None:
    memory = Memory()
    token, _ = tokens().issue(account(), (), 600, account("s1"))
    assert tokens(memory).authenticate(token).caller.uid == "u1"
    memory.objects[kind] = instead
    with pytest.raises(TokenError):
        tokens(memory).authenticate(token)


def header(**changed: Any) -> Object:
    return {"alg": "ES256", "kid": SIGNER.key_set()["keys"][0]["kid"], **changed}


def signature_of(token: str) -> str:
    return token.rpartition(".")[2]


def with_header(**changed: Any) -> str:
    """A token whose other header was signed with the right key."""
    signed = f"{encoded(header(**changed))}.{encoded(claims())}"
    numbers = decode_dss_signature(KEY.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{signed}.{encoded(b''.join(each.to_bytes(32, 'big') for each in numbers))}"


def by_hmac() -> str:
    """A token signed with the public key as if that were a secret both sides know."""
    public = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    signed = f"{encoded(header(alg='HS256'))}.{encoded(claims())}"
    mac = hmac.HMAC(public, hashes.SHA256())
    mac.update(signed.encode())
    return f"{signed}.{encoded(mac.finalize())}"


def by_another_key() -> str:
    return Signer(ec.generate_private_key(ec.SECP256R1())).sign(claims())


def by_another_key_that_claims_to_be_ours() -> str:
    other = Signer(ec.generate_private_key(ec.SECP256R1()))
    other._key_id = header()["kid"]
    return other.sign(claims())


def with_other_claims() -> str:
    first, _, last = SIGNER.sign(claims()).split(".")
    return f"{first}.{encoded(claims(sub='system:serviceaccount:kube-system:admin'))}.{last}"


def respelt() -> str:
    """The last character of a signature has bits that mean nothing."""
    token = SIGNER.sign(claims())
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]


def signing(**changed: Any) -> Callable[[], str]:
    return lambda: SIGNER.sign(claims(**changed))


OWN = {"namespace": "team", "serviceaccount": {"name": "builder", "uid": "u1"}}
FORGED: dict[str, Callable[[], str]] = {
    "no token": lambda: "secret",
    "two parts": lambda: SIGNER.sign(claims()).rpartition(".")[0],
    "four parts": lambda: SIGNER.sign(claims()) + ".e30",
    "empty parts": lambda: "..",
    "not base64": lambda: "a!.b!.c!",
    "standard base64": lambda: SIGNER.sign(claims()) + "==",
    "not ASCII": lambda: SIGNER.sign(claims()) + "é",
    "too long": lambda: SIGNER.sign(claims(more="a" * 20_000)),
    "header is no object": lambda: f"{encoded(b'[]')}.{encoded(claims())}.{signature_of(SIGNER.sign(claims()))}",
    "alg none": lambda: f"{encoded(header(alg='none'))}.{encoded(claims())}.",
    "alg None": lambda: f"{encoded(header(alg='None'))}.{encoded(claims())}.",
    "alg none with a signature": lambda: with_header(alg="none"),
    "alg HS256 with the public key": by_hmac,
    "alg RS256": lambda: with_header(alg="RS256"),
    "no alg": lambda: with_header(alg=None),
    "another kid": lambda: with_header(kid="another"),
    "critical extension": lambda: with_header(crit=["b64"]),
    "another key": by_another_key,
    "another key with our kid": by_another_key_that_claims_to_be_ours,
    "no signature": lambda: SIGNER.sign(claims()).rpartition(".")[0] + ".",
    "signature of zeros": lambda: SIGNER.sign(claims()).rpartition(".")[0] + "." + encoded(bytes(64)),
    "short signature": lambda: SIGNER.sign(claims()).rpartition(".")[0] + "." + encoded(bytes(63)),
    "respelt signature": respelt,
    "other claims under a signature": with_other_claims,
    "another issuer": signing(iss="https://elsewhere"),
    "no issuer": signing(iss=None),
    "no audience": signing(aud=None),
    "audience is a word that holds ours": signing(aud=f"{ISSUER}/more"),
    "empty audience": signing(aud=[]),
    "no expiry": signing(exp=None),
    "expired": signing(exp=NOW),
    "expiry is a word": signing(exp="9999999999"),
    "not yet valid": signing(nbf=NOW + 1),
    "no beginning": signing(nbf=None),
    "no account": signing(**{"kubernetes.io": None}),
    "account is a word": signing(**{"kubernetes.io": {"namespace": "team", "serviceaccount": "builder"}}),
    "subject is another": signing(sub="system:serviceaccount:team:admin"),
    "subject is an administrator": signing(sub="kubernetes-admin"),
    "no subject": signing(sub=None),
    "no uid": signing(**{"kubernetes.io": {**OWN, "serviceaccount": {"name": "builder"}}}),
    "another namespace": signing(
        sub="system:serviceaccount:other:builder", **{"kubernetes.io": {**OWN, "namespace": "other"}}
    ),
    "bound to an absent Secret": signing(**{"kubernetes.io": {**OWN, "secret": {"name": "gone", "uid": "s1"}}}),
    "bound to nothing that has a name": signing(**{"kubernetes.io": {**OWN, "secret": {}}}),
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_what_is_no_token_of_ours_is_nobodys(forge: Callable[[], str]) -> None:
    assert tokens().authenticate(with_header())
    with pytest.raises(TokenError):
        tokens().authenticate(forge())
