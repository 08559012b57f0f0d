"""Who writes much holds up nobody."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from apiserver.registry import admission, managedfields
from tests.conformance.api import CONFIG_MAP, SECONDS, Api, Object

APPLY = "application/apply-patch+yaml"
WRITES: dict[str, tuple[str, str]] = {
    "create": ("POST", "application/json"),
    "update": ("PUT", "application/json"),
    "apply": ("PATCH", APPLY),
    "merge patch": ("PATCH", "application/merge-patch+json"),
    "strategic merge patch": ("PATCH", "application/strategic-merge-patch+json"),
}


def large(name: str) -> Object:
    return {**CONFIG_MAP.manifest(name), "data": {f"key-{number}": "x" * 80 for number in range(2_000)}}


class Held:
    """Work that goes on only when it is let."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.let = threading.Event()
        self.was_let: list[bool] = []

    def wrap(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def held(*arguments: Any) -> Any:
            self.begun.set()
            self.was_let.append(self.let.wait(SECONDS))
            return work(*arguments)

        return held


HUB, APPLIED = (admission, "to_hub"), (managedfields, "applied")


@pytest.mark.parametrize(("write", "work"), [*((each, HUB) for each in WRITES), ("apply", APPLIED)])
async def test_others_are_answered_while_much_is_written(
    api: Api, write: str, work: tuple[Any, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.create(CONFIG_MAP, "small")
    if write != "create":
        await api.create(CONFIG_MAP, "large")
    held = Held()
    monkeypatch.setattr(*work, held.wrap(getattr(*work)))
    method, content_type = WRITES[write]
    path = CONFIG_MAP.path if write == "create" else f"{CONFIG_MAP.path}/large"
    body = orjson.dumps(large("large"))
    writing = asyncio.create_task(api.call(method, path, body, content_type=content_type, fieldManager="m"))
    await asyncio.to_thread(held.begun.wait, SECONDS)
    assert await api.get(CONFIG_MAP, "small")
    held.let.set()
    assert (await writing).code in (200, 201)
    assert all(held.was_let)
