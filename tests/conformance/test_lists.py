"""Lists and gets: how old they may be, pages of one snapshot, selectors.

Source: Kubernetes API concepts, "Resource versions" (the table of what ``resourceVersion``, ``resourceVersionMatch``,
``limit`` and ``continue`` mean together) and "Retrieving large result sets in chunks".
"""

import asyncio
import base64
from functools import partial
from pathlib import Path

import pytest

from apiserver import server as server_module
from apiserver.storage import compaction
from apiserver.storage.compaction import Compactor
from apiserver.storage.sql import SqlLog
from tests.conformance.api import CONFIG_MAP, NAMESPACE, SECONDS, Answer, Api, Kind, Object, connected
from tests.server import running_server

MARK = {"labelSelector": "mark=here"}
"""Leaves out what the server brought with it."""


def names(answer: Answer) -> list[str]:
    assert answer.code == 200, answer.body
    return [item["metadata"]["name"] for item in answer.body["items"]]


def revision(obj: Object) -> int:
    return int(obj["metadata"]["resourceVersion"])


async def create(api: Api, kind: Kind, *wanted: str) -> list[Object]:
    return [await api.create(kind, name, labels={"mark": "here"}) for name in wanted]


def refused(answer: Answer, code: int, reason: str) -> Object:
    assert (answer.code, answer.body["reason"], answer.body["code"]) == (code, reason, code), answer.body
    return answer.body


@pytest.fixture
async def history(api: Api, kind: Kind) -> dict[str, int]:
    """Objects a, b and c, then d, then a is gone; the revisions with three objects, and of now."""
    *_, third = await create(api, kind, "a", "b", "c")
    await create(api, kind, "d")
    await api.delete(kind, "a")
    newest = revision((await api.call("GET", kind.path)).body)
    return {"": 0, "0": 0, "old": revision(third), "now": newest}


THEN, NOW = ["a", "b", "c"], ["b", "c", "d"]


@pytest.mark.parametrize(
    ("match", "asked", "limit", "expected"),
    [
        # Without a limit: the newest, any, not older than.
        ("", "", 0, NOW),
        ("", "0", 0, NOW),
        ("", "old", 0, NOW),
        ("Exact", "", 0, 422),
        ("Exact", "0", 0, 422),
        ("Exact", "old", 0, THEN),
        ("Exact", "now", 0, NOW),
        ("NotOlderThan", "", 0, 422),
        ("NotOlderThan", "0", 0, NOW),
        ("NotOlderThan", "old", 0, NOW),
        # With one, a revision that is only given means exactly that one.
        ("", "", 2, NOW),
        ("", "0", 2, NOW),
        ("", "old", 2, THEN),
        ("Exact", "", 2, 422),
        ("Exact", "0", 2, 422),
        ("Exact", "old", 2, THEN),
        ("NotOlderThan", "", 2, 422),
        ("NotOlderThan", "0", 2, NOW),
        ("NotOlderThan", "old", 2, NOW),
        ("Sometimes", "old", 0, 422),
    ],
)
async def test_what_a_revision_means(
    api: Api, kind: Kind, history: dict[str, int], match: str, asked: str, limit: int, expected: list[str] | int
) -> None:
    query = MARK | {"resourceVersion": str(history[asked]) if history[asked] else asked, "limit": str(limit)}
    if match:
        query["resourceVersionMatch"] = match
    answer = await api.call("GET", kind.path, **query)
    if isinstance(expected, int):
        status = refused(answer, expected, "Invalid")
        assert status["details"]["kind"] == "ListOptions"
        assert status["details"]["causes"][0]["field"] == "resourceVersionMatch"
        return
    assert names(answer) == (expected[:limit] if limit else expected)
    assert revision(answer.body) >= history["old" if expected is THEN else "now"]
    if expected is THEN:
        assert revision(answer.body) == history["old"]
    assert bool(answer.body["metadata"].get("continue")) == bool(limit)


