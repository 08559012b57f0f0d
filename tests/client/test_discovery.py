"""What a server serves, as its discovery documents tell."""

from typing import Any

import pytest

from client.api import Client
from client.discovery import Served, discover
from client.errors import ApiError
from client.kinds import CONFIG_MAP, LEASE, Kind
from tests.client.standin import StandIn


async def test_kinds_of_all_groups_are_found(served: tuple[StandIn, Client]) -> None:
    _, client = served
    found = {each.kind: each for each in await discover(client)}
    assert found.keys() >= {CONFIG_MAP, LEASE}
    assert found[LEASE].versions == {"v1"}
    assert "deletecollection" in found[LEASE].verbs


def group(*versions: tuple[str, str, list[str]]) -> dict[str, Any]:
    return {
        "metadata": {"name": "test.example"},
        "versions": [
            {
                "version": version,
                "freshness": freshness,
                "resources": [
                    {
                        "resource": plural,
                        "responseKind": {"kind": plural.title(), "group": "test.example", "version": version},
                        "scope": "Namespaced",
                        "verbs": ["list"],
                    }
                    for plural in plurals
                ],
            }
            for version, freshness, plurals in versions
        ],
    }


async def discovered(monkeypatch: pytest.MonkeyPatch, client: Client, document: dict[str, Any]) -> list[Served]:
    async def answer(path: str, _: str) -> dict[str, Any]:
        return {"items": [document] if path == "/apis" else []}

    monkeypatch.setattr(client, "document", answer)
    return await discover(client)


async def test_a_kind_is_in_the_first_version_that_has_it(
    served: tuple[StandIn, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    document = group(("v2", "Current", ["as"]), ("v1", "Current", ["as", "bs"]))
    found = await discovered(monkeypatch, served[1], document)
    assert [(each.kind, each.versions) for each in found] == [
        (Kind("test.example", "v2", "As", "as", namespaced=True), {"v1", "v2"}),
        (Kind("test.example", "v1", "Bs", "bs", namespaced=True), {"v1"}),
    ]


async def test_what_is_not_known_for_certain_is_not_told_as_if_it_were(
    served: tuple[StandIn, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ApiError, match=r"test\.example/v1"):
        await discovered(monkeypatch, served[1], group(("v1", "Stale", [])))
