"""What the schemas and paths become in OpenAPI v2, as JSON and as protobuf, and who gets which."""

from typing import Any

import pytest
import yaml

import openapi
from apiserver.http import openapi_protobuf
from apiserver.http.openapi import OpenApi
from apiserver.http.openapi_protobuf import encode
from apiserver.http.openapi_v2 import swagger
from apiserver.machinery.schema import Catalogue
from apiserver.resources import actions, resources
from tests.apiserver.http.gadgets import GADGETS, Client
from tests.apiserver.http.wire import at_path, fields, named
from tests.apiserver.resources.surroundings import Remembered

OLD_KUBECTL = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
ITEM = "/apis/gadgets.test/v1/namespaces/{namespace}/gadgets/{name}"
PATHS, DEFINITIONS, EXTENSIONS = (8, 2), (9, 1), 31
PATCH, PARAMETERS, QUERY = 8, 8, (1, 2, 3)

SMALL = {"swagger": "2.0", "definitions": {"A": {"type": "object", "properties": {"b": {"$ref": "#/definitions/B"}}}}}
SMALL_ENCODED = bytes.fromhex(
    "0a03 322e30"  # swagger: 2.0
    "4a2d 0a2b"  # definitions, additional_properties
    "0a01 41"  # name: A
    "1226"  # value
    "b20108 0a06 6f626a656374"  # type: object
    "ca0118 0a16 0a01 62"  # properties, name: b
    "1211 0a0f 232f646566696e6974696f6e732f42"  # value, $ref
)

# gnostic numbers the fields of each message without gaps, in this order.
ORDER = {
    "DOCUMENT": "swagger info host basePath schemes consumes produces paths definitions parameters responses",
    "INFO": "title version description",
    "PATH_ITEM": "$ref get put post delete options head patch parameters",
    "OPERATION": "tags summary description externalDocs operationId produces consumes parameters responses schemes "
    "deprecated security x-",
    "BODY_PARAMETER": "description name in required schema",
    "QUERY_PARAMETER": "required in description name allowEmptyValue type format",
    "PATH_PARAMETER": "required in description name type format",
    "RESPONSE": "description schema headers examples",
    "SCHEMA": "$ref format title description default multipleOf maximum exclusiveMaximum minimum exclusiveMinimum "
    "maxLength minLength pattern maxItems minItems uniqueItems maxProperties minProperties required enum "
    "additionalProperties type items allOf properties discriminator readOnly xml externalDocs example x-",
}


def in_v2(**schemas: Any) -> Any:
    return swagger({}, [{"paths": {}, "components": {"schemas": schemas}}])["definitions"]


def schema(**content: Any) -> bytes:
    return named(encode({"definitions": {"it": content}}), *DEFINITIONS)["it"]


def vendor(message: bytes, number: int) -> dict[str, Any]:
    """The vendor extensions of a message."""
    return {name: yaml.safe_load(at_path(value, 2)[0]) for name, value in named(message, number).items()}


def test_a_document_has_the_bytes_that_gnostic_gives_it() -> None:
    assert encode(SMALL) == SMALL_ENCODED


@pytest.mark.parametrize("message", ORDER)
def test_every_field_has_gnostics_number(message: str) -> None:
    numbers = {key: number for number, key in enumerate(ORDER[message].split(), 1)}
    table = getattr(openapi_protobuf, f"_{message}")
    assert {key: number for key, (number, _) in table.items()} == {key: numbers[key] for key in table}


def test_limits_numbers_and_flags_are_where_they_belong() -> None:
    message = schema(minimum=-1.5, maximum=300, maxItems=300, minLength=0, uniqueItems=True, pattern="^ü$")
    assert fields(message) == [(9, -1.5), (7, 300.0), (14, 300), (12, 0), (16, 1), (13, "^ü$".encode())]


