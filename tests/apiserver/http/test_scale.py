"""The scale subresource of a kind made for these tests, which has replicas."""

from typing import Any

import pytest

from tests.apiserver.http.gadgets import Client

FLEETS = "/apis/gadgets.test/v1/namespaces/default/fleets"
ONE = f"{FLEETS}/one"
SCALE = f"{ONE}/scale"
MERGE = {"Content_Type": "application/merge-patch+json"}
APPLY = {"Content_Type": "application/apply-patch+yaml"}
REPLICAS = {"f:spec": {"f:replicas": {}}}


def scale(replicas: int | None = None, **metadata: Any) -> dict[str, Any]:
    spec = {} if replicas is None else {"replicas": replicas}
    return {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "one", **metadata}, "spec": spec}


@pytest.fixture
async def fleet(client: Client) -> dict[str, Any]:
    """A fleet of two, red ones."""
    body = {"metadata": {"name": "one"}, "spec": {"replicas": 2, "colour": "red"}}
    code, created = await client.call("POST", f"{FLEETS}?fieldManager=maker", body)
    assert code == 201
    return created


async def now(client: Client) -> dict[str, Any]:
    code, found = await client.call("GET", ONE)
    assert code == 200
    return found


def entries(obj: dict[str, Any]) -> dict[tuple[str, str], tuple[str, Any]]:
    """What each manager owns in which version, by name and subresource."""
    return {
        (each["manager"], each.get("subresource", "")): (each["apiVersion"], each["fieldsV1"])
        for each in obj["metadata"]["managedFields"]
    }


async def test_an_object_is_shown_as_its_scale(client: Client, fleet: dict[str, Any]) -> None:
    status = {"status": {"replicas": 1, "labelSelector": "app=x"}}
    _, told = await client.call("PATCH", f"{ONE}/status", status, **MERGE)
    code, shown = await client.call("GET", SCALE)
    metadata = {key: told["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion")}
    assert (code, shown) == (
        200,
        {
            "apiVersion": "autoscaling/v1",
            "kind": "Scale",
            "metadata": {**metadata, "creationTimestamp": fleet["metadata"]["creationTimestamp"]},
            "spec": {"replicas": 2},
            "status": {"replicas": 1, "selector": "app=x"},
        },
    )


async def test_what_says_no_replicas_has_one(client: Client) -> None:
    await client.call("POST", FLEETS, {"metadata": {"name": "one"}, "spec": {}})
    _, shown = await client.call("GET", SCALE)
    assert (shown["spec"], shown["status"]) == ({"replicas": 1}, {"replicas": 0})


async def test_what_is_missing_has_no_scale(client: Client) -> None:
    for method, body in (("GET", None), ("PUT", scale(1))):
        code, answer = await client.call(method, SCALE, body)
        assert (code, answer["message"]) == (404, 'fleets.gadgets.test "one" not found')
    assert (await client.call("GET", f"{FLEETS.replace('fleets', 'gadgets')}/one/scale"))[0] == 404


@pytest.mark.usefixtures("fleet")
async def test_scaling_changes_the_replicas_and_nothing_else(client: Client) -> None:
    code, shown = await client.call("PUT", SCALE, scale(5))
    assert (code, shown["kind"], shown["spec"]) == (200, "Scale", {"replicas": 5})
    found = await now(client)
    assert found["spec"] == {"replicas": 5, "colour": "red"}
    assert found["metadata"]["generation"] == 2
    assert found["metadata"]["resourceVersion"] == shown["metadata"]["resourceVersion"]


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        ("application/merge-patch+json", {"spec": {"replicas": 3}}),
        ("application/json-patch+json", [{"op": "replace", "path": "/spec/replicas", "value": 3}]),
    ],
)
async def test_a_scale_can_be_patched(client: Client, media_type: str, body: Any) -> None:
    code, shown = await client.call("PATCH", SCALE, body, Content_Type=media_type)
    assert (code, shown["spec"], (await now(client))["spec"]["replicas"]) == (200, {"replicas": 3}, 3)


