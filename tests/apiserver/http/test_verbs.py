"""The verbs, over real HTTP and TLS, on a kind that only these tests know."""

import asyncio
import io
import json
from typing import Any

import pytest

from tests.apiserver.http.gadgets import ALPHA_GADGETS, GADGETS, Client, gadget

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


async def test_a_new_object_gets_identity_defaults_and_no_foreign_status(client: Client) -> None:
    code, made = await client.call("POST", GADGETS, {**gadget(), "status": {"phase": "Forged"}})
    assert code == 201
    assert made["metadata"]["uid"]
    assert made["metadata"]["creationTimestamp"].endswith("Z")
    assert made["metadata"]["generation"] == 1
    assert made["metadata"]["namespace"] == "default"
    assert made["spec"] == {"size": 1, "colour": "green"}
    assert "status" not in made
    assert (await client.call("GET", f"{GADGETS}/one")) == (200, made)


async def test_a_taken_name_is_a_409(client: Client) -> None:
    await client.call("POST", GADGETS, gadget())
    code, status = await client.call("POST", GADGETS, gadget())
    assert (code, status["reason"]) == (409, "AlreadyExists")
    assert status["details"] == {"name": "one", "group": "gadgets.test", "kind": "gadgets"}


async def test_generated_names_differ(client: Client) -> None:
    body = gadget(generateName="g-")
    del body["metadata"]["name"]
    names = {(await client.call("POST", GADGETS, body))[1]["metadata"]["name"] for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("g-") and len(name) == 7 for name in names)


@pytest.mark.parametrize(
    ("spec", "field", "reason"),
    [
        ({}, "spec.size", "FieldValueRequired"),
        ({"size": 0}, "spec.size", "FieldValueInvalid"),
        ({"size": "x"}, "spec.size", "FieldValueTypeInvalid"),
        ({"size": 1, "colour": "blue"}, "spec.colour", "FieldValueNotSupported"),
    ],
)
async def test_what_the_schema_refuses_names_the_field(
    client: Client, spec: dict[str, Any], field: str, reason: str
) -> None:
    code, status = await client.call("POST", GADGETS, {**gadget(), "spec": spec})
    assert (code, status["reason"]) == (422, "Invalid")
    assert [(cause["field"], cause["reason"]) for cause in status["details"]["causes"]] == [(field, reason)]


async def test_an_unknown_field_is_an_error_a_warning_or_nothing(client: Client) -> None:
    body = {**gadget(), "spec": {"size": 1, "colr": "red"}}
    code, status = await client.call("POST", f"{GADGETS}?fieldValidation=Strict", body)
    assert code == 400
    assert 'unknown field "spec.colr"' in status["message"]
    code, made, headers = await client.call_with_headers("POST", f"{GADGETS}?fieldValidation=Warn", body)
    assert (code, made["spec"]) == (201, {"size": 1, "colour": "green"})
    assert headers["Warning"] == '299 - "unknown field \\"spec.colr\\""'
    _, _, headers = await client.call_with_headers("PUT", f"{GADGETS}/one?fieldValidation=Ignore", body)
    assert "Warning" not in headers


BROKEN = [b"{", b"[]", b"3", b"\xff", b'{"metadata": []}', b'{"kind": "Other"}', b'{"metadata": {"name": 3}}']