@pytest.mark.parametrize(
    ("match", "asked", "expected"),
    [("", "", ["c"]), ("", "0", ["c"]), ("", "old", 400), ("Exact", "old", 422), ("NotOlderThan", "old", 422)],
)
async def test_a_continued_list_brings_its_own_revision(
    api: Api, kind: Kind, history: dict[str, int], match: str, asked: str, expected: list[str] | int
) -> None:
    first = await api.call("GET", kind.path, **MARK, limit="2", resourceVersion=str(history["old"]))
    query = MARK | {"continue": first.body["metadata"]["continue"], "resourceVersion": asked and str(history[asked])}
    if match:
        query["resourceVersionMatch"] = match
    answer = await api.call("GET", kind.path, **query)
    if isinstance(expected, int):
        refused(answer, expected, "BadRequest" if expected == 400 else "Invalid")
    else:
        assert names(answer) == expected
        assert revision(answer.body) == history["old"]


async def test_pages_are_one_snapshot_while_objects_change(api: Api, kind: Kind) -> None:
    await create(api, kind, *(f"n{n}" for n in range(9)))
    page = await api.call("GET", kind.path, limit="2")
    revisions, found, remaining = {revision(page.body)}, names(page), [page.body["metadata"]["remainingItemCount"]]
    while token := page.body["metadata"].get("continue"):
        await api.call("DELETE", f"{kind.path}/n8")
        await create(api, kind, f"m{len(found)}")
        await api.patch(kind, "n7", {"metadata": {"labels": {"found": str(len(found))}}})
        page = await api.call("GET", kind.path, limit="2", **{"continue": token})
        revisions.add(revision(page.body))
        found += names(page)
        remaining.append(page.body["metadata"].get("remainingItemCount", 0))
        assert all("found" not in item["metadata"]["labels"] for item in page.body["items"] if "labels" in item)
    assert len(revisions) == 1
    assert found == sorted(found)
    assert {name for name in found if name[0] in "mn" and name[1:].isdigit()} == {f"n{n}" for n in range(9)}
    assert remaining == [len(found) - 2 * (n + 1) if n + 1 < len(remaining) else 0 for n in range(len(remaining))]


async def test_a_selector_leaves_the_rest_uncounted_and_fills_pages(api: Api, kind: Kind) -> None:
    for n in range(6):
        await api.create(kind, f"n{n}", labels={"mark": "here" if n % 2 else "there"})
    page = await api.call("GET", kind.path, **MARK, limit="2")
    assert names(page) == ["n1", "n3"]
    assert "remainingItemCount" not in page.body["metadata"]
    rest = await api.call("GET", kind.path, **MARK, limit="2", **{"continue": page.body["metadata"]["continue"]})
    assert names(rest) == ["n5"]
    assert "continue" not in rest.body["metadata"]


async def test_a_page_that_holds_all_is_the_last(api: Api, kind: Kind) -> None:
    await create(api, kind, "a", "b")
    page = await api.call("GET", kind.path, **MARK, limit="2")
    assert names(page) == ["a", "b"]
    assert page.body["metadata"].keys() == {"resourceVersion"}


@pytest.mark.parametrize("content", [b"nonsense", b"{}", b'{"v":"meta.k8s.io/v1","rv":0,"start":["",""]}', b"[1]"])
async def test_a_continue_token_that_is_none_is_refused(api: Api, kind: Kind, content: bytes) -> None:
    token = base64.urlsafe_b64encode(content).decode().rstrip("=")
    assert (
        "continue key is not valid"
        in refused(await api.call("GET", kind.path, limit="1", **{"continue": token}), 400, "BadRequest")["message"]
    )
    refused(await api.call("GET", kind.path, **{"continue": "!!"}), 400, "BadRequest")


