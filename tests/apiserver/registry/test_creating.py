"""What a create sees of the world at the moment it is committed."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import openapi
from apiserver.machinery import objectmeta
from apiserver.machinery.errors import StatusError
from apiserver.machinery.resource import Caller, Resource
from apiserver.machinery.schema import Catalogue
from apiserver.registry import writing
from apiserver.registry.codec import hub_object
from apiserver.registry.deleting import delete
from apiserver.registry.options import DeleteOptions, WriteOptions
from apiserver.registry.reading import get
from apiserver.resources import configmap, namespace
from apiserver.storage.cache import WatchCache
from apiserver.storage.contract import Key
from apiserver.storage.migrate import migrate
from apiserver.storage.sql import SqlLog

WRITE = WriteOptions(caller=Caller("somebody"), version="v1")


@pytest.fixture(scope="module")
def namespaces() -> Resource:
    return namespace.resource(Catalogue.load(openapi.DIRECTORY))


@pytest.fixture(scope="module")
def configmaps() -> Resource:
    return configmap.resource(Catalogue.load(openapi.DIRECTORY))


@pytest.fixture
async def store(tmp_path: Path, namespaces: Resource) -> AsyncIterator[WatchCache]:
    """A store with the namespace ``a``."""
    url = f"sqlite:///{tmp_path}/log.db"
    await migrate(url)
    async with SqlLog(url) as log, WatchCache(log) as cache:
        await writing.create(namespaces, cache, "", {"metadata": {"name": "a"}}, WRITE)
        yield cache


async def test_what_is_slow_does_not_come_into_a_namespace_that_terminates_meanwhile(
    store: WatchCache, namespaces: Resource, configmaps: Resource
) -> None:
    # The request asked, too, but long ago.
    await delete(namespaces, store, "", "a", DeleteOptions(), WRITE)
    with pytest.raises(StatusError, match="because it is being terminated") as refused:
        await writing.create(configmaps, store, "a", {"metadata": {"name": "late"}}, WRITE)
    assert refused.value.code == 403
    assert refused.value.details["causes"][0]["reason"] == "NamespaceTerminating"


async def test_nor_into_one_that_has_gone(store: WatchCache, namespaces: Resource, configmaps: Resource) -> None:
    await store.remove(Key("namespaces", "", "a"), expected=1)
    with pytest.raises(StatusError, match='namespaces "a" not found'):
        await writing.create(configmaps, store, "a", {"metadata": {"name": "late"}}, WRITE)


async def test_a_generated_name_that_is_taken_leaves_nothing_behind_in_the_object(
    store: WatchCache, namespaces: Resource, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = iter(["a", "b"])
    monkeypatch.setattr(objectmeta, "generated_name", lambda _: next(names))
    created = hub_object(await writing.create(namespaces, store, "", {"metadata": {"generateName": "x-"}}, WRITE))
    assert created["metadata"]["name"] == "b"
    assert created["metadata"]["labels"] == {"kubernetes.io/metadata.name": "b"}
    assert hub_object(await get(namespaces, store, "", "a"))["metadata"]["name"] == "a"
