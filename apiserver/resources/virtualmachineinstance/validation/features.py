"""Features of the board and the hypervisor: those of Hyper-V build on each other."""

from collections.abc import Iterator

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object
from apiserver.resources.virtualmachineinstance.defaults.features import HYPERV_NEEDS, NESTED_NEEDS


def hyperv_choice(spec: Object, path: str) -> Iterator[FieldError]:
    """Features of Hyper-V's are chosen one by one, or all that the host has."""
    features = spec["domain"].get("features", {})
    if "hyperv" in features and "hypervPassthrough" in features:
        detail = "hyperv and hypervPassthrough exclude each other; remove one"
        yield FieldError.forbidden(f"{path}.domain.features.hyperv", detail)


def hyperv_needs(spec: Object, path: str) -> Iterator[FieldError]:
    """What a feature needs is not switched off. What is not mentioned is switched on with it."""
    features = spec["domain"].get("features", {}).get("hyperv", {})
    for feature, needed in HYPERV_NEEDS:
        if _is_on(features, feature) and features.get(needed, {}).get("enabled") is False:
            detail = f"{feature} needs {needed}; switch that on, or {feature} off"
            yield FieldError.forbidden(f"{path}.domain.features.hyperv.{feature}", detail)


def spinlocks(spec: Object, path: str) -> Iterator[FieldError]:
    """A guest tries for a lock so many times, which no negative number is."""
    tries = spec["domain"].get("features", {}).get("hyperv", {}).get("spinlocks", {}).get("spinlocks", 0)
    if tries < 0:
        field = f"{path}.domain.features.hyperv.spinlocks.spinlocks"
        yield FieldError.invalid(field, tries, "must not be negative")


def nested_needs(spec: Object, path: str) -> Iterator[FieldError]:
    """A guest that runs guests of its own in the way of Hyper-V has the CPU's virtualization."""
    if not _is_on(spec["domain"].get("features", {}).get("hyperv", {}), "evmcs"):
        return
    name, policy = NESTED_NEEDS
    for i, feature in enumerate(spec["domain"].get("cpu", {}).get("features", ())):
        if feature["name"] == name and feature.get("policy") != policy:
            field = f"{path}.domain.cpu.features[{i}].policy"
            yield FieldError.invalid(field, feature.get("policy"), f"evmcs needs {name} with policy {policy}")


def _is_on(features: Object, name: str) -> bool:
    return name in features and features[name].get("enabled", True)


RULES = (spinlocks,)
OF_INSTANCES = (hyperv_choice, hyperv_needs, nested_needs)