async def test_a_revision_in_the_future_is_waited_for_and_then_a_timeout(api: Api, kind: Kind) -> None:
    [one] = await create(api, kind, "one")
    soon = str(revision(one) + 1)
    waiting = asyncio.ensure_future(api.call("GET", f"{kind.path}/one", resourceVersion=soon))
    changed = await api.patch(kind, "one", {"metadata": {"labels": {"changed": "yes"}}})
    assert (await waiting).body == changed
    far = {"resourceVersion": str(revision(changed) + 1000)}
    asked = [
        api.call("GET", kind.path, **far, resourceVersionMatch="Exact"),
        api.call("GET", kind.path, **far, resourceVersionMatch="NotOlderThan"),
        api.call("GET", f"{kind.path}/one", **far),
    ]
    for answer in await asyncio.gather(*asked):
        status = refused(answer, 504, "Timeout")
        assert "Too large resource version" in status["message"]
        assert status["details"]["retryAfterSeconds"] == 1
        assert status["details"]["causes"] == [
            {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
        ]


async def test_a_get_is_not_older_than_its_revision(api: Api, kind: Kind) -> None:
    [one] = await create(api, kind, "one")
    changed = await api.patch(kind, "one", {"metadata": {"labels": {"changed": "yes"}}})
    for asked in ("", "0", str(revision(one)), str(revision(changed))):
        assert (await api.call("GET", f"{kind.path}/one", resourceVersion=asked)).body == changed
    refused(await api.call("GET", f"{kind.path}/one", resourceVersion="-1"), 400, "BadRequest")
    refused(await api.call("GET", kind.path, resourceVersion="yesterday"), 400, "BadRequest")


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("tier=gold", ["a"]),
        ("tier==gold", ["a"]),
        ("tier!=gold", ["b", "c"]),
        ("tier in (gold,silver)", ["a", "b"]),
        ("tier notin (gold, silver)", ["c"]),
        ("tier", ["a", "b"]),
        ("!tier", ["c"]),
        ("tier in (gold,silver),size>1", ["b"]),
        ("size<2", ["a"]),
        ("tier=", []),
    ],
)
async def test_labels_select(api: Api, kind: Kind, selector: str, expected: list[str]) -> None:
    await api.create(kind, "a", labels={"mark": "here", "tier": "gold", "size": "1"})
    await api.create(kind, "b", labels={"mark": "here", "tier": "silver", "size": "2"})
    await api.create(kind, "c", labels={"mark": "here"})
    assert names(await api.call("GET", kind.path, labelSelector=f"mark=here,{selector}")) == expected


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("metadata.name=b", ["b"]),
        ("metadata.name==b", ["b"]),
        ("metadata.name!=b", ["a", "c"]),
        ("metadata.name=b,metadata.name=c", []),
        ("metadata.name=b,metadata.name!=b", []),
        ("metadata.name=", []),
        ("metadata.name=missing", []),
    ],
)
async def test_fields_select(api: Api, kind: Kind, selector: str, expected: list[str]) -> None:
    await create(api, kind, "a", "b", "c")
    answer = await api.call("GET", kind.path, **MARK, fieldSelector=selector)
    assert names(answer) == expected
    assert revision(answer.body)


async def test_one_object_by_name_is_a_list_of_one_as_of_any_revision(api: Api, kind: Kind) -> None:
    [one, _] = await create(api, kind, "one", "two")
    changed = await api.patch(kind, "one", {"metadata": {"labels": {"changed": "yes"}}})
    by_name = {"fieldSelector": "metadata.name=one", "limit": "1"}
    assert (await api.call("GET", kind.path, **by_name)).body["items"][0]["metadata"] == changed["metadata"]
    old = await api.call("GET", kind.path, **by_name, resourceVersion=one["metadata"]["resourceVersion"])
    assert old.body["items"][0]["metadata"] == one["metadata"]


@pytest.mark.parametrize(
    "query", [{"fieldSelector": "spec.missing=x"}, {"fieldSelector": "metadata.name"}, {"labelSelector": "a in b"}]
)
async def test_selectors_that_cannot_be_are_refused(api: Api, kind: Kind, query: dict[str, str]) -> None:
    refused(await api.call("GET", kind.path, **query), 400, "BadRequest")
    refused(await api.call("GET", kind.path, **query, watch="true"), 400, "BadRequest")


