"""What the server was asked for, from its own metrics."""

import re
from collections import Counter
from collections.abc import Mapping
from urllib.request import Request, urlopen

from target import REQUEST_SECONDS, Target

WRITES = ("POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION")
HEARTBEATS = ("leases", "nodes")
"""What agents write however many machines there are."""
_LINE = re.compile(r"^apiserver_request_total\{(.*)\} (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def answered(target: Target) -> Counter[str]:
    """Return how many requests were answered until now, by their verbs and resources."""
    request = Request(f"{target.url}/metrics", headers={"Authorization": f"Bearer {target.token}"})  # noqa: S310 - https
    with urlopen(request, timeout=REQUEST_SECONDS, context=target.context()) as answer:  # noqa: S310 - https
        text = answer.read().decode()
    counts: Counter[str] = Counter()
    for labels, count in _LINE.findall(text):
        told = dict(_LABEL.findall(labels))
        if told["resource"] and told["verb"] not in ("WATCH", "CONNECT"):
            what = "/".join(filter(None, (told["resource"], told["subresource"])))
            refused = "" if told["code"].startswith("2") else f" ({told['code']})"
            counts[f"{told['verb']} {what}{refused}"] += round(float(count))
    return counts


def writes(calls: Mapping[str, int]) -> int:
    """Return how many of the calls write something of a machine's."""
    return sum(
        count
        for name, count in calls.items()
        if name.startswith(tuple(f"{verb} " for verb in WRITES)) and name.split()[1] not in HEARTBEATS
    )
