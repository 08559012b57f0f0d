"""Asking for a certificate, as somebody who may, and waiting for it. The key is made here and never leaves the host."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from certs.pair import Pair
from certs.purposes import AGENT, AGENT_SERVER, OF_AGENTS, STREAMS, Leaf, Purpose
from certs.requests import CLIENT_SIGNER, SERVING_SIGNER, make_request
from certs.signing import ensure_signing_key, load_signing_key
from client.api import Client
from client.errors import ApiError
from client.kinds import CERTIFICATE_SIGNING_REQUEST
from kube.conditions import get_condition
from kube.encoding import decode
from kube.objects import Object
from kube.users import AGENT_ACCOUNT, NODE_PREFIX
from nodeagent.enrolment.errors import JoinError

FIRST_POLL_SECONDS, LONGEST_POLL_SECONDS = 0.1, 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A certificate to ask for."""

    signer: str
    node: str
    user: str
    """Who asks."""
    file: str
    """What it will be called; the key waits beside it meanwhile, for who is interrupted and asks again."""


def client_of(node: str, *, user: str = "") -> Wanted:
    """Return the certificate by which the server knows the agent of ``node``; the agent itself asks, or ``user``."""
    return Wanted(signer=CLIENT_SIGNER, node=node, user=user or f"{NODE_PREFIX}{node}", file=AGENT.file)


def serving(node: str, *, user: str = "") -> Wanted:
    """Return the certificate by which the server knows what it reaches at ``node``; its agent asks, or ``user``."""
    return Wanted(signer=SERVING_SIGNER, node=node, user=user or f"{NODE_PREFIX}{node}", file=AGENT_SERVER.file)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What the agent of a node looks after itself."""

    purposes: tuple[Purpose, ...]
    """Whose bundles it needs."""
    wanted: Mapping[Leaf, Wanted]
    """The certificates that it shows, and how it asks for them."""

    @classmethod
    def joined(cls, node: str) -> Self:
        """Return it for a host that has joined: it knows the server, sees who signs agents, and knows who calls."""
        return cls(OF_AGENTS, {AGENT: client_of(node), AGENT_SERVER: serving(node)})

    @classmethod
    def in_pod(cls, node: str) -> Self:
        """Return it for a pod, which calls the API by the token of its ServiceAccount: it knows who calls."""
        return cls((STREAMS,), {AGENT_SERVER: serving(node, user=AGENT_ACCOUNT)})


async def obtain(client: Client, directory: Path, wanted: Wanted, tell: Callable[[str], None]) -> Pair:
    """Ask until there is a certificate, and write it to ``directory``; ``tell`` is told what is waited for.

    Raises JoinError when it is denied or cannot be issued, ApiError when the server refuses or does not answer.
    """
    key_file = directory / f"{wanted.file}-request.key"
    try:
        csr, key = await _ask(client, wanted, key_file)
        issued = await _wait(client, csr, tell)
    except RefusedError as refused:
        # What was decided stays decided: the next attempt is another request, with another key.
        await asyncio.to_thread(key_file.unlink)
        raise JoinError(str(refused)) from refused
    pair = _pair(issued, key)
    await asyncio.to_thread(pair.save, directory, wanted.file)
    await asyncio.to_thread(key_file.unlink)
    return pair


class RefusedError(Exception):
    """Somebody, or the signer, said no."""


async def _ask(client: Client, wanted: Wanted, key_file: Path) -> tuple[Object, ec.EllipticCurvePrivateKey]:
    """Return the request, of this attempt or of an earlier one, and the key that it is for."""
    while True:
        await asyncio.to_thread(ensure_signing_key, key_file)
        key = await asyncio.to_thread(load_signing_key, key_file)
        request = make_request(wanted.signer, wanted.node, key)
        try:
            return await client.create(CERTIFICATE_SIGNING_REQUEST, request), key
        except ApiError as error:
            if not error.already_exists:
                raise
        found = await client.get(CERTIFICATE_SIGNING_REQUEST, request["metadata"]["name"])
        if found["spec"].get("username") == wanted.user or found.get("status", {}).get("certificate"):
            return found, key
        # It was asked with a token that may be over by now: nobody would vouch for it.
        await asyncio.to_thread(key_file.unlink)


async def _wait(client: Client, csr: Object, tell: Callable[[str], None]) -> bytes:
    """Return the certificate in PEM once it is issued. Raises RefusedError and ApiError."""
    name, told, pause = csr["metadata"]["name"], "", FIRST_POLL_SECONDS
    while not (status := csr.get("status", {})).get("certificate"):
        conditions = status.get("conditions") or ()
        for no in ("Denied", "Failed"):
            if (condition := get_condition(conditions, no)) is not None:
                raise RefusedError(
                    f"the request {name} was {no.lower()}: {condition.get('message') or 'nobody said why'}"
                )
        needed = get_condition(conditions, "ApprovalNeeded")
        if needed is not None and needed["message"] != told:
            told = needed["message"]
            tell(f"{told}.\nWaiting for somebody to run `kubectl certificate approve {name}`")
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, LONGEST_POLL_SECONDS)
        csr = await client.get(CERTIFICATE_SIGNING_REQUEST, name)
    return decode(status["certificate"])


def _pair(pem: bytes, key: ec.EllipticCurvePrivateKey) -> Pair:
    certificate = x509.load_pem_x509_certificate(pem)
    if certificate.public_key() != key.public_key():
        raise JoinError("the certificate that was issued is for another key: ask again")
    return Pair(certificate, key)
