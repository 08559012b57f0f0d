"""Attempts to be somebody else, or to do what one may not: sent byte by byte as no client library would."""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from cryptography.hazmat.primitives import hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from apiserver.auth import webtokens
from apiserver.auth.webtokens import Claims, Signer
from tests.conformance.api import Api
from tests.conformance.users import BINDING, CLUSTER_BINDING, CLUSTER_ROLE, ROLE, grant, make_role, rule

Headers = Sequence[tuple[str, str]]
SECONDS = 20
NO_CONNECTION = 0
"""The code of what TLS refuses, before there is HTTP."""
UNAUTHORIZED = {
    "kind": "Status",
    "apiVersion": "v1",
    "metadata": {},
    "status": "Failure",
    "message": "Unauthorized",
    "reason": "Unauthorized",
    "code": 401,
}
REASONS = {400: "BadRequest", 403: "Forbidden"}


MACHINES = "/apis/kubevirt.io/v1/namespaces/default/virtualmachines"
ACTIONS = "/apis/subresources.kubevirt.io/v1/namespaces/default/virtualmachines"
MASTERS = "system:masters"


@dataclass(frozen=True)
class Attempt:
    """One request, and the code that refuses it."""

    code: int
    target: str = f"{MACHINES}/other"
    headers: Headers = ()
    method: str = "GET"


async def send(port: int, authority: Path, pair: Path | None, attempt: Attempt) -> tuple[int, Any]:
    """Send a request over a connection of its own, with a certificate and its key from ``pair``; return the answer."""
    context = ssl.create_default_context(cafile=str(authority))
    if pair is not None:
        context.load_cert_chain(pair)
    lines = [f"{attempt.method} {attempt.target} HTTP/1.1", "Host: localhost", "Connection: close", "Content-Length: 0"]
    lines += [f"{name}: {value}" for name, value in attempt.headers]
    async with asyncio.timeout(SECONDS):
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
            answer = await reader.read()
            writer.close()
        except (ssl.SSLError, ConnectionError):
            return NO_CONNECTION, None
    if not answer:
        return NO_CONNECTION, None
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), orjson.loads(body)


def check(answer: tuple[int, Any], attempt: Attempt, secrets: Sequence[str] = ()) -> None:
    """Fail unless ``answer`` refuses the attempt rightly, and tells no more than who it is and what they asked for."""
    code, body = answer
    assert code == attempt.code, body
    if code == UNAUTHORIZED["code"]:
        assert body == UNAUTHORIZED
    elif code != NO_CONNECTION:
        assert (body["kind"], body["reason"], body["code"]) == ("Status", REASONS[code], code)
        assert body.get("details", {}).keys() <= {"name", "group", "kind"}
    for secret in secrets:
        assert secret.encode() not in orjson.dumps(body)


async def give_a_little(api: Api, user: str) -> None:
    """Let a user read one machine and start any, in one namespace, and act as a few."""
    start = rule("subresources.kubevirt.io", "virtualmachines/start", "update")
    await make_role(api, ROLE, "starter", rule("kubevirt.io", "virtualmachines", "get list", "mine"), start)
    await grant(api, user, BINDING, "starter", role_kind="Role")
    await make_role(
        api,
        CLUSTER_ROLE,
        "stand-in",
        rule("", "users", "impersonate", "bob"),
        rule("", "groups", "impersonate", "developers"),
        rule("", "serviceaccounts", "impersonate", "builder"),
        rule("authentication.k8s.io", "uids", "impersonate", "b-1"),
        rule("authentication.k8s.io", "userextras/team/blue", "impersonate", "red"),
    )
    await grant(api, user, CLUSTER_BINDING, "stand-in")


@dataclass(frozen=True)
class Good:
    """A token that is good, of the ServiceAccount ``builder``, and who signed it."""

    token: str
    signer: Signer

    def claims(self, **changed: Any) -> Claims:
        """What the token says, with changes."""
        return {key: value for key, value in (self.signer.read(self.token) | changed).items() if value is not None}


