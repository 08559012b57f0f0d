"""Actions in discovery: by their names alone, so that no client takes the kind they answer with for theirs.

Source: KubeVirt's ``pkg/virt-api/api.go``; what kube-apiserver's aggregator makes of that for the aggregated form.
"""

from collections.abc import Iterable
from typing import Any

from apiserver.machinery.action import Action

_NO_KIND = {"group": "", "version": "", "kind": ""}
"""What clients skip, rather than stumble over, in place of a kind."""


def legacy_entry(action: Action) -> dict[str, Any]:
    """Return the ``APIResource`` of an action."""
    return {"name": action.whole_resource, "singularName": "", "namespaced": True, "kind": "", "verbs": []}


def aggregated_entries(actions: Iterable[Action]) -> list[dict[str, Any]]:
    """Return an ``APIResourceDiscovery`` for each plural, with what can be done with its objects."""
    entries: dict[str, dict[str, Any]] = {}
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
            named = {"subresource": action.subresource, "responseKind": _NO_KIND, "verbs": []}
            entry.setdefault("subresources", []).append(named)
    return list(entries.values())
