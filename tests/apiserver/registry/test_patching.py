"""A patch looks at what it changes, and at nothing else."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest

import openapi
from apiserver.machinery.errors import StatusError
from apiserver.machinery.patch import JSON_PATCH, MERGE_PATCH, apply_patch
from apiserver.machinery.resource import Caller, Object, Resource
from apiserver.machinery.schema import Catalogue
from apiserver.registry import writing
from apiserver.registry.codec import hub_object, stored_body
from apiserver.registry.options import FieldValidation, WriteOptions
from apiserver.resources import resources
from apiserver.storage.cache import WatchCache
from apiserver.storage.contract import Key, Record
from apiserver.storage.migrate import migrate
from apiserver.storage.sql import SqlLog
from tests.apiserver.resources.surroundings import Remembered

KEY = Key("virtualmachines.kubevirt.io", "a", "m")
MACHINE: Object = {
    "apiVersion": "kubevirt.io/v1",
    "kind": "VirtualMachine",
    "metadata": {
        "name": "m",
        "namespace": "a",
        "uid": "1",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "managedFields": [
            {
                "manager": "somebody",
                "operation": "Update",
                "apiVersion": "kubevirt.io/v1",
                "time": "2026-01-01T00:00:00Z",
                "fieldsType": "FieldsV1",
                "fieldsV1": {"f:spec": {"f:runStrategy": {}}},
            }
        ],
    },
    "spec": {
        "runStrategy": "Halted",
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"domain": {"devices": {}}}},
        "forgotten": "a field of an older schema",
    },
    "status": {"created": True, "printableStatus": "Stopped", "conditions": [{"type": "Ready", "status": "True"}]},
}
"""Stored by an earlier release, whose schema knew more."""
LABELLED: Object = {"metadata": {"labels": {"new": "label"}, "annotations": {"a": "b"}}, "status": {"created": False}}


@pytest.fixture(scope="module")
def machines() -> Resource:
    known = resources(Catalogue.load(openapi.DIRECTORY), Remembered())
    return next(each for each in known if each.storage_name == KEY.resource)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[WatchCache]:
    """A store with the machine ``m``."""
    url = f"sqlite:///{tmp_path}/log.db"
    await migrate(url)
    async with SqlLog(url) as log, WatchCache(log) as cache:
        await cache.create(KEY, stored_body(MACHINE))
        yield cache


async def patch(
    machines: Resource,
    store: WatchCache,
    change: Any,
    subresource: str,
    media_type: str = MERGE_PATCH,
    field_validation: FieldValidation = FieldValidation.STRICT,
) -> Record:
    options = WriteOptions(
        caller=Caller("controller", system=True),
        version="v1",
        subresource=subresource,
        is_patch=True,
        field_validation=field_validation,
    )
    apply = partial(apply_patch, media_type, orjson.dumps(change))
    return await writing.patch(machines, store, "a", "m", apply, options)


async def test_a_status_patch_leaves_the_spec_as_it_is_stored(store: WatchCache, machines: Resource) -> None:
    old = await store.get(KEY)
    before = orjson.dumps(hub_object(old))
    patched = hub_object(await patch(machines, store, {"status": {"created": False}}, "status"))
    assert patched["spec"] == MACHINE["spec"]
    assert patched["status"] == {**MACHINE["status"], "created": False}
    assert orjson.dumps(hub_object(old)) == before


@pytest.mark.parametrize("subresource", ["", "status"])
@pytest.mark.parametrize("change", [LABELLED, {**LABELLED, "spec": {"runStrategy": "Manual"}}])
async def test_a_patch_does_not_change_what_readers_share(
    store: WatchCache, machines: Resource, change: Object, subresource: str
) -> None:
    conditions = [{"type": "Ready", "status": "True", "forgotten": "of an older schema, too"}]
    old = await store.replace(KEY, stored_body({**MACHINE, "status": {"conditions": conditions}}), expected=1)
    before = orjson.dumps(hub_object(old))
    new = await patch(machines, store, change, subresource, field_validation=FieldValidation.IGNORE)
    assert new.revision > old.revision
    assert orjson.dumps(hub_object(old)) == before


async def test_what_a_patch_changes_is_checked(store: WatchCache, machines: Resource) -> None:
    for change in ({"status": {"created": "yes"}}, {"status": {"unknown": 1}}, {"spec": None}):
        with pytest.raises(StatusError) as refused:
            await patch(machines, store, change, "status")
        assert refused.value.code == 422


async def test_a_patch_of_the_spec_is_checked_as_a_whole(store: WatchCache, machines: Resource) -> None:
    with pytest.raises(StatusError, match=r"unknown field .*spec\.forgotten"):
        await patch(machines, store, {"spec": {"runStrategy": "Always"}}, "")


async def test_a_json_patch_is_checked_as_a_whole(store: WatchCache, machines: Resource) -> None:
    operation = {"op": "replace", "path": "/status/created", "value": False}
    with pytest.raises(StatusError, match=r"unknown field .*spec\.forgotten"):
        await patch(machines, store, [operation], "status", JSON_PATCH)
