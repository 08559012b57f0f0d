"""The group of actions: what is told of it, and machines expanded by it."""

from typing import Any

import pytest

from tests.conformance.api import Api, Kind, connected
from tests.conformance.databases import sqlite_only
from tests.server import Server

database_url = sqlite_only

Object = dict[str, Any]
ROOT = "/apis/subresources.kubevirt.io"
DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
MACHINE = Kind("VirtualMachine", "kubevirt.io", "v1", "virtualmachines", "default")
SIZE = Kind(
    "VirtualMachineClusterInstancetype", "instancetype.kubevirt.io", "v1beta1", "virtualmachineclusterinstancetypes"
)
SENT = f"{ROOT}/v1/namespaces/default/expand-vm-spec"
STORED = f"{ROOT}/v1/namespaces/default/virtualmachines/vm/expand-spec"


def machine(**spec: Any) -> Object:
    template = {"spec": {"domain": {"devices": {}}, "volumes": [{"name": "scratch", "emptyDisk": {"capacity": "1Gi"}}]}}
    return {**MACHINE.manifest("vm"), "spec": {"runStrategy": "Halted", "template": template, **spec}}


async def create_size(api: Api, name: str = "small") -> None:
    spec = {"cpu": {"guest": 2}, "memory": {"guest": "128Mi"}}
    answer = await api.call("POST", SIZE.path, {**SIZE.manifest(name), "spec": spec})
    assert answer.code == 201, answer.body


async def create_machine(api: Api, **spec: Any) -> None:
    answer = await api.call("POST", MACHINE.path, machine(**spec))
    assert answer.code == 201, answer.body


def check_expanded(expanded: Object) -> None:
    domain = expanded["spec"]["template"]["spec"]["domain"]
    assert domain["cpu"]["sockets"] == 2
    assert domain["memory"]["guest"] == "128Mi"
    assert [disk["name"] for disk in domain["devices"]["disks"]] == ["scratch"]
    assert domain["devices"]["interfaces"][0]["name"] == "default"
    assert not {"instancetype", "preference"} & expanded["spec"].keys()


async def test_both_versions_name_actions_without_a_kind(api: Api) -> None:
    group = (await api.call("GET", ROOT)).body
    assert [each["version"] for each in group["versions"]] == ["v1", "v1alpha3"]
    for version in ("v1", "v1alpha3"):
        listed = (await api.call("GET", f"{ROOT}/{version}")).body["resources"]
        assert [each["name"] for each in listed] == [
            "expand-vm-spec",
            "virtualmachines/expand-spec",
            "virtualmachineinstances/vnc",
            "virtualmachineinstances/console",
        ]
        assert all(each["namespaced"] and not each["kind"] and not each["verbs"] for each in listed)


async def test_aggregated_discovery_has_actions_below_what_they_are_about(api: Api) -> None:
    async with api.session.get("/apis", headers={"Accept": DISCOVERY}) as answer:
        groups = {each["metadata"]["name"]: each for each in (await answer.json(content_type=None))["items"]}
    resources = groups["subresources.kubevirt.io"]["versions"][0]["resources"]
    named = {each["resource"]: [sub["subresource"] for sub in each.get("subresources", [])] for each in resources}
    assert named == {
        "expand-vm-spec": [],
        "virtualmachines": ["expand-spec"],
        "virtualmachineinstances": ["vnc", "console"],
    }
    assert all(each["responseKind"] == {"group": "", "version": "", "kind": ""} for each in resources)


async def test_openapi_has_the_paths_of_actions(api: Api) -> None:
    paths = (await api.call("GET", "/openapi/v3/apis/subresources.kubevirt.io/v1alpha3")).body["paths"]
    below = "/apis/subresources.kubevirt.io/v1alpha3/namespaces/{namespace}"
    streams = {f"{below}/virtualmachineinstances/{{name}}/{device}" for device in ("console", "vnc")}
    assert paths.keys() == {f"{below}/expand-vm-spec", f"{below}/virtualmachines/{{name}}/expand-spec", *streams}
    assert all(paths[each]["get"]["x-kubernetes-action"] == "connect" for each in streams)
    assert "requestBody" in paths[f"{below}/expand-vm-spec"]["put"]
    assert "get" in paths[f"{below}/virtualmachines/{{name}}/expand-spec"]
    assert f"{below}/expand-vm-spec" in (await api.call("GET", "/openapi/v2")).body["paths"]


@pytest.mark.parametrize("version", ["v1", "v1alpha3"])
async def test_a_stored_machine_is_shown_expanded_and_stays_as_it_is(api: Api, version: str) -> None:
    await create_size(api)
    await create_machine(api, instancetype={"name": "small"})
    before = await api.get(MACHINE, "vm")
    answer = await api.call("GET", STORED.replace("/v1/", f"/{version}/"))
    assert answer.code == 200, answer.body
    assert answer.body["apiVersion"] == "kubevirt.io/v1"
    check_expanded(answer.body)
    assert await api.get(MACHINE, "vm") == before


async def test_a_machine_that_names_nothing_is_shown_as_it_is(api: Api) -> None:
    spec = machine()["spec"]
    spec["template"]["spec"]["domain"]["memory"] = {"guest": "64Mi"}
    await create_machine(api, **spec)
    assert (await api.call("GET", STORED)).body == await api.get(MACHINE, "vm")


async def test_a_stored_machine_that_cannot_be_expanded_is_an_error_of_the_server(api: Api) -> None:
    await create_machine(api, instancetype={"name": "small"})
    answer = await api.call("GET", STORED)
    assert (answer.code, answer.body["reason"]) == (500, "InternalError")
    assert "VirtualMachineClusterInstancetype small does not exist" in answer.body["message"]


