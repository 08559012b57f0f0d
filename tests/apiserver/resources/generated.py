"""Objects made up from the published schemas, so that no field is forgotten when one is added."""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

import openapi
from apiserver.machinery.schema import Catalogue
from apiserver.machinery.structural import REF_PREFIX, referenced

CATALOGUE = Catalogue.load(openapi.DIRECTORY)
QUANTITIES = ["64Mi", "1.5Gi", "128M", "1e3", "0.5", "1234567", "9Ei", "007Mi", "1000k", "0", "12345678901234567890"]
METHODS = {"masquerade": {}, "slirp": {}, "macvtap": {}, "passt": {}}

Strategy = st.SearchStrategy[Any]

names = st.sampled_from(["a", "b", "c", "d"])
texts = st.text("xyz", max_size=2)


class Generator:
    """Makes valid objects of one group-version."""

    def __init__(self, version: str) -> None:
        self._definitions = CATALOGUE.definitions("kubevirt.io", version)
        self._made: dict[str, Strategy] = {}
        self._version = version

    def of(self, name: str) -> Strategy:
        """Return the strategy of a definition, such as ``VirtualMachineSpec``."""
        full = name if "." in name else f"io.kubevirt.{self._version}.{name}"
        if full not in self._made:
            self._made[full] = st.deferred(lambda: self._special(full))
        return self._made[full]

    def _special(self, full: str) -> Strategy:
        made = self._schema(self._definitions[full])
        match full.rpartition(".")[2]:
            case "ObjectMeta":
                return st.fixed_dictionaries({}, optional={"labels": st.dictionaries(names, texts, max_size=2)})
            case "Interface":
                return st.builds(_with_method, made, self._methods(full))
            case "VirtualMachineSpec" if "runStrategy" in self._definitions[full]["properties"]:
                return st.builds(
                    _with_power, made, st.sampled_from(["Always", "Halted", "Manual", "Once", True, False])
                )
            case _:
                return made

    def _methods(self, full: str) -> Strategy:
        known = self._definitions[full]["properties"]
        methods = [{name: value} for name, value in METHODS.items() if name in known]
        if "binding" in known:
            methods += [{"binding": {"name": name}} for name in ("slirp", "passt", "of-the-future")]
        return st.sampled_from([{}, *methods])

    def _schema(self, schema: Mapping[str, Any]) -> Strategy:
        name, _ = referenced(dict(schema))
        if name is not None:
            return self.of(name.removeprefix(REF_PREFIX))
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        if schema.get("x-kubernetes-int-or-string"):
            return st.sampled_from([*QUANTITIES, 0, 2**30])
        match schema["type"]:
            case "boolean":
                return st.booleans()
            case "integer":
                return st.integers(schema.get("minimum", -3), 3) | st.just(2**31 - 1)
            case "string":
                return texts
            case "array":
                items = self._schema(schema["items"])
                return st.lists(items, max_size=3, unique_by=_identity)
            case _:
                return self._object(schema)

    def _object(self, schema: Mapping[str, Any]) -> Strategy:
        if "additionalProperties" in schema:
            return st.dictionaries(names, self._schema(schema["additionalProperties"]), max_size=2)
        made: dict[str, Strategy] = {}
        for key, each in schema.get("properties", {}).items():
            made[key] = names if key in ("name", "volumeName") else self._schema(each)
        required = schema.get("required", [])
        return st.fixed_dictionaries(
            {key: each for key, each in made.items() if key in required},
            optional={key: each for key, each in made.items() if key not in required},
        )


def objects(version: str, kind: str) -> Strategy:
    """Return a strategy of objects of ``kind`` with any valid spec."""
    spec = Generator(version).of(f"{kind}Spec")
    annotations = st.dictionaries(
        st.sampled_from(["mine", "virtplane.io/v1alpha1-disk-names"]), texts | st.just('{"a":"z"}'), min_size=1
    )
    metadata = st.fixed_dictionaries({"name": names}, optional={"annotations": annotations})
    return st.fixed_dictionaries(
        {"apiVersion": st.just(f"kubevirt.io/{version}"), "kind": st.just(kind), "metadata": metadata, "spec": spec}
    )


def _identity(item: Any) -> str:
    if isinstance(item, dict):
        return item.get("volumeName", item.get("name", repr(item)))
    return repr(item)


def _with_method(interface: dict[str, Any], method: dict[str, Any]) -> dict[str, Any]:
    rest = {key: value for key, value in interface.items() if key not in (*METHODS, "binding")}
    return rest | method


def _with_power(spec: dict[str, Any], power: str | bool) -> dict[str, Any]:
    rest = {key: value for key, value in spec.items() if key not in ("running", "runStrategy")}
    return rest | ({"running": power} if isinstance(power, bool) else {"runStrategy": power})
