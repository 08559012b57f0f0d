"""Each authority speaks for those alone whom it is there for."""

from pathlib import Path

import aiohttp
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from apiserver.auth.certificates import InstallationCertificates
from apiserver.auth.identities import AUTHENTICATED
from certs.authority import issue_client, make_authority
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


@pytest.mark.parametrize(("purpose", "user", "groups"), FORGED)
def test_what_an_authority_may_not_say_makes_nobody(purpose: Purpose, user: str, groups: tuple[str, ...]) -> None:
    assert InstallationCertificates().owner(shown(AUTHORITIES[purpose], user, groups), {}) is None


@pytest.mark.parametrize(("purpose", "user", "groups"), RIGHT)
def test_what_it_may_say_names_the_caller(purpose: Purpose, user: str, groups: tuple[str, ...]) -> None:
    caller = InstallationCertificates().owner(shown(AUTHORITIES[purpose], user, groups), {})
    assert caller is not None
    assert (caller.name, caller.groups) == (user, {*groups, AUTHENTICATED})


@pytest.mark.parametrize(
    "name", ["virtplane", "kubevirt-ca", "virtplane-client-ca", "another@1", "@1", "x@virtplane-client-ca@1"]
)
def test_an_authority_of_another_name_speaks_for_nobody(name: str) -> None:
    assert InstallationCertificates().owner(shown(make_authority(name), "jane", ()), {}) is None


async def test_a_server_refuses_what_an_authority_may_not_say(tmp_path: Path) -> None:
    async with running_server(tmp_path) as server:
        assert await code(server, AGENTS, "kubernetes-admin", (MASTERS,)) == 401
        assert await code(server, CONTROLLERS, "system:node:one", (NODES,)) == 401
        assert await code(server, AGENTS, "system:node:one", (NODES,)) == 200
        with pytest.raises(aiohttp.ClientError):
            await code(server, STREAMS, "system:apiserver", (MASTERS,))


async def code(server: Server, purpose: Purpose, user: str, groups: tuple[str, ...]) -> int:
    """Return how a server answers who shows a certificate of one of its authorities."""
    issue_client(Pair.load(server.pki.directory, purpose.file), user, groups).save(server.pki.directory, "forged")
    async with connected(server, "forged") as session:
        return (await Api(session).call("GET", "/api/v1/nodes")).code