async def test_no_machine_of_that_name_is_not_found(api: Api) -> None:
    answer = await api.call("GET", STORED)
    assert answer.code == 404
    assert answer.body["details"] == {"name": "vm", "group": "kubevirt.io", "kind": "virtualmachine"}


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha1"])
async def test_a_machine_that_is_sent_comes_back_expanded_in_its_version(api: Api, version: str) -> None:
    await create_size(api)
    api_version = f"kubevirt.io/{version}"
    sent = {**machine(instancetype={"name": "small"}), "apiVersion": api_version}
    if version == "v1alpha1":
        sent["spec"] = {**sent["spec"], "running": False}
        del sent["spec"]["runStrategy"]
    answer = await api.call("PUT", SENT, sent)
    assert answer.code == 200, answer.body
    assert answer.body["apiVersion"] == api_version
    assert answer.body["metadata"]["namespace"] == "default"
    domain = answer.body["spec"]["template"]["spec"]["domain"]
    assert domain["memory"] == ({"value": 128, "unit": "MiB"} if version == "v1alpha1" else {"guest": "128Mi"})
    assert domain["cpu"]["sockets"] == 2
    assert ("Warning" in answer.headers) == (version != "v1")
    assert await api.get(MACHINE, "vm") is None


async def test_what_a_machine_is_to_infer_is_inferred_first(api: Api) -> None:
    await create_size(api)
    claim = Kind("PersistentVolumeClaim", "", "v1", "persistentvolumeclaims", "default")
    labels = {"instancetype.kubevirt.io/default-instancetype": "small"}
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    await api.call("POST", claim.path, {**claim.manifest("scratch", labels=labels), "spec": spec})
    sent = machine(instancetype={"inferFromVolume": "scratch"})
    answer = await api.call("PUT", SENT, sent)
    assert (answer.code, answer.body["reason"]) == (400, "BadRequest")
    sent["spec"]["template"]["spec"]["volumes"] = [
        {"name": "scratch", "persistentVolumeClaim": {"claimName": "scratch"}}
    ]
    answer = await api.call("PUT", SENT, sent)
    assert answer.code == 200, answer.body
    check_expanded(answer.body)


async def test_a_body_that_breaks_the_schema_is_a_bad_request_with_causes(api: Api) -> None:
    answer = await api.call("PUT", SENT, {**machine(), "spec": {"runStrategy": 1}})
    assert (answer.code, answer.body["reason"]) == (400, "BadRequest")
    assert answer.body["message"] == "Object is not a valid VirtualMachine"
    assert {cause["field"] for cause in answer.body["details"]["causes"]} == {"spec.runStrategy", "spec.template"}


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (b"", "no body"),
        (b"{", ""),
        (machine(instancetype={"name": "missing"}), "missing does not exist"),
        (machine(instancetype={"name": "small", "kind": "Pod"}), "spec.instancetype.kind"),
        ({**machine(), "metadata": {"name": "vm", "namespace": "other"}}, "does not match the namespace"),
        ({**machine(), "kind": "Pod"}, "does not match the expected kind"),
        ({**machine(), "apiVersion": "kubevirt.io/v9"}, "does not match the expected apiVersion"),
    ],
    ids=["empty", "no JSON", "missing", "no such kind", "another namespace", "another kind", "another version"],
)
async def test_what_cannot_be_expanded_is_a_bad_request(api: Api, sent: Any, told: str) -> None:
    answer = await api.call("PUT", SENT, sent)
    assert (answer.code, answer.body["reason"]) == (400, "BadRequest")
    assert told in answer.body["message"] or sent == b""


@pytest.mark.parametrize(
    ("method", "path", "allowed"), [("POST", STORED, "GET, HEAD"), ("GET", SENT, "PUT"), ("DELETE", SENT, "PUT")]
)
async def test_another_method_is_not_allowed(api: Api, method: str, path: str, allowed: str) -> None:
    answer = await api.call(method, path)
    assert (answer.code, answer.body["reason"]) == (405, "MethodNotAllowed")
    assert answer.headers["Allow"] == allowed


@pytest.mark.parametrize(
    "path",
    [
        f"{ROOT}/v2/namespaces/default/virtualmachines/vm/expand-spec",
        f"{ROOT}/v1/virtualmachines/vm/expand-spec",
        f"{ROOT}/v1/namespaces/default/virtualmachines/vm",
        f"{ROOT}/v1/namespaces/default/virtualmachines",
        f"{ROOT}/v1/namespaces/default/virtualmachines/vm/start",
        f"{ROOT}/v1/namespaces/default/expand-vm-spec/vm",
        f"{ROOT}/v1/expand-vm-spec",
    ],
)
async def test_what_is_no_action_is_not_found(api: Api, path: str) -> None:
    answer = await api.call("PUT", path, machine())
    assert (answer.code, answer.body["reason"]) == (404, "NotFound")


async def test_a_body_of_another_media_type_is_refused(api: Api) -> None:
    answer = await api.call("PUT", SENT, b"vm", content_type="text/plain")
    assert (answer.code, answer.body["reason"]) == (415, "UnsupportedMediaType")


async def test_only_who_may_use_an_action_can(server: Server) -> None:
    async with connected(server, "agent") as session:
        answer = await Api(session).call("GET", STORED)
    assert answer.code == 403
    assert (
        'cannot get resource "virtualmachines/expand-spec" in API group "subresources.kubevirt.io"'
        in (answer.body["message"])
    )
