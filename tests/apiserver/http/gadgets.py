"""A kind made for these tests, and a client for it."""

from dataclasses import dataclass
from typing import Any

import aiohttp

from apiserver.machinery.conversion import Lossless
from apiserver.machinery.resource import Column, Object, Resource, Version
from apiserver.machinery.schema import Catalogue
from apiserver.resources.scale import scale

GADGETS = "/apis/gadgets.test/v1/namespaces/default/gadgets"
ALPHA_GADGETS = GADGETS.replace("/v1/", "/v1alpha1/")


class AlphaGadget:
    """v1alpha1 called the size a length, and knew no colours."""

    def to_hub(self, old: Object) -> Object:
        return {**old, "apiVersion": "gadgets.test/v1", "spec": {"size": old["spec"]["length"]}}

    def from_hub(self, hub: Object) -> Object:
        return {**hub, "apiVersion": "gadgets.test/v1alpha1", "spec": {"length": hub["spec"]["size"]}}


def gadget(name: str = "one", size: int = 1, **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "gadgets.test/v1",
        "kind": "Gadget",
        "metadata": {"name": name, **metadata},
        "spec": {"size": size},
    }


@dataclass
class Client:
    """Speaks JSON to the server under test."""

    session: aiohttp.ClientSession
    base: str

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        code, answer, _ = await self.call_with_headers(method, path, body, **headers)
        return code, answer

    async def call_with_headers(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, Any, aiohttp.typedefs.LooseHeaders]:
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        async with self.session.request(method, self.base + path, json=body, headers=named) as response:
            return response.status, await response.json(content_type=None), response.headers

    def watch(self, path: str) -> aiohttp.client._RequestContextManager:
        joint = "&" if "?" in path else "?"
        return self.session.get(f"{self.base}{path}{joint}watch=true")


def resources(catalogue: Catalogue) -> dict[tuple[str, str], Resource]:
    def version(name: str, **more: Any) -> Version:
        columns = (Column(name="Phase", json_path=".status.phase"),)
        return Version(name=name, schema=catalogue.schema("gadgets.test", name, "Gadget"), columns=columns, **more)

    gadgets = Resource(
        group="gadgets.test",
        kind="Gadget",
        plural="gadgets",
        singular="gadget",
        namespaced=True,
        versions=(
            version("v1"),
            version("v1alpha1", conversion=Lossless("v1alpha1", AlphaGadget()), deprecation="use v1"),
        ),
        short_names=("gg",),
        has_status=True,
        has_generation=True,
        selectable_fields=("status.phase",),
    )
    fleets = Resource(
        group="gadgets.test",
        kind="Fleet",
        plural="fleets",
        singular="fleet",
        namespaced=True,
        versions=tuple(
            Version(name=name, schema=catalogue.schema("gadgets.test", name, "Fleet")) for name in ("v1", "v1alpha1")
        ),
        has_status=True,
        has_generation=True,
        custom=True,
        scale=scale(catalogue),
    )
    namespaces = Resource(
        group="",
        kind="Namespace",
        plural="namespaces",
        singular="namespace",
        namespaced=False,
        versions=(Version(name="v1", schema=catalogue.schema("", "v1", "Namespace")),),
    )
    return {(each.group, each.plural): each for each in (gadgets, fleets, namespaces)}
