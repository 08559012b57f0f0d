"""Media types, representations, limits, methods, and the shape of every refusal.

Source: Kubernetes API concepts, "Alternate representations of resources", "Response compression";
``k8s.io/apiserver/pkg/endpoints/handlers``.
"""

import asyncio
import gzip
import io
import json
import time
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import yaml

from tests.conformance.api import CONFIG_MAP, SECONDS, Api, Kind
from tests.conformance.databases import sqlite_only

database_url = sqlite_only

JSON, YAML = "application/json", "application/yaml"
META = "application/json;as={};g=meta.k8s.io;v={}"
LIMIT = 3 * 1024 * 1024


@dataclass(frozen=True)
class Raw:
    """An answer as it came."""

    code: int
    headers: Any
    text: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.text)


async def send(api: Api, method: str, path: str, data: Any = None, **headers: str) -> Raw:
    """Send a request whose headers matter; nothing is decoded."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    limit = aiohttp.ClientTimeout(total=SECONDS)
    data = io.BytesIO(data) if isinstance(data, bytes) else data
    skipped = ["Accept", "Accept-Encoding", "Content-Type", "User-Agent"]
    async with api.session.request(
        method, path, data=data, headers=named, skip_auto_headers=skipped, timeout=limit, auto_decompress=False
    ) as answer:
        return Raw(answer.status, answer.headers, await answer.read())


def refused(answer: Raw, code: int, reason: str) -> dict[str, Any]:
    """Check that an answer is a whole Status."""
    status = answer.json
    assert (answer.code, status["code"], status["reason"], status["status"]) == (code, code, reason, "Failure")
    assert (status["kind"], status["apiVersion"], status["metadata"]) == ("Status", "v1", {})
    assert status["message"]
    return status


async def test_yaml_comes_and_goes_for_objects_lists_and_errors(api: Api, kind: Kind) -> None:
    manifest = yaml.safe_dump(kind.manifest("one", annotations={"note": "yes"})).encode()
    made = await send(api, "POST", kind.path, manifest, Content_Type=YAML, Accept=YAML)
    assert (made.code, made.headers["Content-Type"]) == (201, YAML)
    assert yaml.safe_load(made.text) == await api.get(kind, "one")
    listed = await send(api, "GET", kind.path, Accept=YAML)
    assert yaml.safe_load(listed.text) == (await api.call("GET", kind.path)).body
    missing = await send(api, "GET", f"{kind.path}/none", Accept=YAML)
    assert (missing.code, missing.headers["Content-Type"]) == (404, YAML)
    assert yaml.safe_load(missing.text)["reason"] == "NotFound"
    discovered = await send(api, "GET", "/api/v1", Accept=YAML)
    assert yaml.safe_load(discovered.text)["kind"] == "APIResourceList"


async def test_a_watch_in_yaml_is_refused(api: Api, kind: Kind) -> None:
    answer = await send(api, "GET", f"{kind.path}?watch=true", Accept=f"{YAML}, application/cbor")
    assert answer.code == 406


@pytest.mark.parametrize(
    "accept",
    ["application/cbor", "application/vnd.kubernetes.protobuf", "text/html", META.format("Chair", "v1")],
)
async def test_what_cannot_be_sent_is_refused_before_anything_is_done(api: Api, kind: Kind, accept: str) -> None:
    body = json.dumps(kind.manifest("one")).encode()
    status = refused(await send(api, "POST", kind.path, body, Accept=accept), 406, "NotAcceptable")
    assert status["message"] == f"only the following media types are accepted: {JSON}, {YAML}"
    assert await api.get(kind, "one") is None


@pytest.mark.parametrize(
    "accept", ["", "*/*", f"application/cbor, {JSON}", f"application/vnd.kubernetes.protobuf,{JSON}"]
)
async def test_json_is_sent_to_all_who_take_it(api: Api, kind: Kind, accept: str) -> None:
    answer = await send(api, "GET", kind.path, **({"Accept": accept} if accept else {}))
    assert (answer.code, answer.headers["Content-Type"]) == (200, JSON)


@pytest.mark.parametrize("media_type", ["application/cbor", "text/plain", "application/octet-stream", "nonsense"])
async def test_a_body_of_an_unknown_type_is_refused(api: Api, kind: Kind, media_type: str) -> None:
    await api.create(kind, "one")
    body = json.dumps(kind.manifest("two")).encode()
    for method, path in (("POST", kind.path), ("PUT", f"{kind.path}/one"), ("PATCH", f"{kind.path}/one")):
        status = refused(await send(api, method, path, body, Content_Type=media_type), 415, "UnsupportedMediaType")
        assert "accepted media types include: application/" in status["message"]
    answer = await send(api, "DELETE", f"{kind.path}/one", b"{}", Content_Type=media_type)
    refused(answer, 415, "UnsupportedMediaType")


async def test_a_body_without_a_type_is_json_and_parameters_do_not_matter(api: Api, kind: Kind) -> None:
    for name, headers in (("one", {}), ("two", {"Content_Type": "application/json; charset=utf-8"})):
        body = json.dumps(kind.manifest(name)).encode()
        assert (await send(api, "POST", kind.path, body, **headers)).code == 201


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
async def test_metadata_alone_is_sent_of_objects_lists_and_changes(api: Api, kind: Kind, version: str) -> None:
    made = await api.create(kind, "one", labels={"a": "b"})
    partial = {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{version}", "metadata": made["metadata"]}
    single = META.format("PartialObjectMetadata", version)
    assert (await send(api, "GET", f"{kind.path}/one", Accept=single)).json == partial
    selected = f"{kind.path}?labelSelector=a%3Db"
    listed = (await send(api, "GET", selected, Accept=META.format("PartialObjectMetadataList", version))).json
    assert (listed["kind"], listed["apiVersion"]) == ("PartialObjectMetadataList", f"meta.k8s.io/{version}")
    assert listed["items"] == [partial]
    assert listed["metadata"]["resourceVersion"]
    query = "&watch=true&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan"
    async with api.session.get(selected + query, headers={"Accept": single}) as stream:
        events = [json.loads(await stream.content.readline()) for _ in range(2)]
    assert events[0] == {"type": "ADDED", "object": partial}
    bookmark = events[1]["object"]
    assert (events[1]["type"], bookmark["kind"]) == ("BOOKMARK", "PartialObjectMetadata")
    assert bookmark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_a_shape_that_does_not_fit_is_refused(api: Api, kind: Kind) -> None:
    await api.create(kind, "one")
    of_list = await send(api, "GET", kind.path, Accept=META.format("PartialObjectMetadata", "v1"))
    assert "the requested object is a list" in refused(of_list, 406, "NotAcceptable")["message"]
    of_one = await send(api, "GET", f"{kind.path}/one", Accept=META.format("PartialObjectMetadataList", "v1"))
    assert "the requested object is not a list" in refused(of_one, 406, "NotAcceptable")["message"]


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
@pytest.mark.parametrize("include", ["", "Metadata", "Object", "None"])
async def test_rows_of_a_table_hold_what_is_asked_for(api: Api, kind: Kind, version: str, include: str) -> None:
    made = await api.create(kind, "one", labels={"a": "b"})
    path = f"{kind.path}?labelSelector=a%3Db&includeObject={include}"
    table = (await send(api, "GET", path, Accept=META.format("Table", version))).json
    assert (table["kind"], table["apiVersion"]) == ("Table", f"meta.k8s.io/{version}")
    [row] = table["rows"]
    assert len(row["cells"]) == len(table["columnDefinitions"])
    assert row["cells"][0] == "one"
    partial = {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{version}", "metadata": made["metadata"]}
    assert row.get("object") == {"": partial, "Metadata": partial, "Object": made, "None": None}[include]


async def test_a_table_of_nothing_known_is_refused(api: Api, kind: Kind) -> None:
    answer = await send(api, "GET", f"{kind.path}?includeObject=All", Accept=META.format("Table", "v1"))
    assert "includeObject" in refused(answer, 400, "BadRequest")["message"]
    assert (await send(api, "GET", f"{kind.path}?includeObject=All")).code == 200


async def test_a_watched_table_has_its_columns_once_and_bookmarks_are_rows(api: Api, kind: Kind) -> None:
    await api.create(kind, "one", labels={"a": "b"})
    await api.create(kind, "two", labels={"a": "b"})
    query = "?labelSelector=a%3Db&watch=true&sendInitialEvents=true&allowWatchBookmarks=true"
    path = f"{kind.path}{query}&resourceVersionMatch=NotOlderThan"
    async with api.session.get(path, headers={"Accept": META.format("Table", "v1")}) as stream:
        events = [json.loads(await stream.content.readline()) for _ in range(3)]
    assert [bool(event["object"]["columnDefinitions"]) for event in events] == [True, False, False]
    assert [event["object"]["rows"][0]["cells"][0] for event in events] == ["one", "two", ""]
    bookmark = events[2]["object"]["rows"][0]["object"]["metadata"]
    assert bookmark["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_large_answers_are_compressed_for_those_who_take_it(api: Api) -> None:
    for name in ("one", "two"):
        body = {**CONFIG_MAP.manifest(name), "data": {"text": "some text " * 10_000}}
        assert (await api.call("POST", CONFIG_MAP.path, body)).code == 201
    plain = await send(api, "GET", CONFIG_MAP.path)
    assert "Content-Encoding" not in plain.headers
    packed = await send(api, "GET", CONFIG_MAP.path, Accept_Encoding="deflate, gzip;q=0.8")
    assert (packed.headers["Content-Encoding"], packed.headers["Vary"]) == ("gzip", "Accept-Encoding")
    assert gzip.decompress(packed.text) == plain.text
    assert len(packed.text) < len(plain.text) / 20
    small = await send(api, "GET", f"{CONFIG_MAP.path}/one", Accept_Encoding="gzip")
    assert "Content-Encoding" not in small.headers
    as_yaml = await send(api, "GET", CONFIG_MAP.path, Accept_Encoding="gzip", Accept=YAML)
    assert yaml.load(gzip.decompress(as_yaml.text), yaml.CSafeLoader) == plain.json


async def test_documents_are_compressed_too_and_the_same_each_time(api: Api) -> None:
    for _ in range(2):
        packed = await send(api, "GET", "/openapi/v2", Accept_Encoding="gzip")
        assert packed.headers["Content-Encoding"] == "gzip"
        assert json.loads(gzip.decompress(packed.text))["swagger"] == "2.0"


@pytest.mark.parametrize(
    ("query", "agent", "pretty"),
    [
        ("", "client", False),
        ("?pretty=true", "client", True),
        ("?pretty=1", "client", True),
        ("", "curl/8.0", True),
        ("?pretty=false", "curl/8.0", False),
    ],
)
async def test_people_get_indented_json(api: Api, kind: Kind, query: str, agent: str, pretty: bool) -> None:
    for path in (kind.path, f"{kind.path}/none"):
        answer = await send(api, "GET", path + query, User_Agent=agent)
        assert (b"\n  " in answer.text) is pretty
        assert answer.json["apiVersion"] == "v1"


async def test_head_answers_as_get_without_the_body(api: Api, kind: Kind) -> None:
    await api.create(kind, "one")
    for path in (kind.path, f"{kind.path}/one", f"{kind.path}?watch=true", "/api/v1", "/version", "/healthz"):
        answer = await send(api, "HEAD", path)
        assert (answer.code, answer.text) == (200, b""), path
    assert (await send(api, "HEAD", f"{kind.path}/none")).code == 404


async def test_slashes_at_the_end_and_unknown_parameters_do_not_matter(api: Api, kind: Kind) -> None:
    made = await api.create(kind, "one")
    for path in (f"{kind.path}/one/", f"{kind.path}/one?timeout=10s&unknown=1&unknown=2"):
        assert (await send(api, "GET", path)).json == made


async def test_a_method_that_a_path_lacks_is_refused_with_those_it_has(api: Api, kind: Kind) -> None:
    collection, item = "DELETE, GET, HEAD, POST", "DELETE, GET, HEAD, PATCH, PUT"
    for method, path, allowed in (
        ("PUT", kind.path, collection),
        ("PATCH", kind.path, collection),
        ("OPTIONS", kind.path, collection),
        ("POST", f"{kind.path}/one", item),
        ("PROPFIND", f"{kind.path}/one", item),
    ):
        answer = await send(api, method, path, b"{}", Content_Type=JSON)
        status = refused(answer, 405, "MethodNotAllowed")
        assert answer.headers["Allow"] == allowed
        assert status["details"]["kind"] == kind.plural
    everywhere = await send(api, "POST", "/api/v1/configmaps", b"{}", Content_Type=JSON)
    assert (refused(everywhere, 405, "MethodNotAllowed"), everywhere.headers["Allow"])[1] == "GET, HEAD"
    document = await send(api, "POST", "/version", b"{}", Content_Type=JSON)
    assert (refused(document, 405, "MethodNotAllowed"), document.headers["Allow"])[1] == "GET, HEAD"


async def test_a_body_over_the_limit_is_refused_whole_or_in_pieces(api: Api, kind: Kind) -> None:
    body = json.dumps(kind.manifest("one", annotations={"a": "x" * LIMIT})).encode()

    async def pieces() -> Any:
        for start in range(0, len(body), 1 << 16):
            yield body[start : start + (1 << 16)]

    for data in (body, pieces()):
        status = refused(await send(api, "POST", kind.path, data, Content_Type=JSON), 413, "RequestEntityTooLarge")
        assert status["message"] == f"Request entity too large: limit is {LIMIT}"


def nested(levels: int) -> bytes:
    return b'{"metadata":{"name":"one"},"x":' + b"[" * levels + b"]" * levels + b"}"


HARMFUL = {
    "nothing": b"",
    "no object": b"[]",
    "null": b"null",
    "half an object": b'{"metadata":',
    "more than an object": b"{}{}",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "no text": b'{"a":"\xff"}',
    "half a character": b'{"metadata":{"name":"\\ud800"}}',
    "a number too large": b'{"x":1e400}',
    "no number": b'{"x":NaN}',
    "a million levels": nested(1_000_000),
    "metadata that is none": b'{"metadata":[]}',
    "a version of another kind": b'{"apiVersion":"v7"}',
    "no kind": b'{"kind":3}',
}


@pytest.mark.parametrize("body", HARMFUL.values(), ids=HARMFUL)
async def test_a_body_that_makes_no_sense_is_refused_with_a_reason(api: Api, kind: Kind, body: bytes) -> None:
    for media_type in (JSON, YAML):
        answer = await send(api, "POST", kind.path, body, Content_Type=media_type)
        if answer.code != 422:  # a name, or what YAML can say and JSON cannot, may reach validation
            refused(answer, 400, "BadRequest")
    assert (await send(api, "GET", kind.path)).code == 200


LAUGHS = b"a: &a [x,x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (each + 1, each + 1, b",".join([b"*%c" % each] * 10)) for each in range(97, 110)
)
SLOW = {
    "a billion laughs": (YAML, LAUGHS),
    "a million keys": (JSON, b"{" + b",".join(b'"k%d":1' % i for i in range(250_000)) + b"}"),
    "a million lists": (YAML, b"x: [" + b"[]," * 300_000 + b"]"),
    "a wrong million": (JSON, b'{"metadata":{"name":"a","finalizers":[' + b",".join([b"1"] * 1_500_000) + b"]}}"),
    "one key a million times": (JSON, b"{" + b",".join([b'"k":1'] * 500_000) + b"}"),
}


@pytest.mark.parametrize(("media_type", "body"), SLOW.values(), ids=SLOW)
async def test_others_are_served_while_a_huge_body_is_refused(
    api: Api, kind: Kind, media_type: str, body: bytes
) -> None:
    slow = asyncio.create_task(send(api, "POST", f"{kind.path}?fieldValidation=Strict", body, Content_Type=media_type))
    longest = 0.0
    while not slow.done():
        started = time.perf_counter()
        assert (await send(api, "GET", "/livez")).code == 200
        longest = max(longest, time.perf_counter() - started)
    answer = await slow
    assert answer.code in (400, 422)
    assert len(answer.text) < 100_000
    assert longest < 10  # a second on a busy machine; a minute when everything wrong is looked for


async def test_an_error_that_passes_says_when_to_come_back(api: Api, kind: Kind) -> None:
    revision = int((await api.call("GET", kind.path)).body["metadata"]["resourceVersion"]) + 1000
    answer = await send(api, "GET", f"{kind.path}?resourceVersion={revision}")
    status = refused(answer, 504, "Timeout")
    assert status["details"]["retryAfterSeconds"] == int(answer.headers["Retry-After"])
    assert status["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


async def test_an_object_that_breaks_rules_is_told_every_one_of_them(api: Api, kind: Kind) -> None:
    body = json.dumps(kind.manifest("One!", labels={"a b": "c"}, finalizers=["x y"])).encode()
    status = refused(await send(api, "POST", kind.path, body), 422, "Invalid")
    assert (status["details"]["kind"], status["details"]["name"]) == (kind.kind, "One!")
    causes = status["details"]["causes"]
    assert {cause["field"] for cause in causes} == {"metadata.name", "metadata.labels", "metadata.finalizers"}
    assert all(cause["reason"] == "FieldValueInvalid" and cause["message"] for cause in causes)
