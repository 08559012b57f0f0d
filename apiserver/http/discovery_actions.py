"""Actions in discovery: by their names alone, so that no client takes the kind they answer with for theirs.

Source: KubeVirt's ``pkg/virt-api/api.go``; what kube-apiserver's aggregator makes of that for the aggregated form.
"""

from collections.abc import Iterable
from typing import Any

from apiserver.machinery.action import Action, ObjectAction

_NO_KIND = {"group": "", "version": "", "kind": ""}
"""What clients skip, rather than stumble over, in place of a kind."""


def legacy_entry(action: Action) -> dict[str, Any]:
    """Return the ``APIResource`` of an action."""
    entry: dict[str, Any] = {"name": action.whole_resource, "singularName": "", "namespaced": True}
    entry |= {"kind": "", "verbs": []}
    if (kind := _announced(action)) is not None:
        entry |= {**kind, "verbs": [action.verb]}
    return entry


def _announced(action: Action) -> dict[str, str] | None:
    """Return the kind of an action where discovery is to tell it."""
    if not isinstance(action, ObjectAction) or not action.announced:
        return None
    return {"group": action.returns.group, "version": action.returns.hub.name, "kind": action.returns.kind}


def with_actions(served: Iterable[dict[str, Any]], actions: Iterable[Action]) -> list[dict[str, Any]]:
    """Return the ``APIResourceDiscovery`` of each plural that is ``served`` or has actions, with these."""
    entries = {entry["resource"]: entry for entry in served}
    for action in actions:
        entry = entries.setdefault(
            action.resource,
            {
                "resource": action.resource,
                "responseKind": _NO_KIND,
                "scope": "Namespaced",
                "singularResource": "",
                "verbs": [],
            },
        )
        if action.subresource:
            named: dict[str, Any] = {"subresource": action.subresource, "responseKind": _NO_KIND, "verbs": []}
            if (kind := _announced(action)) is not None:
                named |= {"responseKind": kind, "verbs": [action.verb]}
            entry.setdefault("subresources", []).append(named)
    return list(entries.values())
