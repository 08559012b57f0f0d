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


def writes(calls: Mapping[str, int], *resources: str) -> int:
    """Return how many of the calls write to these resources, or to any but those that heartbeats write to."""
    count = 0
    for name, times in calls.items():
        verb, what = name.split()[:2]
        resource = what.partition("/")[0]
        if verb in WRITES and (resource in resources if resources else resource not in HEARTBEATS):
            count += times
    return count
