"""What is kept of objects takes the room that it needs."""

import tracemalloc
from collections.abc import Callable

import pytest

import openapi
from apiserver.machinery.schema import Catalogue
from apiserver.registry.codec import encoder, stored_body
from apiserver.resources import resources
from apiserver.storage.contract import Key, Record
from tests.apiserver.resources.surroundings import Remembered

KEPT = 200
OBJECT = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": "b" * 300}}


@pytest.fixture(scope="module")
def config_maps_json() -> Callable[[], bytes]:
    served = {resource.plural: resource for resource in resources(Catalogue.load(openapi.DIRECTORY), Remembered())}
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