def test_lists_maps_and_values_are_wrapped() -> None:
    assert at_path(schema(items={"type": "string"}), 23, 1, 22, 1) == [b"string"]
    assert at_path(schema(additionalProperties={"type": "string"}), 21, 1, 22, 1) == [b"string"]
    assert at_path(schema(additionalProperties=False), 21, 2) == [0]
    assert at_path(schema(required=["a", "b"]), 19) == [b"a", b"b"]
    assert [yaml.safe_load(text) for text in at_path(schema(enum=["a", 1, None]), 20, 2)] == ["a", 1, None]
    assert yaml.safe_load(at_path(schema(default={"a": [True]}), 5, 2)[0]) == {"a": [True]}
    assert [at_path(each, 1) for each in at_path(schema(allOf=[{"$ref": "a"}, {"$ref": "b"}]), 24)] == [[b"a"], [b"b"]]


def test_a_property_may_have_no_schema_and_be_called_like_a_key() -> None:
    properties = {"$ref": {}, "items": {"type": "string"}}
    assert {name: fields(value) for name, value in named(schema(properties=properties), 25, 1).items()} == {
        "$ref": [],
        "items": [(22, b"\x0a\x06string")],
    }


def test_vendor_extensions_are_yaml() -> None:
    kinds = [{"group": "", "version": "v1", "kind": "Gadget: #1"}]
    message = schema(**{"x-kubernetes-group-version-kind": kinds, "x-kubernetes-list-map-keys": ["name"]})
    assert vendor(message, EXTENSIONS) == {
        "x-kubernetes-group-version-kind": kinds,
        "x-kubernetes-list-map-keys": ["name"],
    }


def test_bodies_parameters_and_answers_are_in_the_wrappers_of_their_kind() -> None:
    place, body = {"name": "p", "in": "path", "type": "string"}, {"name": "b", "in": "body", "schema": {"$ref": "B"}}
    put = {"parameters": [body], "responses": {"200": {"description": "OK", "schema": {"$ref": "A"}}}}
    item = named(encode({"paths": {"/a": {"parameters": [place], "put": put}}}), *PATHS)["/a"]
    assert at_path(item, 9, 1, 2, 4, 4) == [b"p"]
    operation = at_path(item, 3)[0]
    assert at_path(operation, PARAMETERS, 1, 1, 5, 1) == [b"B"]
    assert at_path(named(operation, 9, 1)["200"], 1, 2, 1, 1) == [b"A"]


def test_a_key_that_openapi_does_not_have_is_an_error() -> None:
    with pytest.raises(ValueError, match="OpenAPI v2 has no 'colour'"):
        schema(colour="green")


def test_v2_follows_a_reference_that_v3_wraps_to_describe_it() -> None:
    wrapped = {"allOf": [{"$ref": "#/components/schemas/B"}], "description": "What B is here."}
    assert in_v2(A={"type": "object", "properties": {"b": wrapped}})["A"]["properties"] == {
        "b": {"$ref": "#/definitions/B", "description": "What B is here."}
    }


def test_v2_leaves_out_what_it_cannot_say_but_no_property_of_that_name() -> None:
    nullable = {"type": "string", "nullable": True, "anyOf": [{}, {}]}
    converted = in_v2(A={"properties": {"nullable": nullable, "of": {"items": nullable}}})
    assert converted["A"] == {"properties": {"nullable": {"type": "string"}, "of": {"items": {"type": "string"}}}}


def test_an_int_or_string_is_a_string_in_v2() -> None:
    amount = {"x-kubernetes-int-or-string": True}
    assert in_v2(A={"additionalProperties": amount})["A"]["additionalProperties"] == {
        "type": "string",
        "format": "int-or-string",
        "x-kubernetes-int-or-string": True,
    }


def published() -> OpenApi:
    """The documents of all that is served."""
    catalogue, stored = Catalogue.load(openapi.DIRECTORY), Remembered()
    served = resources(catalogue, stored)
    return OpenApi(served, actions(served, stored, catalogue, lambda *_: ("", 0)), catalogue, "v1")


