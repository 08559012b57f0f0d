"""The example that each kind's schema shows can be created in its version, and is there in every other one."""

from pathlib import Path

import pytest

import openapi
from apiserver.machinery.resource import Object, Resource
from apiserver.machinery.schema import Catalogue
from apiserver.resources import resources
from apiserver.resources.versions import without
from tests.apiserver.resources.surroundings import Remembered
from tests.conformance.api import Api, Kind, connected
from tests.conformance.databases import sqlite_only
from tests.server import running_server

database_url = sqlite_only

TABLE = {"Accept": "application/json;as=Table;g=meta.k8s.io;v=v1"}
SHOWN = [
    pytest.param(resource, version.name, id=f"{resource.kind} {version.name}")
    for resource in resources(Catalogue.load(openapi.DIRECTORY), Remembered())
    for version in resource.versions
    if "example" in version.schema.document
]
NEEDED = {
    "VirtualMachineInstanceMigration": {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "spec": {"domain": {"memory": {"guest": "64Mi"}, "devices": {}}},
    }
}
"""What must be there before an example of a kind, by that kind; the example tells its name."""


def kind_of(resource: Resource, version: str) -> Kind:
    namespace = "default" if resource.namespaced else ""
    return Kind(resource.kind, resource.group, version, resource.plural, namespace)


async def read(api: Api, resource: Resource, version: str, name: str) -> Object:
    obj = await api.get(kind_of(resource, version), name)
    assert obj is not None
    return obj


@pytest.mark.parametrize(("resource", "version"), SHOWN)
async def test_an_example_can_be_created_and_read_in_every_version(api: Api, resource: Resource, version: str) -> None:
    example = resource.version(version).schema.document["example"]
    kind = kind_of(resource, version)
    assert (example["apiVersion"], example["kind"]) == (kind.api_version, kind.kind)
    example = {**example, "metadata": without(example["metadata"], ("namespace",))}
    if (needed := NEEDED.get(kind.kind)) is not None:
        path = "/apis/kubevirt.io/v1/namespaces/default/virtualmachineinstances"
        metadata = {"name": example["spec"]["vmiName"]}
        assert (await api.call("POST", path, {**needed, "metadata": metadata})).code == 201
    created = await api.call("POST", kind.path, example, fieldValidation="Strict")
    assert created.code == 201, created.body
    name = created.body["metadata"]["name"]
    idle = f"nothing acts on a {kind.kind} yet"
    assert (idle in ", ".join(created.headers.getall("Warning", []))) is resource.unattended  # type: ignore[attr-defined]  # aiohttp's headers
    assert await read(api, resource, version, name) == created.body
    for other in resource.versions:
        elsewhere = await read(api, resource, other.name, name)
        assert elsewhere["apiVersion"] == resource.api_version(other.name)
        path = f"{kind_of(resource, other.name).path}/{name}"
        written = await api.call("PUT", path, elsewhere, fieldValidation="Strict")
        assert written.code == 200, written.body
        assert await read(api, resource, version, name) == created.body
    async with api.session.get(kind.path, headers=TABLE) as answer:
        table = await answer.json()
    assert [row["cells"][0] for row in table["rows"]] == [name]


async def test_the_newest_version_of_a_group_is_offered_first(api: Api) -> None:
    hubs = {param.values[0].group: param.values[0].hub.name for param in SHOWN}
    groups = (await api.call("GET", "/apis")).body["groups"]
    assert {each["name"]: each["preferredVersion"]["version"] for each in groups if each["name"] in hubs} == hubs
    assert all(each["versions"][0] == each["preferredVersion"] for each in groups)


async def test_data_volumes_are_left_to_whoever_else_serves_them(tmp_path: Path) -> None:
    async with running_server(tmp_path, data_volumes=False) as server, connected(server) as session:
        groups = (await Api(session).call("GET", "/apis")).body["groups"]
        answer = await Api(session).call("GET", "/apis/cdi.kubevirt.io/v1beta1/namespaces/default/datavolumes")
    assert "cdi.kubevirt.io" not in {group["name"] for group in groups}
    assert answer.code == 404