@pytest.mark.parametrize("body", BROKEN)
async def test_a_broken_body_is_the_clients_fault(client: Client, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    async with client.session.post(client.base + GADGETS, data=body, headers=headers) as response:
        status = await response.json()
    assert response.status in (400, 422)
    assert status["kind"] == "Status"


async def test_a_body_that_is_not_compressed_as_it_says_is_the_clients_fault(client: Client) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    async with client.session.post(client.base + GADGETS, data=b"\x01{}", headers=headers) as response:
        assert (response.status, (await response.json())["reason"]) == (400, "BadRequest")


@pytest.mark.parametrize("query", ["resourceVersion", "limit", "timeoutSeconds"])
async def test_a_number_of_a_thousand_digits_is_the_clients_fault(client: Client, query: str) -> None:
    code, status = await client.call("GET", f"{GADGETS}?watch={query == 'timeoutSeconds'}&{query}={'9' * 5000}")
    assert (code, status["reason"]) == (400, "BadRequest")


@pytest.mark.parametrize("levels", [300, 900, 100_000])
async def test_a_body_nested_too_deeply_is_refused_without_harm(client: Client, levels: int) -> None:
    body = '{"metadata":{"name":"deep"},"spec":{"size":1,"free":' + "[" * levels + "]" * levels + "}}"
    headers = {"Content-Type": "application/json"}
    async with client.session.post(client.base + GADGETS, data=body, headers=headers) as response:
        assert response.status == 400
    await client.call("POST", GADGETS, gadget("deep"))
    async with client.session.put(f"{client.base}{GADGETS}/deep", data=body, headers=headers) as response:
        assert response.status == 400
    assert (await client.call("GET", GADGETS))[0] == 200


async def test_a_body_over_the_limit_is_a_413(client: Client) -> None:
    body = io.BytesIO(b'{"metadata":{"name":"' + b"x" * 4_000_000 + b'"}}')
    headers = {"Content-Type": "application/json"}
    async with client.session.post(client.base + GADGETS, data=body, headers=headers) as response:
        assert (response.status, (await response.json())["reason"]) == (413, "RequestEntityTooLarge")


async def test_nobody_and_a_stranger_get_nothing_but_health(client_as: Any) -> None:
    nobody, eve = await client_as(None), await client_as("eve")
    assert (await nobody.call("GET", GADGETS))[0] == 401
    assert (await eve.call("GET", GADGETS))[0] == 403
    for path in ("/healthz", "/livez", "/readyz"):
        async with nobody.session.get(nobody.base + path) as response:
            assert (response.status, await response.text()) == (200, "ok")


async def test_a_single_health_check_has_a_path_and_can_be_left_out(client: Client) -> None:
    async def text(path: str) -> tuple[int, str]:
        async with client.session.get(client.base + path) as response:
            return response.status, await response.text()

    assert await text("/livez/ping") == (200, "ok")
    assert await text("/readyz/shutdown") == (200, "ok")
    assert (await text("/livez/shutdown"))[0] == 404
    assert await text("/livez?verbose&exclude=ping") == (200, "[+]ping excluded: ok\nlivez check passed\n")


async def test_the_root_tells_every_path_that_is_no_object(client: Client) -> None:
    code, root = await client.call("GET", "/")
    assert (code, root["paths"]) == (200, sorted(root["paths"]))
    expected = {"/apis", "/apis/gadgets.test", "/apis/gadgets.test/v1", "/livez/ping", "/openapi/v3", "/version"}
    assert expected <= set(root["paths"])
    for path in root["paths"]:
        async with client.session.get(client.base + path) as response:
            assert response.status == 200, path


async def test_discovery_answers_both_forms_and_304(client: Client) -> None:
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
    code, aggregated, headers = await client.call_with_headers("GET", "/apis", Accept=accept)
    assert (code, aggregated["kind"]) == (200, "APIGroupDiscoveryList")
    versions = [version["version"] for version in aggregated["items"][0]["versions"]]
    assert versions == ["v1", "v1alpha1"]
    async with client.session.get(
        client.base + "/apis", headers={"Accept": accept, "If-None-Match": headers["ETag"]}
    ) as unchanged:
        assert unchanged.status == 304
    _, legacy = await client.call("GET", "/apis/gadgets.test/v1")
    fleets = ["fleets", "fleets/status", "fleets/scale"]
    assert [entry["name"] for entry in legacy["resources"]] == ["gadgets", "gadgets/status", *fleets]


async def test_a_path_with_a_line_break_is_answered_like_any_other(client: Client) -> None:
    for path in (f"{GADGETS}/a%0Ab", "/a%0Ab"):
        code, status = await client.call("GET", path)
        assert (code, status["kind"], status["reason"]) == (404, "Status", "NotFound")


async def test_openapi_is_found_by_its_hash(client: Client) -> None:
    _, root = await client.call("GET", "/openapi/v3")
    url = root["paths"]["apis/gadgets.test/v1"]["serverRelativeURL"]
    code, document, headers = await client.call_with_headers("GET", url)
    assert (code, headers["Cache-Control"]) == (200, "public, immutable")
    assert "test.gadgets.v1.Gadget" in document["components"]["schemas"]
    wrong = url.split("=")[0] + "=0"
    async with client.session.get(client.base + wrong, allow_redirects=False) as moved:
        assert (moved.status, moved.headers["Location"]) == (301, url)


async def test_a_missing_namespace_is_a_404(client: Client) -> None:
    code, status = await client.call("POST", GADGETS.replace("default", "nowhere"), gadget())
    assert (code, status["message"]) == (404, 'namespaces "nowhere" not found')


async def test_an_update_counts_generations_only_when_the_spec_changes(client: Client) -> None:
    _, made = await client.call("POST", GADGETS, gadget())
    made["metadata"]["labels"] = {"a": "b"}
    _, labelled = await client.call("PUT", f"{GADGETS}/one", made)
    assert labelled["metadata"]["generation"] == 1
    labelled["spec"]["size"] = 2
    _, grown = await client.call("PUT", f"{GADGETS}/one", labelled)
    assert grown["metadata"]["generation"] == 2
    assert grown["metadata"]["uid"] == made["metadata"]["uid"]


async def test_a_stale_update_is_a_conflict_and_an_unconditional_one_is_not(client: Client) -> None:
    _, made = await client.call("POST", GADGETS, gadget())
    await client.call("PUT", f"{GADGETS}/one", gadget(size=2))
    code, status = await client.call("PUT", f"{GADGETS}/one", made)
    assert (code, status["reason"]) == (409, "Conflict")
    assert "please apply your changes to the latest version" in status["message"]


async def test_a_write_that_changes_nothing_takes_no_revision(client: Client) -> None:
    _, made = await client.call("POST", GADGETS, gadget())
    _, again = await client.call("PUT", f"{GADGETS}/one", made)
    assert again == made


async def test_spec_and_status_are_written_apart(client: Client) -> None:
    _, made = await client.call("POST", GADGETS, gadget())
    _, ignored = await client.call("PUT", f"{GADGETS}/one", {**gadget(), "status": {"phase": "Forged"}})
    assert "status" not in ignored
    both = {**made, "spec": {"size": 9}, "status": {"phase": "Good"}}
    _, status_written = await client.call("PUT", f"{GADGETS}/one/status", both)
    assert (status_written["spec"]["size"], status_written["status"]) == (1, {"phase": "Good"})
    both["metadata"].pop("resourceVersion")
    _, spec_written = await client.call("PUT", f"{GADGETS}/one", {**both, "status": {"phase": "Bad"}})
    assert (spec_written["spec"]["size"], spec_written["status"]) == (9, {"phase": "Good"})


async def test_patches_change_what_they_name(client: Client) -> None:
    await client.call("POST", GADGETS, gadget())
    merge = {"metadata": {"labels": {"a": "b"}}, "spec": {"colour": "red"}}
    code, merged = await client.call("PATCH", f"{GADGETS}/one", merge, Content_Type="application/merge-patch+json")
    assert (code, merged["spec"], merged["metadata"]["labels"]) == (200, {"size": 1, "colour": "red"}, {"a": "b"})
    steps = [{"op": "test", "path": "/spec/size", "value": 1}, {"op": "replace", "path": "/spec/size", "value": 5}]
    code, patched = await client.call("PATCH", f"{GADGETS}/one", steps, Content_Type="application/json-patch+json")
    assert (code, patched["spec"]["size"]) == (200, 5)
    code, status = await client.call("PATCH", f"{GADGETS}/one", merge, Content_Type="text/plain")
    assert (code, status["reason"]) == (415, "UnsupportedMediaType")


async def test_concurrent_patches_all_land(client: Client) -> None:
    await client.call("POST", GADGETS, gadget())
    patches = [{"metadata": {"labels": {f"l{n}": "x"}}} for n in range(8)]
    await asyncio.gather(
        *(
            client.call("PATCH", f"{GADGETS}/one", patch, Content_Type="application/merge-patch+json")
            for patch in patches
        )
    )
    _, read = await client.call("GET", f"{GADGETS}/one")
    assert set(read["metadata"]["labels"]) == {f"l{n}" for n in range(8)}


async def test_finalizers_hold_a_deletion(client: Client) -> None:
    await client.call("POST", GADGETS, gadget(finalizers=["test/hold"]))
    code, held = await client.call("DELETE", f"{GADGETS}/one")
    assert (code, bool(held["metadata"]["deletionTimestamp"])) == (200, True)
    await client.call(
        "PATCH", f"{GADGETS}/one", {"metadata": {"finalizers": None}}, Content_Type="application/merge-patch+json"
    )
    code, _ = await client.call("GET", f"{GADGETS}/one")
    assert code == 404


async def test_a_dying_object_takes_no_new_finalizers(client: Client) -> None:
    await client.call("POST", GADGETS, gadget(finalizers=["test/hold"]))
    await client.call("DELETE", f"{GADGETS}/one")
    code, status = await client.call("PUT", f"{GADGETS}/one", gadget(finalizers=["test/hold", "test/more"]))
    assert code == 422
    assert [cause["field"] for cause in status["details"]["causes"]] == ["metadata.finalizers"]


async def test_a_delete_keeps_to_its_preconditions(client: Client) -> None:
    await client.call("POST", GADGETS, gadget())
    code, _ = await client.call("DELETE", f"{GADGETS}/one", {"preconditions": {"uid": "other"}})
    assert code == 409
    code, status = await client.call("DELETE", f"{GADGETS}/one")
    assert (code, status["status"]) == (200, "Success")
    assert (await client.call("DELETE", f"{GADGETS}/one"))[0] == 404


async def test_a_dry_run_answers_and_changes_nothing(client: Client) -> None:
    code, made = await client.call("POST", f"{GADGETS}?dryRun=All", gadget())
    assert (code, made["spec"]["colour"]) == (201, "green")
    assert (await client.call("GET", f"{GADGETS}/one"))[0] == 404


async def test_pages_show_one_snapshot_while_objects_change(client: Client) -> None:
    for n in range(5):
        await client.call("POST", GADGETS, gadget(f"g{n}"))
    _, first = await client.call("GET", f"{GADGETS}?limit=2")
    assert first["metadata"]["remainingItemCount"] == 3
    await client.call("DELETE", f"{GADGETS}/g3")
    await client.call("POST", GADGETS, gadget("g2x"))
    _, rest = await client.call("GET", f"{GADGETS}?continue={first['metadata']['continue']}")
    assert [item["metadata"]["name"] for item in first["items"] + rest["items"]] == [f"g{n}" for n in range(5)]
    assert rest["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


async def test_selectors_narrow_a_list(client: Client) -> None:
    await client.call("POST", GADGETS, gadget("a", labels={"tier": "web"}))
    await client.call("POST", GADGETS, gadget("b", labels={"tier": "db"}))
    _, by_label = await client.call("GET", f"{GADGETS}?labelSelector=tier%20in%20(web)")
    _, by_field = await client.call("GET", f"{GADGETS}?fieldSelector=metadata.name%3Db")
    assert [item["metadata"]["name"] for item in by_label["items"] + by_field["items"]] == ["a", "b"]
    assert (await client.call("GET", f"{GADGETS}?fieldSelector=spec.size%3D1"))[0] == 400


async def test_a_collection_is_deleted_by_selector(client: Client) -> None:
    await client.call("POST", GADGETS, gadget("a", labels={"tier": "web"}))
    await client.call("POST", GADGETS, gadget("b"))
    await client.call("DELETE", f"{GADGETS}?labelSelector=tier%3Dweb")
    _, left = await client.call("GET", GADGETS)
    assert [item["metadata"]["name"] for item in left["items"]] == ["b"]


async def test_kubectl_gets_a_table(client: Client) -> None:
    await client.call("POST", GADGETS, gadget())
    await client.call("PUT", f"{GADGETS}/one/status", {**gadget(), "status": {"phase": "Good"}})
    _, table = await client.call("GET", GADGETS, Accept=TABLE)
    assert table["kind"] == "Table"
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Phase"]
    assert table["rows"][0]["cells"] == ["one", "Good"]


async def test_an_old_version_shows_its_own_shape_and_loses_nothing(client: Client) -> None:
    await client.call("POST", GADGETS, {**gadget(size=3), "spec": {"size": 3, "colour": "red"}})
    code, alpha, headers = await client.call_with_headers("GET", f"{ALPHA_GADGETS}/one")
    assert (code, alpha["apiVersion"], alpha["spec"]["length"]) == (200, "gadgets.test/v1alpha1", 3)
    assert headers["Warning"] == '299 - "use v1"'
    alpha["spec"]["length"] = 4
    code, _ = await client.call("PUT", f"{ALPHA_GADGETS}/one", alpha)
    assert code == 200
    _, hub = await client.call("GET", f"{GADGETS}/one")
    assert hub["spec"] == {"size": 4, "colour": "red"}


async def test_a_watch_tells_every_change_in_order(client: Client) -> None:
    _, before = await client.call("GET", GADGETS)
    async with client.watch(f"{GADGETS}?resourceVersion={before['metadata']['resourceVersion']}") as stream:
        await client.call("POST", GADGETS, gadget())
        await client.call("PUT", f"{GADGETS}/one", gadget(size=2))
        await client.call("DELETE", f"{GADGETS}/one")
        events = [json.loads(await stream.content.readline()) for _ in range(3)]
    assert [event["type"] for event in events] == ["ADDED", "MODIFIED", "DELETED"]
    revisions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert revisions == sorted(revisions)


async def test_an_object_that_leaves_a_selector_is_deleted_for_its_watcher(client: Client) -> None:
    await client.call("POST", GADGETS, gadget(labels={"in": "yes"}))
    async with client.watch(f"{GADGETS}?labelSelector=in%3Dyes") as stream:
        await client.call("PUT", f"{GADGETS}/one", gadget(labels={"in": "no"}))
        events = [json.loads(await stream.content.readline()) for _ in range(2)]
    assert [event["type"] for event in events] == ["ADDED", "DELETED"]


async def test_initial_events_end_with_a_marked_bookmark(client: Client) -> None:
    await client.call("POST", GADGETS, gadget())
    query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    async with client.watch(f"{GADGETS}?{query}") as stream:
        events = [json.loads(await stream.content.readline()) for _ in range(2)]
    assert [event["type"] for event in events] == ["ADDED", "BOOKMARK"]
    assert events[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_a_watch_ends_at_its_timeout(client: Client) -> None:
    async with client.watch(f"{GADGETS}?timeoutSeconds=1") as stream:
        assert await stream.content.read() == b""
