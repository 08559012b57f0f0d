"""No version of any kind loses anything, whichever way an object travels and whoever edits it.

Every pair of versions is tried with at least two thousand objects that its schemas allow. A fault is told by the
shortest of them.
"""

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Any

import orjson
import pytest

from apiserver.machinery.cloning import clone
from apiserver.machinery.resource import Conversion, Resource, Version
from apiserver.resources import resources
from tests.apiserver.resources.generated import CATALOGUE, Generator
from tests.apiserver.resources.surroundings import Remembered

OBJECTS = 2000
"""The least of each pair of versions, shared by the kinds of the group."""
Object = dict[str, Any]
Path = tuple[str | int, ...]

CONVERTED = [
    (resource, version)
    for resource in resources(CATALOGUE, Remembered())
    for version in resource.versions
    if version.conversion is not None and resource.stored_as is None
]
SAME = [
    (resource, version)
    for resource in resources(CATALOGUE, Remembered())
    for version in resource.versions[1:]
    if version.conversion is None and resource.stored_as is None
]
KINDS = Counter((resource.group, version.name) for resource, version in CONVERTED)
each_pair = pytest.mark.parametrize(
    ("resource", "version"), [pytest.param(*each, id=f"{each[0].kind}-{each[1].name}") for each in CONVERTED]
)


@functools.cache
def encoded(group: str, version: str, kind: str, count: int) -> list[bytes]:
    generator = Generator(version, group)
    return [orjson.dumps(generator.object(kind, seed)) for seed in range(count)]


def made(resource: Resource, version: Version, of: Version) -> Iterator[Object]:
    """Yield objects of the version ``of``, as many as the pair of ``version`` and the hub needs of this kind."""
    count = -(-OBJECTS // KINDS[resource.group, version.name])
    for each in encoded(resource.group, of.name, resource.kind, count):
        yield orjson.loads(each)


def no_fault(objects: Iterator[Object], fault: Callable[[Object], Any]) -> None:
    """Fail with the shortest object that ``fault`` finds something wrong with, and what."""
    found: list[tuple[Object, Any]] = []
    for each in objects:
        untouched = orjson.dumps(each)
        if wrong := fault(each):
            found.append((orjson.loads(untouched), wrong))
        elif orjson.dumps(each) != untouched:
            found.append((orjson.loads(untouched), "was changed in place"))
    if found:
        shortest, wrong = min(found, key=lambda pair: len(orjson.dumps(pair[0])))
        pytest.fail(f"{len(found)} faults, such as of {orjson.dumps(shortest).decode()}: {wrong}")


def misfit(version: Version, obj: Object) -> Any:
    """Return what of ``obj`` the schema of ``version`` refuses or does not know."""
    return version.schema.validate(obj) or version.schema.prune(clone(obj))


def conversion(version: Version) -> Conversion:
    assert version.conversion is not None
    return version.conversion


@each_pair
def test_what_a_newer_client_wrote_comes_back_whole(resource: Resource, version: Version) -> None:
    def fault(hub: Object) -> Any:
        old = conversion(version).from_hub(hub)
        if wrong := misfit(version, old):
            return wrong
        back = conversion(version).to_hub(old)
        return back != hub and back

    no_fault(made(resource, version, resource.hub), fault)


@each_pair
def test_what_an_older_client_wrote_comes_back_whole(resource: Resource, version: Version) -> None:
    def fault(old: Object) -> Any:
        hub = conversion(version).to_hub(old)
        if wrong := misfit(resource.hub, hub):
            return wrong
        back = conversion(version).from_hub(hub)
        return back != old and back

    no_fault(made(resource, version, version), fault)


@each_pair
def test_the_made_up_objects_are_valid(resource: Resource, version: Version) -> None:
    for each in (resource.hub, version):
        no_fault(made(resource, version, each), functools.partial(misfit, each))


@each_pair
def test_an_older_clients_edit_changes_nothing_else(resource: Resource, version: Version) -> None:
    chances = Random(1)  # noqa: S311  # an edit, not a secret

    def fault(hub: Object) -> Any:
        old = conversion(version).from_hub(hub)
        places = [each for each in _places(old, ()) if _at(hub, each) == _at(old, each)]
        if not places:
            return None
        if chances.random() < 0.5:  # a client that drops what it does not know
            old["metadata"].pop("annotations", None)
        expected, place = clone(hub), chances.choice(places)
        for obj in (old, expected):
            _edit(obj, place)
        edited = conversion(version).to_hub(old, hub)
        return _content(edited) != _content(expected) and (place, edited)

    no_fault(made(resource, version, resource.hub), fault)


@each_pair
def test_defaults_are_no_edits(resource: Resource, version: Version) -> None:
    def fault(hub: Object) -> Any:
        hub = clone(hub)
        resource.hub.schema.apply_defaults(hub)
        old = conversion(version).from_hub(hub)
        version.schema.apply_defaults(old)
        back = conversion(version).to_hub(old, hub)
        resource.hub.schema.apply_defaults(back)
        return back != hub and back

    no_fault(made(resource, version, resource.hub), fault)


@pytest.mark.parametrize(
    ("resource", "version"), [pytest.param(*each, id=f"{each[0].kind}-{each[1].name}") for each in SAME]
)
def test_versions_without_a_conversion_have_one_shape(resource: Resource, version: Version) -> None:
    for here, there in ((version, resource.hub), (resource.hub, version)):
        objects = [orjson.loads(each) for each in encoded(resource.group, here.name, resource.kind, 100)]
        no_fault(iter(objects), functools.partial(misfit, there))


def _places(value: Any, path: Path) -> Iterator[Path]:
    """Yield where something can be edited: texts that name nothing, numbers, and lists that can lose an item."""
    items: Iterable[tuple[str | int, Any]] = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in items:
        here = (*path, key)
        if here[0] in ("apiVersion", "kind", "metadata") or key in ("name", "volumeName"):
            continue
        if isinstance(each, list) and each:
            yield here
        if isinstance(each, dict | list):
            yield from _places(each, here)
        elif isinstance(each, str | int) and not isinstance(each, bool):
            yield here


def _at(value: Any, path: Path) -> Any:
    for step in path:
        match value:
            case dict():
                value = value.get(step)
            case list() if isinstance(step, int) and step < len(value):
                value = value[step]
            case _:
                return None
    return value


def _edit(obj: Object, path: Path) -> None:
    *ahead, last = path
    parent: Any = _at(obj, tuple(ahead))
    if isinstance(parent[last], list):
        del parent[last][0]
    else:
        parent[last] = "edited" if isinstance(parent[last], str) else parent[last] + 1


def _content(obj: Object) -> Object:
    return {key: each for key, each in obj.items() if key != "metadata"}
