"""What the server counts of its requests, under Kubernetes' names."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.apiserver.http.gadgets import GADGETS, Client, gadget

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
ClientAs = Callable[[str | None], Awaitable[Client]]


async def read(client: Client, **headers: str) -> tuple[int, str, str]:
    async with client.session.get(f"{client.base}/metrics", headers=headers) as response:
        return response.status, await response.text(), response.headers["Content-Type"]


async def counted(client: Client, name: str, **labels: str) -> float:
    """Return the sum of the samples called ``name`` with at least these labels."""
    _, text, _ = await read(client)
    samples = (each for family in text_string_to_metric_families(text) for each in family.samples)
    return sum(each.value for each in samples if each.name == name and labels.items() <= each.labels.items())


GADGET = {"group": "gadgets.test", "version": "v1", "resource": "gadgets"}


async def test_requests_are_counted_by_what_they_ask_for_and_how_they_end(client: Client) -> None:
    await client.call("POST", GADGETS, gadget())
    await client.call("GET", f"{GADGETS}/one")
    await client.call("GET", f"{GADGETS}/none")
    await client.call("GET", GADGETS)
    await client.call("PATCH", f"{GADGETS}/one", {"spec": {"size": 2}}, Content_Type="application/merge-patch+json")
    await client.call("PATCH", f"{GADGETS}/one?fieldManager=me", gadget(), Content_Type="application/apply-patch+yaml")
    wanted = {("POST", "201"), ("GET", "200"), ("GET", "404"), ("LIST", "200"), ("PATCH", "200"), ("APPLY", "409")}
    for verb, code in wanted:
        assert await counted(client, "apiserver_request_total", **GADGET, verb=verb, code=code) == 1, (verb, code)
    assert await counted(client, "apiserver_request_duration_seconds_count", **GADGET, verb="GET") == 2
    assert await counted(client, "apiserver_request_total", **GADGET, scope="namespace") == 1


async def test_no_label_is_a_callers_own_word(client: Client) -> None:
    for path in ("/apis/evil.test/v1/evil", f"{GADGETS}/one/evil", f"{GADGETS}/evil", "/evil"):
        await client.call("GET", path)
    await client.call("PROPFIND", GADGETS)
    text = (await read(client))[1].lower()
    assert "evil" not in text
    assert "propfind" not in text
    assert await counted(client, "apiserver_request_total", group="", code="404") == 3
    assert await counted(client, "apiserver_request_total", verb="OTHER") == 1


async def test_who_is_refused_is_counted_too(client: Client, client_as: ClientAs) -> None:
    await (await client_as(None)).call("GET", GADGETS)
    await (await client_as("eve")).call("GET", GADGETS)
    assert await counted(client, "apiserver_request_total", **GADGET, verb="LIST", code="401") == 1
    assert await counted(client, "apiserver_request_total", **GADGET, verb="LIST", code="403") == 1


async def test_a_watch_is_counted_while_it_is_open(client: Client) -> None:
    async with client.watch(GADGETS):
        assert await counted(client, "apiserver_longrunning_requests", **GADGET, verb="WATCH") == 1
    async with asyncio.timeout(20):
        while await counted(client, "apiserver_longrunning_requests", **GADGET):
            await client.call("POST", GADGETS, gadget())  # by which the server learns that the watcher is gone
            await client.call("DELETE", f"{GADGETS}/one")


async def test_how_long_a_watch_takes_is_not_told(client: Client) -> None:
    await client.call("GET", f"{GADGETS}?watch=true&timeoutSeconds=x")
    assert await counted(client, "apiserver_request_total", **GADGET, verb="WATCH", code="400") == 1
    assert not [line for line in (await read(client))[1].splitlines() if "WATCH" in line and "duration" in line]


async def test_metrics_are_under_way_themselves_and_tell_of_the_process(client: Client) -> None:
    assert await counted(client, "apiserver_current_inflight_requests") == 1
    assert await counted(client, "process_resident_memory_bytes") > 1e6


@pytest.mark.parametrize(
    ("accept", "answered"), [("*/*", "text/plain"), ("application/openmetrics-text", "application/openmetrics-text")]
)
async def test_the_reader_chooses_the_form(client: Client, accept: str, answered: str) -> None:
    code, _, content_type = await read(client, Accept=accept)
    assert (code, content_type.partition(";")[0]) == (200, answered)


@pytest.mark.parametrize(("who", "code"), [(None, 401), ("eve", 403)])
async def test_not_everybody_may_read_them(client_as: ClientAs, who: str | None, code: int) -> None:
    assert (await read(await client_as(who)))[0] == code