def everything() -> dict[str, Any]:
    """The document of all that is served, in v2."""
    return published()._v2_document()


def test_all_that_is_served_can_be_said_in_v2() -> None:
    document = everything()
    encoded = encode(document)
    assert {name.decode() for name in at_path(encoded, *DEFINITIONS, 1)} == document["definitions"].keys()
    assert {path.decode() for path in at_path(encoded, *PATHS, 1)} == document["paths"].keys()
    machine = named(encoded, *DEFINITIONS)["io.kubevirt.v1.VirtualMachine"]
    kind = {"group": "kubevirt.io", "version": "v1", "kind": "VirtualMachine"}
    assert vendor(machine, EXTENSIONS)["x-kubernetes-group-version-kind"] == [kind]
    references = {name: at_path(value, 1) for name, value in named(machine, 25, 1).items()}
    assert references["spec"] == [b"#/definitions/io.kubevirt.v1.VirtualMachineSpec"]


def test_no_operation_has_an_empty_list_which_go_would_leave_out() -> None:
    documents = published()
    for root in documents._served:
        for path, item in documents._v3_document(root)["paths"].items():
            assert not [
                method for method, operation in item.items() if "operationId" in operation and [] in operation.values()
            ], path


def test_each_operation_has_a_name_of_its_own() -> None:
    document = everything()
    names = [
        operation["operationId"]
        for item in document["paths"].values()
        for method, operation in item.items()
        if method != "parameters"
    ]
    assert len(names) == len(set(names)) > 0


async def test_v2_says_what_can_be_asked_of_a_resource(client: Client) -> None:
    _, document = await client.call("GET", "/openapi/v2")
    item = document["paths"][ITEM]
    assert item["parameters"] == [
        *({"name": name, "in": "path", "required": True, "type": "string"} for name in ("namespace", "name")),
        {"name": "pretty", "in": "query", "type": "string"},
    ]
    body = {"name": "body", "in": "body", "required": True, "schema": {"$ref": "#/definitions/test.gadgets.v1.Gadget"}}
    assert body in item["put"]["parameters"]
    assert item["patch"]["consumes"] == [
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
        "application/apply-patch+yaml",
    ]
    assert item["get"]["produces"] == ["application/json", "application/yaml"]
    assert item["get"]["responses"]["200"]["schema"] == body["schema"]
    failure = {"$ref": "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.Status"}
    assert item["get"]["responses"]["default"]["schema"] == failure
    assert {"name": "gracePeriodSeconds", "in": "query", "type": "integer"} in item["delete"]["parameters"]


async def test_v3_says_what_lists_hold_and_how_each_request_can_fail(client: Client) -> None:
    _, document = await client.call("GET", "/openapi/v3/apis/gadgets.test/v1")
    everywhere = document["paths"]["/apis/gadgets.test/v1/gadgets"]["get"]
    assert everywhere["responses"]["200"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/test.gadgets.v1.GadgetList"
    }
    listed = document["components"]["schemas"]["test.gadgets.v1.GadgetList"]["properties"]["items"]
    assert listed["items"] == {"$ref": "#/components/schemas/test.gadgets.v1.Gadget"}
    for item in document["paths"].values():
        for operation in (each for method, each in item.items() if method != "parameters"):
            told = {code: answer["$ref"] for code, answer in operation["responses"].items() if "$ref" in answer}
            assert {"400", "401", "403", "406", "429", "503"} <= told.keys()
            assert told == {code: f"#/components/responses/{code}" for code in told}
            assert told.keys() <= document["components"]["responses"].keys()