async def test_a_list_of_all_namespaces_is_in_their_order(api: Api) -> None:
    for namespace in ("zoo", "ark"):
        await api.create(NAMESPACE, namespace)
        for name in ("b", "a"):
            await api.create(_in(namespace), name, labels={"mark": "here"})
    everywhere = "/api/v1/configmaps"
    answer = await api.call("GET", everywhere, **MARK)
    where = [(item["metadata"]["namespace"], item["metadata"]["name"]) for item in answer.body["items"]]
    assert where == [("ark", "a"), ("ark", "b"), ("zoo", "a"), ("zoo", "b")]
    page = await api.call("GET", everywhere, **MARK, limit="3")
    rest = await api.call("GET", everywhere, **MARK, **{"continue": page.body["metadata"]["continue"]})
    assert (names(page), names(rest)) == (["a", "b", "a"], ["b"])
    assert names(await api.call("GET", everywhere, **MARK, fieldSelector="metadata.namespace=zoo")) == ["a", "b"]
    only = await api.call("GET", everywhere, **MARK, fieldSelector="metadata.namespace!=zoo,metadata.name=b")
    assert [item["metadata"]["namespace"] for item in only.body["items"]] == ["ark"]
    assert not names(await api.call("GET", _in("ark").path, fieldSelector="metadata.namespace=zoo"))


def _in(namespace: str) -> Kind:
    return Kind(CONFIG_MAP.kind, CONFIG_MAP.group, CONFIG_MAP.version, CONFIG_MAP.plural, namespace)


async def test_what_was_compacted_is_expired_and_a_list_may_go_on_inconsistently(
    tmp_path: Path, database_url: str, kind: Kind
) -> None:
    async with running_server(tmp_path, database_url=database_url) as server, connected(server) as session:
        api = Api(session)
        await create(api, kind, "a", "b", "c")
        page = await api.call("GET", kind.path, **MARK, limit="1")
        await api.delete(kind, "b")
        *_, last = await create(api, kind, "d", "e")
    # A server that starts again has no past in memory.
    async with running_server(tmp_path, database_url=database_url) as server, connected(server) as session:
        api = Api(session)
        old = {"resourceVersion": page.body["metadata"]["resourceVersion"], "resourceVersionMatch": "Exact"}
        assert names(await api.call("GET", kind.path, **MARK, **old)) == ["a", "b", "c"]
        go_on = {"continue": page.body["metadata"]["continue"]}
        assert names(await api.call("GET", kind.path, **MARK, limit="1", **go_on)) == ["b"]
        async with SqlLog(database_url) as log:
            await log.compact(revision(last))
        refused(await api.call("GET", kind.path, **MARK, **old), 410, "Expired")
        status = refused(await api.call("GET", kind.path, **MARK, limit="1", **go_on), 410, "Expired")
        go_on = {"continue": status["metadata"]["continue"]}
        rest = await api.call("GET", kind.path, **MARK, limit="2", **go_on)
        assert names(rest) == ["c", "d"]
        assert revision(rest.body) >= revision(last)
        rest = await api.call("GET", kind.path, **MARK, **{"continue": rest.body["metadata"]["continue"]})
        assert names(rest) == ["e"]


async def test_the_past_expires_by_its_age_also_where_nothing_has_changed_since(
    tmp_path: Path, database_url: str, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "KEEP_INTERVALS", 0)
    monkeypatch.setattr(server_module, "Compactor", partial(Compactor, interval_seconds=0.05))
    async with running_server(tmp_path, database_url=database_url) as server, connected(server) as session:
        api = Api(session)
        await create(api, kind, "a", "b")
        page = await api.call("GET", kind.path, **MARK, limit="1")
        await api.create(NAMESPACE, "elsewhere")
        go_on = {"continue": page.body["metadata"]["continue"]}
        async with asyncio.timeout(SECONDS):
            while (answer := await api.call("GET", kind.path, **MARK, limit="1", **go_on)).code == 200:
                pass
        status = refused(answer, 410, "Expired")
        rest = await api.call("GET", kind.path, **MARK, **{"continue": status["metadata"]["continue"]})
        assert names(rest) == ["b"]
        assert revision(rest.body) > revision(page.body)


async def test_options_of_watches_are_refused_for_lists(api: Api, kind: Kind) -> None:
    status = refused(await api.call("GET", kind.path, sendInitialEvents="true"), 422, "Invalid")
    assert [cause["field"] for cause in status["details"]["causes"]] == ["sendInitialEvents"]
    for query in ({"limit": "many"}, {"limit": "9" * 20}, {"timeoutSeconds": "soon", "watch": "1"}):
        refused(await api.call("GET", kind.path, **query), 400, "BadRequest")
    assert names(await api.call("GET", kind.path, limit="-1", **MARK)) == []
