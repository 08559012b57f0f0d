"""``virtplane token``: the short-lived tokens with which other hosts join."""

import asyncio
import ipaddress
import secrets
import shlex
import string
from datetime import timedelta
from urllib.parse import urlsplit

import yaml

from certs.authority import served_names
from certs.bootstrap import Pki, read_bundle
from certs.pair import Pair
from certs.pinning import pin_of
from certs.purposes import API
from client.kinds import SECRET
from kube.bootstraptokens import (
    AGENTS_GROUP,
    FORM,
    NAMESPACE,
    NODE_ANNOTATION,
    SECRET_TYPE,
    BootstrapToken,
    read_token,
    secret_name,
)
from kube.durations import DurationError, parse
from kube.objects import Object
from kube.timestamps import to_time, utc_now
from virtplane.administrator import administrator
from virtplane.errors import VirtplaneError
from virtplane.home import Home
from virtplane.settings import Settings, node_name

_CHARACTERS = string.ascii_lowercase + string.digits
_ID_LENGTH, _SECRET_LENGTH = 6, 16
LONGEST = timedelta(days=1)
"""A token is meant for the next minutes; who needs one tomorrow makes another."""


class TokenCommandError(VirtplaneError):
    """The command cannot do its work; the message says what to do."""


def create(settings: Settings, *, node: str, ttl: str) -> int:
    """Make a token that is good for ``ttl``, and print the command by which a host joins with it.

    ``node`` is the only node it is for, unless it is empty. Raises VirtplaneError.
    """
    lives = _lifetime(ttl)
    token = f"{_random(_ID_LENGTH)}.{_random(_SECRET_LENGTH)}"
    secret = token_secret(token, node=node_name("--node", node) if node else "", lives=lives)
    url, pins = _server(settings)
    asyncio.run(_create(settings, secret))
    named = f" --node-name {node}" if node else ""
    hashes = " ".join(f"--ca-cert-hash {pin}" for pin in pins)
    print(f"virtplane agent join --server {shlex.quote(url)} --token {token} {hashes}{named}")
    return 0


def list_tokens(settings: Settings) -> int:
    """Print every token's id, end, node and description; never its secret half. Raises VirtplaneError."""
    found = asyncio.run(_list(settings))
    print(f"{'TOKEN':8} {'EXPIRES':22} {'NODE':24} DESCRIPTION")
    for each in found:
        expires = to_time(each.expires) if each.expires else "never"
        print(f"{each.token_id:8} {expires:22} {each.node or 'any':24} {each.description}".rstrip())
    return 0


def delete(settings: Settings, *, token: str) -> int:
    """Delete a token, told by its id or all of it. Raises VirtplaneError."""
    token_id = token.partition(".")[0]
    if not FORM.fullmatch(f"{token_id}.{'0' * _SECRET_LENGTH}"):
        raise TokenCommandError("a token's id has six lower-case letters or digits; `virtplane token list` shows them")
    asyncio.run(_delete(settings, token_id))
    print(f"token {token_id} deleted")
    return 0


def token_secret(token: str, *, node: str, lives: timedelta) -> Object:
    """Return the Secret of a token for node agents; ``node`` is the only one it is for, unless it is empty."""
    token_id, _, secret_part = token.partition(".")
    metadata: Object = {"name": secret_name(token_id), "namespace": NAMESPACE}
    if node:
        metadata["annotations"] = {NODE_ANNOTATION: node}
    values = {
        "token-id": token_id,
        "token-secret": secret_part,
        "expiration": to_time(utc_now() + lives),
        "usage-bootstrap-authentication": "true",
        "auth-extra-groups": AGENTS_GROUP,
        "description": f"for the agent of {node or 'a new node'}",
    }
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": SECRET_TYPE, "stringData": values}


def _random(length: int) -> str:
    return "".join(secrets.choice(_CHARACTERS) for _ in range(length))


def _lifetime(ttl: str) -> timedelta:
    try:
        lives = parse(ttl)
    except DurationError as wrong:
        raise TokenCommandError(f"--ttl must be a duration such as 30m; {wrong}") from wrong
    if not timedelta(0) < lives <= LONGEST:
        raise TokenCommandError(f"--ttl must be more than nothing and at most {LONGEST // timedelta(hours=1)}h")
    return lives


async def _create(settings: Settings, secret: Object) -> None:
    async with administrator(settings) as client:
        await client.create(SECRET, secret)


async def _list(settings: Settings) -> list[BootstrapToken]:
    async with administrator(settings) as client:
        listed = await client.list(SECRET, NAMESPACE, field_selector=f"type={SECRET_TYPE}")
    return [token for each in listed["items"] if (token := read_token(each)) is not None]


async def _delete(settings: Settings, token_id: str) -> None:
    async with administrator(settings) as client:
        await client.delete(SECRET, secret_name(token_id), NAMESPACE)


def _server(settings: Settings) -> tuple[str, list[str]]:
    """Return where the server of this installation is, and the pins of its authorities. Raises TokenCommandError."""
    if settings.in_kubernetes:
        raise TokenCommandError("in Kubernetes agents are pods, and no host joins by a token")
    home = Home.of(settings)
    try:
        return _server_url(home), [pin_of(each) for each in read_bundle(Pki(home.pki).authority)]
    except FileNotFoundError as missing:
        raise TokenCommandError(f"there is no server in {home.directory}: start one with `virtplane up`") from missing


def _server_url(home: Home) -> str:
    """Return where other hosts reach the server: at the first address of its certificate that they can reach."""
    for name in served_names(Pair.load(home.pki, API.file).certificate):
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            continue
        if not address.is_loopback:
            host = str(address) if address.version == 4 else f"[{address}]"
            return f"https://{host}:{_port(home)}"
    raise TokenCommandError(
        "the server listens for this host alone: start it with an address that others reach, such as "
        "`virtplane up --address 0.0.0.0`"
    )


def _port(home: Home) -> int:
    (cluster,) = yaml.safe_load(home.kubeconfig.read_bytes())["clusters"]
    return urlsplit(cluster["cluster"]["server"]).port or 443