async def test_a_list_tells_that_it_may_be_watched_instead(client: Client) -> None:
    _, document = await client.call("GET", "/openapi/v3/apis/gadgets.test/v1")
    collection = document["paths"][ITEM.removesuffix("/{name}")]
    event = "io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent"
    for item in (collection, document["paths"]["/apis/gadgets.test/v1/gadgets"]):
        watched = item["get"]["responses"]["200"]["content"]["application/json;stream=watch"]
        assert watched == {"schema": {"$ref": f"#/components/schemas/{event}"}}
    assert "application/json;stream=watch" not in document["paths"][ITEM]["get"]["responses"]["200"]["content"]
    assert document["components"]["schemas"][event]["required"] == ["type", "object"]
    _, older = await client.call("GET", "/openapi/v2")
    listed = older["paths"][ITEM.removesuffix("/{name}")]["get"]
    assert listed["responses"]["200"]["schema"] == {"$ref": "#/definitions/test.gadgets.v1.GadgetList"}
    assert "application/json;stream=watch" in listed["produces"]
    query = {"watch": "true", "timeoutSeconds": "1"}
    headers = {"Accept": "application/json;stream=watch"}
    async with client.session.get(client.base + GADGETS, params=query, headers=headers) as watched:
        assert watched.status == 200


async def test_operations_are_named_as_code_generators_expect_them(client: Client) -> None:
    _, document = await client.call("GET", "/openapi/v3/apis/gadgets.test/v1")
    item, status = document["paths"][ITEM], document["paths"][ITEM + "/status"]
    collection = document["paths"][ITEM.removesuffix("/{name}")]
    everywhere = document["paths"]["/apis/gadgets.test/v1/gadgets"]
    assert item["get"]["operationId"] == "readGadgetsTestV1NamespacedGadget"
    assert item["put"]["operationId"] == "replaceGadgetsTestV1NamespacedGadget"
    assert status["patch"]["operationId"] == "patchGadgetsTestV1NamespacedGadgetStatus"
    assert collection["delete"]["operationId"] == "deleteGadgetsTestV1CollectionNamespacedGadget"
    assert everywhere["get"]["operationId"] == "listGadgetsTestV1GadgetForAllNamespaces"
    assert item["get"]["tags"] == ["gadgetsTest_v1"]


@pytest.mark.parametrize("accept", [OLD_KUBECTL, PROTOBUF, f"{PROTOBUF},application/json;q=0.5"])
async def test_kubectl_gets_protobuf_and_finds_out_that_a_patch_can_be_tried(client: Client, accept: str) -> None:
    url = client.base + "/openapi/v2"
    async with client.session.get(url, headers={"Accept": accept}) as response:
        assert (response.status, response.headers["Content-Type"]) == (200, PROTOBUF)
        document, etag = await response.read(), response.headers["ETag"]
    patch = at_path(named(document, *PATHS)[ITEM], PATCH)[0]
    kind = {"group": "gadgets.test", "version": "v1", "kind": "Gadget"}
    assert vendor(patch, 13)["x-kubernetes-group-version-kind"] == kind
    assert b"dryRun" in at_path(patch, PARAMETERS, *QUERY, 4)
    async with client.session.get(url, headers={"Accept": accept, "If-None-Match": etag}) as unchanged:
        assert unchanged.status == 304


async def test_who_takes_anything_gets_json_and_the_two_forms_are_not_mistaken_for_each_other(client: Client) -> None:
    _, json_form, headers = await client.call_with_headers("GET", "/openapi/v2", Accept="*/*")
    assert json_form["swagger"] == "2.0"
    asked = {"Accept": OLD_KUBECTL, "If-None-Match": headers["ETag"]}
    async with client.session.get(client.base + "/openapi/v2", headers=asked) as other:
        assert other.status == 200


async def test_who_takes_neither_form_is_told_which_there_are(client: Client) -> None:
    code, status = await client.call("GET", "/openapi/v2", Accept="text/html")
    assert code == 406
    assert PROTOBUF in status["message"]


@pytest.mark.parametrize(("accept", "code"), [("application/json", 200), ("*/*", 200), ("text/html", 406)])
async def test_v3_is_told_in_json_only(client: Client, accept: str, code: int) -> None:
    told, _ = await client.call("GET", "/openapi/v3/api/v1", Accept=accept)
    assert told == code