def encoded(part: dict[str, Any]) -> str:
    return webtokens._encode(webtokens.orjson.dumps(part))


def unsigned(good: Good, algorithm: str, **changed: Any) -> str:
    return f"{encoded({'alg': algorithm, 'kid': good.signer._key_id})}.{encoded(good.claims(**changed))}"


def by_hmac(good: Good) -> str:
    """A token signed with the public key as if that were a secret both sides know."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    mac = hmac.HMAC(good.signer._public.public_bytes(serialization.Encoding.PEM, form), SHA256())
    signed = unsigned(good, "HS256")
    mac.update(signed.encode())
    return f"{signed}.{webtokens._encode(mac.finalize())}"


def by_another_key(good: Good) -> str:
    other = Signer(ec.generate_private_key(ec.SECP256R1()))
    other._key_id = good.signer._key_id
    return other.sign(good.claims())


OTHER = {"namespace": "kube-system", "serviceaccount": {"name": "admin", "uid": "u"}}
TOKENS: dict[str, Callable[[Good], str]] = {
    "alg none": lambda good: f"{unsigned(good, 'none')}.",
    "alg none with a signature": lambda good: f"{unsigned(good, 'none')}.{good.token.rpartition('.')[2]}",
    "HS256 with the public key": by_hmac,
    "another key": by_another_key,
    "a signature of something else": lambda good: (
        f"{unsigned(good, 'ES256', exp=2**40)}.{good.token.rpartition('.')[2]}"
    ),
    "another audience": lambda good: good.signer.sign(good.claims(aud=["vault"])),
    "no audience": lambda good: good.signer.sign(good.claims(aud=None)),
    "another issuer": lambda good: good.signer.sign(good.claims(iss="https://elsewhere")),
    "expired": lambda good: good.signer.sign(good.claims(exp=1)),
    "for ever": lambda good: good.signer.sign(good.claims(exp=None)),
    "not yet valid": lambda good: good.signer.sign(good.claims(nbf=2**40)),
    "of an account that is not there": lambda good: good.signer.sign(
        good.claims(sub="system:serviceaccount:kube-system:admin", **{"kubernetes.io": OTHER})
    ),
    "of an administrator": lambda good: good.signer.sign(good.claims(sub="kubernetes-admin")),
    "with a group": lambda good: f"{unsigned(good, 'ES256')}.{good.signer.sign({'groups': [MASTERS]})}",
    "another's of two": lambda good: f"{good.token}, Bearer {good.token}",
}


BOB = ("Impersonate-User", "bob")
IMPERSONATED: dict[str, tuple[int, Headers]] = {
    "another user": (403, [("Impersonate-User", "alice")]),
    "an administrator": (403, [("Impersonate-User", "kubernetes-admin")]),
    "an administrator in lower case": (403, [("impersonate-user", "kubernetes-admin")]),
    "an agent": (403, [("Impersonate-User", "system:node:one")]),
    "nobody": (403, [("Impersonate-User", "system:anonymous")]),
    "another account": (403, [("Impersonate-User", "system:serviceaccount:default:other")]),
    "an account of that name elsewhere": (403, [("Impersonate-User", "system:serviceaccount::builder:x")]),
    "a user called like an account": (403, [("Impersonate-User", "system:serviceaccount:builder")]),
    "masters": (403, [BOB, ("Impersonate-Group", MASTERS)]),
    "masters among others": (403, [BOB, ("Impersonate-Group", "developers"), ("Impersonate-Group", MASTERS)]),
    "agents": (403, [BOB, ("Impersonate-Group", "system:nodes")]),
    "all who are known": (403, [BOB, ("Impersonate-Group", "system:authenticated")]),
    "no group": (403, [BOB, ("Impersonate-Group", "")]),
    "another uid": (403, [BOB, ("Impersonate-Uid", "b-2")]),
    "another value": (403, [BOB, ("Impersonate-Extra-team%2Fblue", "green")]),
    "a second value": (403, [BOB, ("Impersonate-Extra-team%2Fblue", "red"), ("Impersonate-Extra-Team%2Fblue", "x")]),
    "another key": (403, [BOB, ("Impersonate-Extra-other", "red")]),
    "a key that only looks like it": (403, [BOB, ("Impersonate-Extra-team", "red")]),
    "a second user": (403, [("Impersonate-User", "alice"), BOB]),
    "a group without a user": (400, [("Impersonate-Group", "developers")]),
    "a uid without a user": (400, [("Impersonate-Uid", "b-1")]),
    "extra without a user": (400, [("Impersonate-Extra-team%2Fblue", "red")]),
    "an empty user": (400, [("Impersonate-User", ""), ("Impersonate-Group", "developers")]),
    "bytes that are no text": (400, [("Impersonate-User", "\xff\xfe")]),
    "who may, for what the other may not": (403, [BOB]),
}


MISNAMED: dict[str, tuple[str, str]] = {
    "another object": ("GET", f"{MACHINES}/other"),
    "another namespace": ("GET", f"{MACHINES.replace('default', 'kube-public')}/mine"),
    "another kind": ("GET", f"{MACHINES}instances/mine"),
    "another group": ("GET", MACHINES.replace("kubevirt.io", "subresources.kubevirt.io") + "/mine"),
    "a kind in another case": ("GET", f"{MACHINES.replace('virtualmachines', 'VirtualMachines')}/mine"),
    "a kind in the singular": ("GET", f"{MACHINES[:-1]}/mine"),
    "a name in another case": ("GET", f"{MACHINES}/Mine"),
    "all objects": ("GET", MACHINES),
    "all objects but one": ("GET", f"{MACHINES}?fieldSelector=metadata.name!=mine"),
    "another by a selector": ("GET", f"{MACHINES}?fieldSelector=metadata.name=other"),
    "by the other of two selectors": (
        "GET",
        f"{MACHINES}?fieldSelector=metadata.name=other&fieldSelector=metadata.name=mine",
    ),
    "a watch": ("GET", f"{MACHINES}?watch=1&fieldSelector=metadata.name=mine"),
    "a watch of the old kind": ("GET", MACHINES.replace("namespaces", "watch/namespaces") + "/mine"),
    "a write": ("PUT", f"{MACHINES}/mine"),
    "the status": ("GET", f"{MACHINES}/mine/status"),
    "an action of another group": ("PUT", f"{MACHINES}/mine/start"),
    "another action": ("PUT", f"{ACTIONS}/mine/stop"),
    "an action by another method": ("GET", f"{ACTIONS}/mine/start"),
    "an action that is created": ("POST", f"{ACTIONS}/mine/start"),
    "an action in another case": ("PUT", f"{ACTIONS}/mine/Start"),
    "an action on another kind": ("PUT", f"{ACTIONS}instances/mine/start"),
    "an action with a blank": ("PUT", f"{ACTIONS}/mine/start%20"),
    "an action and nothing": ("PUT", f"{ACTIONS}/mine/start%00"),
    "an action in the name": ("PUT", f"{ACTIONS}/mine%2Fstop"),
    "an action as the resource": ("PUT", ACTIONS.replace("virtualmachines", "virtualmachines%2Fstart") + "/mine"),
    "a way back": ("GET", f"{MACHINES}/mine/../other"),
    "a way back that is encoded": ("GET", f"{MACHINES}/%2e%2e/secrets/mine"),
    "a way back from what is allowed": ("GET", "/version/../api/v1/secrets"),
    "empty parts": ("GET", "//api//v1///secrets"),
    "an address that begins elsewhere": ("GET", "http://localhost/api/v1/secrets"),
    "a namespace that is a verb": ("GET", "/api/v1/namespaces/default/status"),
    "all namespaces": ("GET", MACHINES.replace("namespaces/default/", "")),
    "an empty namespace": ("GET", MACHINES.replace("default", "%20") + "/mine"),
    "a path that is no resource": ("GET", "/metrics"),
    "a version that is not served": ("GET", MACHINES.replace("v1/", "v9/") + "/other"),
    "what is not served": ("GET", "/apis/example.com/v1/secrets"),
}
