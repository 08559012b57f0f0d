"""Presets: hardware that an instance gets by its labels, where it says nothing of its own.

Source: KubeVirt's ``pkg/virt-api/webhooks/mutating-webhook/mutators/preset.go``.
"""

from collections.abc import Iterator
from itertools import combinations
from typing import Any

from apiserver.machinery.cloning import clone
from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object, Stored
from apiserver.machinery.selectors import label_selector

PRESETS = "virtualmachineinstancepresets.kubevirt.io"
EXCLUDED = "virtualmachineinstancepresets.admission.kubevirt.io/exclude"
"""The annotation of an instance that wants none, with the value ``true``."""
APPLIED = "virtualmachinepreset.kubevirt.io/"
"""How the annotations begin that name the presets which an instance got."""
_PLACES = (
    ("cpu",),
    ("firmware",),
    ("clock", "utc"),
    ("clock", "timezone"),
    ("clock", "timer"),
    ("features",),
    ("devices", "watchdog"),
    ("ioThreadsPolicy",),
)
"""What a preset can give beside requests: each is given as a whole or not at all."""


def apply_presets(instance: Object, stored: Stored) -> None:
    """Give a new instance what the presets for it have, unless they contradict each other."""
    if any(preset_errors(instance, stored)):
        return  # validation tells that
    for preset in _presets_for(instance, stored):
        if _merge(preset["spec"]["domain"], instance["spec"]["domain"]):
            annotations = instance["metadata"].setdefault("annotations", {})
            annotations[f"{APPLIED}{preset['metadata']['name']}"] = "kubevirt.io/v1"


def preset_errors(instance: Object, stored: Stored) -> Iterator[FieldError]:
    """Yield an error for every two presets for the instance that contradict each other."""
    for one, other in combinations(_presets_for(instance, stored), 2):
        if places := _conflicts(one["spec"]["domain"], other["spec"]["domain"]):
            names = " and ".join(each["metadata"]["name"] for each in (one, other))
            detail = f"the presets {names} want different {', '.join(places)}; no instance can have both"
            yield FieldError.forbidden("metadata.labels", detail)


def _presets_for(instance: Object, stored: Stored) -> list[Object]:
    metadata = instance["metadata"]
    if metadata.get("annotations", {}).get(EXCLUDED) == "true":
        return []
    labels = metadata.get("labels", {})
    found = (
        preset
        for preset in stored.all(PRESETS, metadata.get("namespace", ""))
        if label_selector(preset["spec"].get("selector", {})).matches_labels(labels)
    )
    return sorted(found, key=lambda preset: preset["metadata"]["name"])


def _conflicts(one: Object, other: Object) -> list[str]:
    requests, others = (each.get("resources", {}).get("requests", {}) for each in (one, other))
    both = sorted(requests.keys() & others.keys())
    different = [f"resources.requests.{name}" for name in both if requests[name] != others[name]]
    for place in _PLACES:
        values = [_value(each, place) for each in (one, other)]
        if None not in values and values[0] != values[1]:
            different.append(".".join(place))
    return different


def _merge(preset: Object, domain: Object) -> bool:
    """Fill in ``domain``; return True when it then has anything as the preset wants it."""
    applied = False
    for place in (("resources", "requests"), *_PLACES):
        wanted = _value(preset, place)
        if wanted is None:
            continue
        *ahead, last = place
        owner = domain
        for name in ahead:
            owner = owner.setdefault(name, {})
        if last not in owner:
            owner[last] = clone(wanted)
        applied = applied or owner[last] == wanted
    return applied


def _value(domain: Object, place: tuple[str, ...]) -> Any:
    found: Any = domain
    for name in place:
        found = found.get(name)
        if found is None:
            return None
    return found
