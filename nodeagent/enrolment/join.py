"""Joining: from a token and a pin to certificates, whom to trust, and a kubeconfig for the agent.

Source of the method: ``kubeadm join`` and the kubelet's TLS bootstrapping.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from certs.authority import subject
from certs.bootstrap import Pki
from certs.files import replace_file
from certs.kubeconfig import write_kubeconfig
from certs.objects import pem
from certs.pair import Pair
from certs.purposes import AGENT, AGENT_SERVER
from client.api import Client
from client.errors import ApiError
from client.kinds import NODE
from kube import bootstraptokens
from kube.users import NODE_PREFIX, NODES_GROUP
from nodeagent.enrolment.bundles import Bundles
from nodeagent.enrolment.discovery import Address, pinned_authority
from nodeagent.enrolment.errors import JoinError
from nodeagent.enrolment.requesting import Enrolment, client_of, obtain, serving

COMPONENT = "virtplane-join"
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to join."""

    server: str
    """The server's URL."""
    token: str
    pins: Sequence[str]
    node_name: str
    pki: Path
    """The directory for keys and certificates."""
    kubeconfig: Path
    """Where to write how the agent reaches the server."""


async def join(options: Options, tell: Tell) -> bool:
    """Make this host the node ``node_name``; return False when it was that already.

    ``tell`` is told what is done, and what is waited for. Raises JoinError and OSError.
    """
    new = not await _is_known(options)
    if new:
        await _become_known(options, tell)
    pki = Pki(options.pki)
    async with in_plain_words(), Client.from_kubeconfig(options.kubeconfig, COMPONENT) as client:
        await Bundles(pki, Enrolment.joined(options.node_name)).fetch(client)
        if new or not pki.pair(AGENT_SERVER.file).exists():
            tell("asking for a certificate to serve with")
            await obtain(client, options.pki, serving(options.node_name), tell)
            return True
    return False


async def _is_known(options: Options) -> bool:
    """Return True when the server knows this host by the certificate that it has. Raises JoinError."""
    try:
        certificate = Pair.load(options.pki, AGENT.file).certificate
    except (FileNotFoundError, ValueError):
        return False
    if certificate.subject != subject(f"{NODE_PREFIX}{options.node_name}", [NODES_GROUP]):
        raise JoinError(
            f"this host has joined under another name ({certificate.subject.rfc4514_string()}): use that as "
            "--node-name, or another --home"
        )
    if not options.kubeconfig.exists():
        return False
    async with Client.from_kubeconfig(options.kubeconfig, COMPONENT) as client:
        try:
            await client.get(NODE, options.node_name)
        except ApiError as error:
            # Gone with the server's authority, its certificate's life, or a revocation: it must become known anew.
            return error.not_found
    return True


async def _become_known(options: Options, tell: Tell) -> None:
    """Write the kubeconfig, and get a certificate by the token. Raises JoinError and OSError."""
    if not bootstraptokens.FORM.fullmatch(options.token):
        raise JoinError("--token must look like abcdef.0123456789abcdef, as `virtplane token create` prints it")
    pki, token_id = Pki(options.pki), options.token.partition(".")[0]
    authority = await pinned_authority(Address.of(options.server), options.pins)
    options.pki.mkdir(mode=0o700, parents=True, exist_ok=True)
    await asyncio.to_thread(replace_file, pki.authority, pem([authority]), 0o644)
    # Before there is a certificate: with both this is done, however it is interrupted.
    write_kubeconfig(
        options.kubeconfig,
        server=options.server,
        authority=pki.authority,
        pair=pki.pair(AGENT.file),
        user="agent",
        embed=False,
    )
    wanted = client_of(options.node_name, user=f"{bootstraptokens.USER_PREFIX}{token_id}")
    tell(f"asking to be the agent of the node {options.node_name}")
    token = Client.with_token(options.server, pki.authority, options.token, COMPONENT)
    async with in_plain_words(), token as client:
        await obtain(client, options.pki, wanted, tell)


@asynccontextmanager
async def in_plain_words() -> AsyncGenerator[None]:
    """Say what is wrong with requests in the context in words for who joins. Raises JoinError."""
    try:
        yield
    except ApiError as error:
        if error.code == 401:
            raise JoinError(
                "the server does not know this token, or its time is over: `virtplane token create` makes another"
            ) from error
        told = "the server does not answer" if error.unreachable else "the server refuses"
        raise JoinError(f"{told}: {error.message}") from error
