"""What every namespace has, with the real server and the real controllers together."""

from dataclasses import replace

import pytest

from tests.conformance.api import CONFIG_MAP, NAMESPACE, Api, Kind
from tests.conformance.databases import sqlite_only
from tests.server import Server

database_url = sqlite_only

ACCOUNT = Kind("ServiceAccount", "", "v1", "serviceaccounts", "default")
AUTHORITY = "kube-root-ca.crt"
EVERY = ("default", "kube-system", "kube-public", "kube-node-lease", "virtplane")

pytestmark = pytest.mark.usefixtures("controllers")


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Controllers that look soon whether the authority has changed."""
    monkeypatch.setattr("controllers.namespacedefaults.controller.LOOK_AGAIN_SECONDS", 0.1)


async def test_each_namespace_has_an_identity_and_whom_to_trust(api: Api, server: Server) -> None:
    await api.create(NAMESPACE, "later")
    for namespace in (*EVERY, "later"):
        await api.until(replace(ACCOUNT, namespace=namespace), lambda found: "default" in found)
        found = await api.until(replace(CONFIG_MAP, namespace=namespace), lambda found: AUTHORITY in found)
        assert found[AUTHORITY]["data"] == {"ca.crt": server.pki.authority.read_text()}


@pytest.mark.parametrize(("kind", "name"), [(ACCOUNT, "default"), (CONFIG_MAP, AUTHORITY)], ids=["account", "trust"])
async def test_what_is_deleted_comes_back(api: Api, kind: Kind, name: str) -> None:
    old = (await api.until(kind, lambda found: name in found))[name]["metadata"]["uid"]
    await api.delete(kind, name)
    await api.until(kind, lambda found: name in found and found[name]["metadata"]["uid"] != old)


async def test_whom_to_trust_cannot_be_changed_for_long(api: Api, server: Server) -> None:
    await api.until(CONFIG_MAP, lambda found: AUTHORITY in found)
    await api.patch(CONFIG_MAP, AUTHORITY, {"data": {"ca.crt": "somebody else", "more": "x"}})
    right = {"ca.crt": server.pki.authority.read_text()}
    await api.until(CONFIG_MAP, lambda found: found[AUTHORITY]["data"] == right)


async def test_a_new_authority_is_told_everywhere(api: Api, server: Server) -> None:
    await api.until(CONFIG_MAP, lambda found: AUTHORITY in found)
    both = server.pki.authority.read_text() * 2
    server.pki.authority.write_text(both)
    for namespace in EVERY:
        there = replace(CONFIG_MAP, namespace=namespace)
        await api.until(there, lambda found: found[AUTHORITY]["data"] == {"ca.crt": both})


async def test_a_namespace_goes_for_good_with_what_it_had_from_the_start(api: Api) -> None:
    await api.create(NAMESPACE, "short")
    await api.until(replace(ACCOUNT, namespace="short"), lambda found: "default" in found)
    await api.delete(NAMESPACE, "short")
    await api.until(NAMESPACE, lambda found: "short" not in found)
    for kind in (ACCOUNT, CONFIG_MAP):
        assert (await api.call("GET", replace(kind, namespace="short").path)).body["items"] == []
