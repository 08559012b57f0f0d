"""Each authority speaks for those alone whom it is there for."""

import asyncio
import time
from pathlib import Path

import aiohttp
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from apiserver.auth.certificates import InstallationCertificates
from apiserver.machinery.resource import Caller
from certs.authority import issue_client, make_authority
from certs.bundles import LINGER_SECONDS, Bundles
from certs.files import replace_file
from certs.pair import Pair
from certs.purposes import (
    AGENTS,
    CLIENTS,
    CONTROLLER,
    CONTROLLERS,
    EXPORTS,
    MIGRATION,
    PURPOSES,
    SERVER,
    STREAMS,
    Purpose,
)
from kube.users import AUTHENTICATED
from tests.conformance.api import Api, connected
from tests.server import Server, running_server

MASTERS, NODES, OURS = "system:masters", "system:nodes", CONTROLLER.groups[0]
AUTHORITIES = {purpose: make_authority(purpose.common_name(1)) for purpose in PURPOSES}
FORGED: list[tuple[Purpose, str, tuple[str, ...]]] = [
    (AGENTS, "kubernetes-admin", (MASTERS,)),
    (AGENTS, "system:node:one", (NODES, MASTERS)),
    (AGENTS, "system:node:one", (MASTERS,)),
    (AGENTS, "system:node:one", ()),
    (AGENTS, "system:node:", (NODES,)),
    (AGENTS, "jane", (NODES,)),
    (AGENTS, CONTROLLER.user, CONTROLLER.groups),
    (CONTROLLERS, "kubernetes-admin", (MASTERS,)),
    (CONTROLLERS, CONTROLLER.user, (OURS, MASTERS)),
    (CONTROLLERS, CONTROLLER.user, ()),
    (CONTROLLERS, "jane", CONTROLLER.groups),
    (CONTROLLERS, "system:node:one", (NODES,)),
    *((purpose, "kubernetes-admin", (MASTERS,)) for purpose in (SERVER, STREAMS, MIGRATION, EXPORTS)),
    *((purpose, "system:node:one", (NODES,)) for purpose in (SERVER, STREAMS, MIGRATION, EXPORTS)),
    (STREAMS, "system:apiserver", ()),
]
RIGHT: list[tuple[Purpose, str, tuple[str, ...]]] = [
    (CLIENTS, "kubernetes-admin", (MASTERS,)),
    (CLIENTS, "jane", ()),
    (CONTROLLERS, CONTROLLER.user, CONTROLLER.groups),
    (AGENTS, "system:node:one", (NODES,)),
]


def shown(signer: Pair, user: str, groups: tuple[str, ...]) -> bytes:
    return issue_client(signer, user, groups).certificate.public_bytes(Encoding.DER)


class Bundle:
    """A file of authorities, and the owners of what they signed."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "bundle.crt"
        self.trust(*AUTHORITIES.values())
        self._certificates = InstallationCertificates(Bundles([self._file], linger=0))

    def trust(self, *authorities: Pair) -> None:
        replace_file(self._file, b"".join(each.certificate_pem for each in authorities), 0o644)

    def owner(self, signer: Pair, user: str, groups: tuple[str, ...] = ()) -> Caller | None:
        return self._certificates.owner(shown(signer, user, groups), {})


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return Bundle(tmp_path)


@pytest.mark.parametrize(("purpose", "user", "groups"), FORGED)
def test_what_an_authority_may_not_say_makes_nobody(
    bundle: Bundle, purpose: Purpose, user: str, groups: tuple[str, ...]
) -> None:
    assert bundle.owner(AUTHORITIES[purpose], user, groups) is None


@pytest.mark.parametrize(("purpose", "user", "groups"), RIGHT)
def test_what_it_may_say_names_the_caller(bundle: Bundle, purpose: Purpose, user: str, groups: tuple[str, ...]) -> None:
    caller = bundle.owner(AUTHORITIES[purpose], user, groups)
    assert caller is not None
    assert (caller.name, caller.groups) == (user, {*groups, AUTHENTICATED})


@pytest.mark.parametrize(
    "name", ["virtplane", "kubevirt-ca", "virtplane-client-ca", "another@1", "@1", "x@virtplane-client-ca@1"]
)
def test_an_authority_of_another_name_speaks_for_nobody(bundle: Bundle, name: str) -> None:
    other = make_authority(name)
    bundle.trust(other)
    assert bundle.owner(other, "jane") is None


def test_an_authority_that_is_trusted_no_more_speaks_for_nobody_whatever_tls_has_verified_before(
    bundle: Bundle,
) -> None:
    old, new = AUTHORITIES[CLIENTS], make_authority(CLIENTS.common_name(2))
    assert bundle.owner(old, "jane")
    assert bundle.owner(new, "jane") is None
    bundle.trust(new)
    assert bundle.owner(old, "jane") is None
    assert bundle.owner(new, "jane")


async def test_a_server_refuses_what_an_authority_may_not_say(tmp_path: Path) -> None:
    async with running_server(tmp_path) as server:
        assert await code(server, AGENTS, "kubernetes-admin", (MASTERS,)) == 401
        assert await code(server, CONTROLLERS, "system:node:one", (NODES,)) == 401
        assert await code(server, AGENTS, "system:node:one", (NODES,)) == 200
        with pytest.raises(aiohttp.ClientError):
            await code(server, STREAMS, "system:apiserver", (MASTERS,))


async def test_soon_neither_old_connections_nor_new_are_somebodys_whose_authority_was_dropped(tmp_path: Path) -> None:
    async with running_server(tmp_path) as server, connected(server, "admin") as session:
        api = Api(session)
        assert (await api.call("GET", "/api/v1/nodes")).code == 200
        other = make_authority(CLIENTS.common_name(2))
        replace_file(server.pki.bundle(CLIENTS), other.certificate_pem, 0o644)
        dropped = time.monotonic()
        async with asyncio.timeout(20):
            while (await api.call("GET", "/api/v1/nodes")).code != 401:  # noqa: ASYNC110 - it is told to nobody
                await asyncio.sleep(0.1)
        assert time.monotonic() - dropped >= LINGER_SECONDS
        with pytest.raises(aiohttp.ClientError):
            async with connected(server, "admin") as new:
                await Api(new).call("GET", "/api/v1/nodes")


async def code(server: Server, purpose: Purpose, user: str, groups: tuple[str, ...]) -> int:
    """Return how a server answers who shows a certificate of one of its authorities."""
    issue_client(Pair.load(server.pki.directory, purpose.file), user, groups).save(server.pki.directory, "forged")
    async with connected(server, "forged") as session:
        return (await Api(session).call("GET", "/api/v1/nodes")).code
