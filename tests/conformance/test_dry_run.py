"""Writes that only show what they would do (Kubernetes API concepts, "Dry-run")."""

from tests.conformance.api import Api, Kind

MERGE = "application/merge-patch+json"


async def test_a_dry_run_answers_as_the_write_would_and_changes_nothing(api: Api, kind: Kind) -> None:
    made = await api.call("POST", kind.path, kind.manifest("new"), dryRun="All")
    assert (made.code, bool(made.body["metadata"]["uid"])) == (201, True)
    assert await api.get(kind, "new") is None
    before = await api.create(kind, "one")
    path, changed = f"{kind.path}/one", kind.manifest("one", labels={"a": "b"})
    for method, body, media_type in (("PUT", changed, "application/json"), ("PATCH", changed, MERGE)):
        answer = await api.call(method, path, body, content_type=media_type, dryRun="All")
        assert (answer.code, answer.body["metadata"]["labels"]) == (200, {"a": "b"})
        assert answer.body["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert (await api.call("DELETE", path, dryRun="All")).code == 200
    assert (await api.call("DELETE", kind.path, dryRun="All")).code == 200
    assert await api.get(kind, "one") == before
    assert (await api.call("POST", kind.path, kind.manifest("one"), dryRun="All")).body["reason"] == "AlreadyExists"
    assert (await api.call("PATCH", f"{kind.path}/none", {}, content_type=MERGE, dryRun="All")).code == 404
