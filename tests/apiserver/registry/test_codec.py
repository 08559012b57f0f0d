"""Stored objects are shown as they are, and what is kept of them takes the room that it needs."""

import tracemalloc
from collections.abc import Callable, Mapping

import orjson
import pytest

import openapi
from apiserver.machinery.resource import Resource
from apiserver.machinery.schema import Catalogue
from apiserver.registry.codec import encoder, stored_body, versioned_object
from apiserver.resources import resources
from apiserver.storage.contract import Key, Record
from tests.apiserver.resources.surroundings import Remembered

KEPT = 200
OBJECT = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": "b" * 300}}


@pytest.fixture(scope="module")
def served() -> Mapping[str, Resource]:
    return {resource.plural: resource for resource in resources(Catalogue.load(openapi.DIRECTORY), Remembered())}


@pytest.fixture
def config_maps_json(served: Mapping[str, Resource]) -> Callable[[], bytes]:
    body = stored_body(OBJECT)
    return lambda: encoder(served["configmaps"], "v1")(Record(Key("configmaps", "a", "a"), 1, body))


def bytes_each(make: Callable[[], bytes]) -> float:
    make()
    tracemalloc.start()
    try:
        kept = [make() for _ in range(KEPT)]
        return tracemalloc.get_traced_memory()[0] / len(kept)
    finally:
        tracemalloc.stop()


def test_stored_bytes_hold_no_spare_room() -> None:
    assert bytes_each(lambda: stored_body(OBJECT)) < len(stored_body(OBJECT)) + 100


def test_encoded_bytes_hold_no_spare_room(config_maps_json: Callable[[], bytes]) -> None:
    assert bytes_each(config_maps_json) < len(config_maps_json()) + 100


CLAIM = {
    "spec": {"resources": {"requests": {"storage": "1Gi"}}, "volumeMode": '{"apiVersion":"v1","metadata":{'},
    "metadata": {"labels": {"metadata": "{"}, "resourceVersion": "3", "name": "a"},
    "kind": "PersistentVolumeClaim",
    "apiVersion": "v1",
}
MACHINE = {
    "apiVersion": "kubevirt.io/v1",
    "kind": "VirtualMachine",
    "metadata": {"name": "a"},
    "spec": {"runStrategy": "Always", "template": {"metadata": {}, "spec": {"domain": {"devices": {}}}}},
}


@pytest.mark.parametrize("stored", [stored_body, orjson.dumps], ids=["as it is now", "in another order"])
@pytest.mark.parametrize(
    ("plural", "obj", "version"),
    [
        ("persistentvolumeclaims", CLAIM, "v1"),
        ("virtualmachines", MACHINE, "v1"),
        ("virtualmachines", MACHINE, "v1alpha3"),
        ("virtualmachines", MACHINE, "v1alpha1"),
    ],
    ids=["a kind of the core", "its hub", "a version of its shape", "a version that is converted"],
)
def test_a_stored_object_is_shown_with_its_resource_version(
    served: Mapping[str, Resource], plural: str, obj: dict[str, object], version: str, stored: Callable[[object], bytes]
) -> None:
    record = Record(Key(plural, "", "a"), 12, stored(obj))
    shown = orjson.loads(encoder(served[plural], version)(record))
    assert shown == versioned_object(record, served[plural], version)
    assert shown["apiVersion"] == served[plural].api_version(version)
    assert shown["metadata"]["resourceVersion"] == "12"
