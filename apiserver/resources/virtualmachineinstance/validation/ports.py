"""The ports of a guest that its pod network lets in."""

import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object
from apiserver.resources.gates import gate_errors
from apiserver.resources.virtualmachineinstance.validation.interfaces import listed_interfaces
from apiserver.resources.virtualmachineinstance.validation.values import one_of
from kube.configuration import Configuration

PROTOCOLS = ("TCP", "UDP")
MOST_RANGES = 10
"""KubeVirt's limit."""
_HIGHEST = 65535
_LONGEST_NAME = 15
_NAME = re.compile(r"(?=.*[a-z])[a-z0-9](?:-?[a-z0-9])*")


def ports(spec: Object, path: str) -> Iterator[FieldError]:
    """A port is one, and has a name of its own if any."""
    for interface, field in _on_pod_network(spec, path):
        seen: set[str] = set()
        for i, port in enumerate(interface.get("ports", ())):
            at, name = f"{field}.ports[{i}]", port.get("name", "")
            yield from one_of(port, "protocol", PROTOCOLS, at)
            yield from _number(port["port"], f"{at}.port")
            if name and (len(name) > _LONGEST_NAME or not _NAME.fullmatch(name)):
                detail = f"must have at most {_LONGEST_NAME} lower-case letters, digits and single '-', with a letter"
                yield FieldError.invalid(f"{at}.name", name, detail)
            if name and name in seen:
                yield FieldError.duplicate(f"{at}.name", name)
            seen.add(name)


def ranges(spec: Object, path: str) -> Iterator[FieldError]:
    """Ranges are in place of single ports, few, and apart from each other."""
    for interface, field in _on_pod_network(spec, path):
        if "portRanges" not in interface:
            continue
        if "ports" in interface:
            yield FieldError.forbidden(f"{field}.portRanges", "ports and portRanges exclude each other; remove one")
        if "masquerade" not in interface:
            detail = "only an interface with masquerade: {} lets ranges of ports in"
            yield FieldError.forbidden(f"{field}.portRanges", detail)
        if len(interface["portRanges"]) > MOST_RANGES:
            detail = f"must have at most {MOST_RANGES} ranges; join some of them"
            yield FieldError("FieldValueTooMany", f"{field}.portRanges", f"Too many: {detail}")
        else:
            yield from _each_range(interface["portRanges"], f"{field}.portRanges")


def gated_ranges(spec: Object, path: str, configuration: Configuration) -> Iterator[FieldError]:
    """Ranges are behind a gate."""
    interfaces, field = listed_interfaces(spec, path)
    for i, interface in enumerate(interfaces):
        if "portRanges" in interface:
            yield from gate_errors(configuration, "PortRangesSpec", f"{field}[{i}].portRanges")


def _each_range(listed: list[Object], path: str) -> Iterator[FieldError]:
    sound: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for i, each in enumerate(listed):
        start, end, at = each["start"], each["end"], f"{path}[{i}]"
        problems = [*_number(start, f"{at}.start"), *_number(end, f"{at}.end")]
        if each["protocol"] not in PROTOCOLS:
            problems.append(FieldError.not_supported(f"{at}.protocol", each["protocol"], PROTOCOLS))
        if not problems and start > end:
            problems.append(FieldError.invalid(f"{at}.start", start, f"must be at most end, {end}"))
        yield from problems
        if not problems:
            sound[each["protocol"]].append((start, end, i))
    for ordered in map(sorted, sound.values()):
        for (_, end, before), (start, _, i) in pairwise(ordered):
            if start <= end:
                detail = f"overlaps with portRanges[{before}]; join the two"
                yield FieldError.invalid(f"{path}[{i}].start", start, detail)


def _number(value: int, path: str) -> Iterator[FieldError]:
    if not 1 <= value <= _HIGHEST:
        yield FieldError.invalid(path, value, f"must be between 1 and {_HIGHEST}")


def _on_pod_network(spec: Object, path: str) -> Iterator[tuple[Object, str]]:
    """Yield the interfaces whose ports mean anything, each with its path."""
    interfaces, field = listed_interfaces(spec, path)
    pods = {network["name"] for network in spec.get("networks", ()) if "pod" in network}
    for i, interface in enumerate(interfaces):
        if interface["name"] in pods:
            yield interface, f"{field}[{i}]"


RULES = (ports, ranges)
CONFIGURED = (gated_ranges,)
