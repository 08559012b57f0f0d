"""v1alpha1: ``registryDisk``, memory as a number with a unit, and disks that name their volume.

A disk had a name of its own; in v1 its name is that of its volume. The names that differ travel in an annotation of
the v1 object, so that a disk is still told apart by a newer client that removes or reorders others.
"""

import re
from typing import Any

import orjson

from apiserver.machinery.resource import Object
from apiserver.resources.virtualmachineinstance.bindings import interfaces_from_hub, interfaces_to_hub
from kube.quantity import QuantityError, parse

DISK_NAMES = "virtplane.io/v1alpha1-disk-names"
"""Annotation: a JSON object of disk names by volume name."""
_BINDINGS = ("slirp", "macvtap")
_SUFFIXES = {"TiB": "Ti", "GiB": "Gi", "MiB": "Mi", "KiB": "Ki", "B": "", "TB": "T", "GB": "G", "MB": "M", "KB": "k"}
_UNITS = {suffix: unit for unit, suffix in _SUFFIXES.items()}
_PLAIN = re.compile(r"([0-9]{1,19})(Ki|Mi|Gi|Ti|k|M|G|T|)")
_MAX_INT64 = 2**63 - 1


def to_hub(old: Object, spec: Object) -> tuple[Object, Object]:
    """Return the metadata of ``old`` and ``spec``, the instance's spec in it, in v1."""
    spec = interfaces_to_hub(spec, _BINDINGS)
    if "volumes" in spec:
        spec = {**spec, "volumes": [_renamed(each, "registryDisk", "containerDisk") for each in spec["volumes"]]}
    domain: Object = spec["domain"]
    if "memory" in domain:
        memory = domain["memory"]
        domain = {**domain, "memory": {"guest": f"{memory['value']}{_SUFFIXES[memory['unit']]}"}}
    names: dict[str, str] = {}
    if "disks" in domain["devices"]:
        disks = domain["devices"]["disks"]
        names = {each["volumeName"]: each["name"] for each in disks if each["volumeName"] != each["name"]}
        disks = [{**_without(each, "volumeName"), "name": each["volumeName"]} for each in disks]
        domain = {**domain, "devices": {**domain["devices"], "disks": disks}}
    return _with_disk_names(old["metadata"], names), {**spec, "domain": domain}


def from_hub(hub: Object, spec: Object) -> tuple[Object, Object]:
    """Return the metadata of ``hub`` and ``spec``, the instance's spec in it, in v1alpha1 as far as it can say it."""
    spec = interfaces_from_hub(spec, _BINDINGS)
    if "volumes" in spec:
        spec = {**spec, "volumes": [_renamed(each, "containerDisk", "registryDisk") for each in spec["volumes"]]}
    domain: Object = spec["domain"]
    if "memory" in domain:
        memory = _memory(domain["memory"].get("guest"))
        domain = {**domain, "memory": memory} if memory else _without(domain, "memory")
    metadata, names = _take_disk_names(hub["metadata"])
    if "disks" in domain["devices"]:
        disks = domain["devices"]["disks"]
        disks = [{**each, "volumeName": each["name"], "name": names.get(each["name"], each["name"])} for each in disks]
        domain = {**domain, "devices": {**domain["devices"], "disks": disks}}
    return metadata, {**spec, "domain": domain}


def _memory(guest: Any) -> Object | None:
    """Return a quantity as value and unit: its own unit, else the largest that keeps it whole; None if none does."""
    if found := _PLAIN.fullmatch(str(guest)):
        return _whole(int(found[1]), _UNITS[found[2]])
    try:
        exact = parse(guest)
    except QuantityError:
        return None
    for unit, suffix in _SUFFIXES.items():
        value = exact / parse(f"1{suffix}")
        if value and value == value.to_integral_value():
            return _whole(int(value), unit)
    return None


def _whole(value: int, unit: str) -> Object | None:
    return {"value": value, "unit": unit} if 0 <= value <= _MAX_INT64 else None


def _with_disk_names(metadata: Object, names: dict[str, str]) -> Object:
    if not names:
        return metadata
    text = orjson.dumps(names, option=orjson.OPT_SORT_KEYS).decode()
    return {**metadata, "annotations": {**metadata.get("annotations", {}), DISK_NAMES: text}}


def _take_disk_names(metadata: Object) -> tuple[Object, dict[str, str]]:
    """Return ``metadata`` without the annotation, and what it says. A user can write anything there."""
    annotations = metadata.get("annotations", {})
    if DISK_NAMES not in annotations:
        return metadata, {}
    rest = _without(annotations, DISK_NAMES)
    metadata = {**metadata, "annotations": rest} if rest else _without(metadata, "annotations")
    try:
        names = orjson.loads(annotations[DISK_NAMES])
    except orjson.JSONDecodeError:
        names = None
    if not isinstance(names, dict):
        return metadata, {}
    return metadata, {volume: name for volume, name in names.items() if isinstance(name, str)}


def _without(owner: Object, key: str) -> Object:
    return {each: value for each, value in owner.items() if each != key}


def _renamed(owner: Object, key: str, new: str) -> Object:
    return {new if each == key else each: value for each, value in owner.items()}
