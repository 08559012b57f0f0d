"""Objects made up from the published schemas, so that no field is forgotten when one is added.

A thousand a second are needed, so they are drawn from :mod:`random` rather than from hypothesis: an object is named
by a seed. How many of the optional fields an object has varies from few to most, so among many that show a fault is a
short one.
"""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from hypothesis import strategies as st

import openapi
from apiserver.machinery.schema import Catalogue
from apiserver.machinery.structural import REF_PREFIX, referenced

CATALOGUE = Catalogue.load(openapi.DIRECTORY)
QUANTITIES = ["64Mi", "1.5Gi", "128M", "1e3", "0.5", "1234567", "9Ei", "007Mi", "1000k", "0", "12345678901234567890"]
METHODS = ("masquerade", "bridge", "sriov", "passtBinding", "binding", "slirp", "macvtap", "passt")
NAMES = ("a", "b", "c", "d")
MOMENT = "2026-01-02T03:04:05Z"

Object = dict[str, Any]
Draw = Callable[["Dice"], Any]
"""Makes one value."""


class Dice:
    """What a value depends on: chance, how many optional fields it has, and how deep it may still go."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311  # made-up objects, not secrets
        self._density = self.random.choice((0.05, 0.1, 0.2, 0.4, 0.7))
        self.depth = 0

    def wants(self) -> bool:
        """Return True for an optional field that is there; deeper ones are rarer, so that objects end."""
        return self.random.random() < self._density * (1.0 if self.depth < 6 else 0.5)


class Generator:
    """Makes valid objects of one group-version."""

    def __init__(self, version: str, group: str = "kubevirt.io") -> None:
        self._group, self._version = group, version
        self._definitions = CATALOGUE.definitions(group, version)
        self._drawn: dict[str, Draw] = {}

    def of(self, name: str) -> st.SearchStrategy[Any]:
        """Return the strategy of a definition, such as ``VirtualMachineSpec``."""
        return st.integers(0, 2**32).map(lambda seed: self.make(name, seed))

    def make(self, name: str, seed: int) -> Any:
        """Return the value of a definition that ``seed`` names."""
        full = next(each for each in self._definitions if each == name or each.endswith(f".{self._version}.{name}"))
        return self._draw(full)(Dice(seed))

    def object(self, kind: str, seed: int) -> Object:
        """Return the object of ``kind`` that ``seed`` names, with any valid spec and status."""
        made = self._draw(CATALOGUE.schema(self._group, self._version, kind).name)(Dice(seed))
        annotations = Random(seed).choice(({}, {}, {"mine": "x"}, {"virtplane.io/v1alpha1-disk-names": '{"a":"z"}'}))  # noqa: S311
        metadata = {"name": "a"} | ({"annotations": annotations} if annotations else {})
        return {**made, "apiVersion": f"{self._group}/{self._version}", "kind": kind, "metadata": metadata}

    def _draw(self, full: str) -> Draw:
        if full not in self._drawn:
            self._drawn[full] = self._later(full)  # schemas may contain themselves
            self._drawn[full] = self._special(full)
        return self._drawn[full]

    def _later(self, full: str) -> Draw:
        def draw(dice: Dice) -> Any:
            return self._drawn[full](dice)

        return draw

    def _special(self, full: str) -> Draw:
        made = self._schema(self._definitions[full])
        match full.rpartition(".")[2]:
            case "ObjectMeta":
                return lambda dice: {"labels": {dice.random.choice(NAMES): "x"}} if dice.wants() else {}
            case "Interface":
                return lambda dice: _with_method(made(dice), dice)
            case "VirtualMachineSpec" if "runStrategy" in self._definitions[full].get("properties", {}):
                return lambda dice: _with_power(made(dice), dice)
            case _:
                return made

    def _schema(self, schema: Mapping[str, Any]) -> Draw:
        name, _ = referenced(dict(schema))
        if name is not None:
            return self._draw(name.removeprefix(REF_PREFIX))
        if "enum" in schema:
            return _one_of(schema["enum"])
        if schema.get("x-kubernetes-int-or-string"):
            return _one_of([*QUANTITIES, 0, 2**30])
        match schema.get("type", "object"):
            case "boolean":
                return lambda dice: dice.random.random() < 0.5
            case "integer":
                least, most = schema.get("minimum", -3), schema.get("maximum", 2**31 - 1)
                return _one_of([each for each in (least, 0, 1, 3, most) if least <= each <= most])
            case "number":
                return _one_of([0.5, 2, 1e9])
            case "string":
                return _one_of(_texts(schema))
            case "array":
                return _list(self._schema(schema["items"]), schema)
            case _:
                return self._object(schema)

    def _object(self, schema: Mapping[str, Any]) -> Draw:
        if isinstance(values := schema.get("additionalProperties"), dict):
            value = self._schema(values)
            return lambda dice: {name: value(dice) for name in dice.random.sample(NAMES, dice.random.randint(0, 2))}
        required = schema.get("required", ())
        fields = [
            (key, key in required, _one_of(NAMES) if _is_name(key, each) else self._schema(each))
            for key, each in schema.get("properties", {}).items()
        ]

        def draw(dice: Dice) -> Object:
            dice.depth += 1
            made = {key: value(dice) for key, needed, value in fields if needed or dice.wants()}
            dice.depth -= 1
            return made

        return draw


def objects(version: str, kind: str, group: str = "kubevirt.io") -> st.SearchStrategy[Any]:
    """Return a strategy of objects of ``kind`` with any valid spec."""
    generator = Generator(version, group)
    return st.integers(0, 2**32).map(lambda seed: generator.object(kind, seed))


def _is_name(key: str, schema: Mapping[str, Any]) -> bool:
    return key in ("name", "volumeName") and "enum" not in schema


def _one_of(values: Any) -> Draw:
    return lambda dice: dice.random.choice(values)


def _texts(schema: Mapping[str, Any]) -> list[str]:
    match schema:
        case {"format": "date-time"}:
            return [MOMENT]
        case {"format": "byte"}:
            return ["", "eA=="]
        case {"pattern": _}:
            return ["0.5"]
        case _:
            return ["x", "yz"] if schema.get("minLength") else ["", "x", "yz"]


def _list(item: Draw, schema: Mapping[str, Any]) -> Draw:
    least, most = schema.get("minItems", 0), schema.get("maxItems", 3)
    keys = schema.get("x-kubernetes-list-map-keys")

    def draw(dice: Dice) -> list[Any]:
        made = (item(dice) for _ in range(dice.random.randint(least, min(3, most))))
        return list({_identity(each, keys): each for each in made}.values())

    return draw


def _identity(item: Any, keys: list[str] | None) -> str:
    if isinstance(item, dict):
        return repr([item.get(key) for key in keys]) if keys else item.get("volumeName", item.get("name", repr(item)))
    return repr(item)


def _with_method(interface: Object, dice: Dice) -> Object:
    """Give an interface one way to reach its network, or none, of those that it came with."""
    methods = [key for key in METHODS if key in interface]
    kept = dice.random.choice(methods) if methods else None
    rest = {key: value for key, value in interface.items() if key not in METHODS or key == kept}
    if kept == "binding":
        rest["binding"] = {"name": dice.random.choice(("slirp", "passt", "of-the-future"))}
    return rest


def _with_power(spec: Object, dice: Dice) -> Object:
    rest = {key: value for key, value in spec.items() if key not in ("running", "runStrategy")}
    power = dice.random.choice(["Always", "Halted", "Manual", "Once", True, False])
    return rest | ({"running": power} if isinstance(power, bool) else {"runStrategy": power})
