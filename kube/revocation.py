"""Nodes whose agents are shut out: a ConfigMap in the namespace of the installation that names nodes and times.

Certificates that a node's agent was given until then are worth nothing from then on; what it is given afterwards is.
"""

from datetime import UTC, datetime

from kube.objects import Object
from kube.timestamps import from_time

CONFIG_MAP = "virtplane-revoked-nodes"


def revoked_at(config_map: Object | None, node: str) -> datetime | None:
    """Return until when whatever the agent of ``node`` was given is worth nothing; None if it never was revoked.

    A time that cannot be read means for ever.
    """
    said = ((config_map or {}).get("data") or {}).get(node)
    if said is None:
        return None
    try:
        moment = from_time(said.strip())
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)
    return moment if moment.tzinfo is not None else datetime.max.replace(tzinfo=UTC)
