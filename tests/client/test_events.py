import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from client.api import Client
from client.events import EventRecorder
from tests.client.standin import StandIn, failure

MACHINE: dict[str, Any] = {
    "apiVersion": "kubevirt.io/v1",
    "kind": "VirtualMachine",
    "metadata": {"name": "one", "namespace": "default", "uid": "u"},
}


def events(server: StandIn) -> list[dict[str, Any]]:
    return [obj for key, obj in server.objects.items() if key[0] == "events"]


@pytest.fixture
async def recorder(client: Client) -> AsyncIterator[EventRecorder]:
    recorder = EventRecorder(client, "tester")
    task = asyncio.create_task(recorder.run())
    yield recorder
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_repeat_raises_the_count_of_one_event(recorder: EventRecorder, server: StandIn) -> None:
    for _ in range(3):
        recorder.warning(MACHINE, "Broken", "It is broken")
    await server.until(lambda: [each["count"] for each in events(server)] == [3])
    (event,) = events(server)
    assert event["involvedObject"]["name"] == "one"
    assert (event["type"], event["reason"], event["message"]) == ("Warning", "Broken", "It is broken")


async def test_different_messages_are_different_events(recorder: EventRecorder, server: StandIn) -> None:
    recorder.normal(MACHINE, "Fine", "one")
    recorder.normal(MACHINE, "Fine", "two")
    await server.until(lambda: len(events(server)) == 2)


async def test_a_counted_event_that_is_gone_is_made_anew(recorder: EventRecorder, server: StandIn) -> None:
    recorder.normal(MACHINE, "Fine", "one")
    await server.until(lambda: len(events(server)) == 1)
    server.objects.clear()
    recorder.normal(MACHINE, "Fine", "one")
    await server.until(lambda: [each["count"] for each in events(server)] == [1])


async def test_a_refused_event_fails_nobody(recorder: EventRecorder, server: StandIn) -> None:
    server.refuse["POST", "events"] = failure(403, "Forbidden")
    recorder.normal(MACHINE, "Fine", "refused")
    recorder.normal(MACHINE, "Fine", "accepted")
    await server.until(lambda: [each["message"] for each in events(server)] == ["accepted"])


async def test_too_many_events_are_dropped_rather_than_kept(client: Client) -> None:
    recorder = EventRecorder(client, "tester", capacity=1)
    recorder.normal(MACHINE, "Fine", "one")
    recorder.normal(MACHINE, "Fine", "two")
    assert recorder._waiting.qsize() == 1


async def test_events_of_cluster_scoped_objects_are_in_the_default_namespace(
    recorder: EventRecorder, server: StandIn
) -> None:
    recorder.normal({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "uid": "u"}}, "Fine", "x")
    await server.until(lambda: [each["metadata"]["namespace"] for each in events(server)] == ["default"])