async def test_a_scale_of_an_older_state_conflicts(client: Client, fleet: dict[str, Any]) -> None:
    _, first = await client.call("PUT", SCALE, scale(3, resourceVersion=fleet["metadata"]["resourceVersion"]))
    code, answer = await client.call("PUT", SCALE, scale(4, resourceVersion=fleet["metadata"]["resourceVersion"]))
    assert (code, answer["reason"]) == (409, "Conflict")
    stale = {"metadata": {"resourceVersion": fleet["metadata"]["resourceVersion"]}, "spec": {"replicas": 4}}
    assert (await client.call("PATCH", SCALE, stale, **MERGE))[0] == 409
    assert (await client.call("PUT", SCALE, scale(4, uid="another")))[0] == 409
    assert (await now(client))["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


@pytest.mark.usefixtures("fleet")
async def test_a_scale_that_cannot_be_is_refused(client: Client) -> None:
    code, answer = await client.call("PUT", SCALE, scale(-1))
    assert code == 422
    assert answer["message"] == (
        'Scale.autoscaling "one" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0'
    )
    code, answer = await client.call("PUT", SCALE, scale(101))
    assert (code, answer["details"]["kind"], answer["details"]["causes"][0]["field"]) == (422, "Fleet", "spec.replicas")
    for wrong in ({"kind": "Fleet"}, {"apiVersion": "gadgets.test/v1"}, {"metadata": {"name": "two"}}):
        assert (await client.call("PUT", SCALE, scale(1) | wrong))[0] == 400
    code, answer = await client.call("PUT", f"{SCALE}?fieldValidation=Strict", {**scale(1), "colour": "red"})
    assert (code, 'unknown field "colour"' in answer["message"]) == (400, True)
    assert (await now(client))["metadata"]["generation"] == 1


@pytest.mark.usefixtures("fleet")
async def test_a_dry_run_scales_nothing(client: Client) -> None:
    code, shown = await client.call("PUT", f"{SCALE}?dryRun=All", scale(5))
    assert (code, shown["spec"]["replicas"], (await now(client))["spec"]["replicas"]) == (200, 5, 2)


@pytest.mark.usefixtures("fleet")
async def test_who_scales_owns_the_replicas_by_their_path_in_the_object(client: Client) -> None:
    await client.call("PUT", f"{SCALE.replace('/v1/', '/v1alpha1/')}?fieldManager=scaler", scale(5))
    assert entries(await now(client)) == {
        ("maker", ""): ("gadgets.test/v1", {"f:spec": {".": {}, "f:colour": {}}}),
        ("scaler", "scale"): ("gadgets.test/v1alpha1", REPLICAS),
    }


@pytest.mark.usefixtures("fleet")
async def test_a_scale_that_changes_nothing_takes_nothing(client: Client) -> None:
    before = await now(client)
    await client.call("PUT", f"{SCALE}?fieldManager=scaler", scale(2))
    assert await now(client) == before


@pytest.mark.usefixtures("fleet")
async def test_an_applied_scale_conflicts_with_the_owner_of_the_replicas(client: Client) -> None:
    code, answer = await client.call("PATCH", f"{SCALE}?fieldManager=scaler", scale(5), **APPLY)
    assert (code, answer["message"]) == (
        409,
        'Apply failed with 1 conflict: conflict with "maker" using gadgets.test/v1: .spec.replicas',
    )
    code, shown = await client.call("PATCH", f"{SCALE}?fieldManager=scaler&force=true", scale(5), **APPLY)
    assert (code, shown["spec"]) == (200, {"replicas": 5})
    found = await now(client)
    assert found["spec"] == {"replicas": 5, "colour": "red"}
    assert entries(found)["scaler", "scale"] == ("gadgets.test/v1", REPLICAS)
    applied = {"apiVersion": "gadgets.test/v1", "kind": "Fleet", "metadata": {"name": "one"}, "spec": {"replicas": 1}}
    code, answer = await client.call("PATCH", f"{ONE}?fieldManager=another", applied, **APPLY)
    assert (code, answer["message"]) == (
        409,
        'Apply failed with 1 conflict: conflict with "scaler" with subresource "scale": .spec.replicas',
    )


@pytest.mark.usefixtures("fleet")
async def test_a_scale_is_shown_as_a_table_and_as_its_metadata(client: Client) -> None:
    _, table = await client.call("GET", SCALE, Accept="application/json;as=Table;g=meta.k8s.io;v=v1")
    assert [each["name"] for each in table["columnDefinitions"]] == ["Name", "Desired", "Available", "Age"]
    assert table["rows"][0]["cells"][:3] == ["one", 2, 0]
    _, partial = await client.call("GET", SCALE, Accept="application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1")
    assert (partial["kind"], partial["metadata"]["name"]) == ("PartialObjectMetadata", "one")


async def test_discovery_and_openapi_tell_of_a_scale_of_another_group(client: Client) -> None:
    _, found = await client.call("GET", "/apis/gadgets.test/v1")
    entry = next(each for each in found["resources"] if each["name"] == "fleets/scale")
    verbs = ["get", "patch", "update"]
    kind = {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    assert entry == {"name": "fleets/scale", "singularName": "", "namespaced": True, "verbs": verbs, **kind}
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    _, found = await client.call("GET", "/apis", Accept=accept)
    fleets = next(each for each in found["items"][0]["versions"][0]["resources"] if each["resource"] == "fleets")
    assert {"subresource": "scale", "responseKind": kind, "verbs": verbs} in fleets["subresources"]
    _, document = await client.call("GET", "/openapi/v3/apis/gadgets.test/v1")
    path = document["paths"]["/apis/gadgets.test/v1/namespaces/{namespace}/fleets/{name}/scale"]
    assert path["put"]["x-kubernetes-group-version-kind"] == kind
    assert path["put"]["operationId"] == "replaceGadgetsTestV1NamespacedFleetScale"
    [schema] = {str(each["schema"]) for each in path["get"]["responses"]["200"]["content"].values()}
    assert "test.autoscaling.v1.Scale" in schema
    assert "test.autoscaling.v1.Scale" in document["components"]["schemas"]
    _, v2 = await client.call("GET", "/openapi/v2")
    assert "test.autoscaling.v1.Scale" in v2["definitions"]


async def test_only_who_may_scale_does(client_as: Any) -> None:
    eve = await client_as("eve")
    code, answer = await eve.call("PUT", SCALE, scale(1))
    assert (code, 'cannot update resource "fleets/scale"' in answer["message"]) == (403, True)
