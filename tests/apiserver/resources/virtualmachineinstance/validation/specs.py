"""A guest that breaks no rule, edits to it, and what its author is told."""

from typing import Any

from apiserver.resources.virtualmachineinstance.validation import validate_spec
from kube.configuration import Configuration

Object = dict[str, Any]
Case = tuple[Object, str, str, str]
"""Edits to a valid spec, the path below ``spec`` of the one thing wrong then, the reason, and a part of the message."""

INVALID, REQUIRED, FORBIDDEN = "FieldValueInvalid", "FieldValueRequired", "FieldValueForbidden"
UNSUPPORTED, DUPLICATE, TOO_LONG = "FieldValueNotSupported", "FieldValueDuplicate", "FieldValueTooLong"
NOT_FOUND = "FieldValueNotFound"

PLAIN = Configuration()
"""What holds where nothing is configured."""


def gates(*enabled: str) -> Configuration:
    """A configuration with these feature gates."""
    return Configuration({"developerConfiguration": {"featureGates": list(enabled)}})


def valid() -> Object:
    return {
        "domain": {
            "memory": {"guest": "128Mi"},
            "devices": {
                "disks": [{"name": "root", "disk": {"bus": "virtio"}}, {"name": "seed", "cdrom": {"bus": "sata"}}],
                "interfaces": [{"name": "default", "masquerade": {}}],
            },
        },
        "networks": [{"name": "default", "pod": {}}],
        "volumes": [
            {"name": "root", "containerDisk": {"image": "quay.io/containerdisks/debian:12"}},
            {"name": "seed", "cloudInitNoCloud": {"userData": "#cloud-config"}},
        ],
    }


def put(spec: Object, path: str, value: Any) -> None:
    """Set the value at a path such as ``domain.devices.disks.0.serial``; a list grows by one at its end."""
    *ahead, last = [int(part) if part.isdecimal() else part for part in path.split(".")]
    at: Any = spec
    for part in ahead:
        at = at.setdefault(part, {}) if isinstance(at, dict) else at[part]
    if isinstance(at, list) and last == len(at):
        at.append(value)
    else:
        at[last] = value


def edited(edits: Object) -> Object:
    """The valid spec with every edit, by path."""
    spec = valid()
    for path, value in edits.items():
        put(spec, path, value)
    return spec


def expect(case: Case, configuration: Configuration = PLAIN) -> None:
    """The edits break one rule, whose error says where, why and what to do."""
    edits, field, reason, part = case
    found = list(validate_spec(edited(edits), "spec", configuration))
    assert [(each.field, each.reason) for each in found] == [(f"spec.{field}", reason)]
    assert part in found[0].message


def expect_right(edits: Object, configuration: Configuration = PLAIN) -> None:
    """The edits break no rule."""
    assert list(validate_spec(edited(edits), "spec", configuration)) == []
