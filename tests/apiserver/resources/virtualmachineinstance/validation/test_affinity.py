"""Rules of nodes and neighbours."""

from typing import Any

import pytest

from tests.apiserver.resources.virtualmachineinstance.validation.specs import (
    DUPLICATE,
    FORBIDDEN,
    INVALID,
    REQUIRED,
    UNSUPPORTED,
    Case,
    Object,
    expect,
    expect_right,
)

MUST, MAY = "requiredDuringSchedulingIgnoredDuringExecution", "preferredDuringSchedulingIgnoredDuringExecution"
NODES, PODS = "affinity.nodeAffinity", "affinity.podAntiAffinity"
TERM, FIRST = f"{NODES}.{MUST}.nodeSelectorTerms[0]", f"{PODS}.{MUST}[0]"
HOST = "kubernetes.io/hostname"


def expression(operator: str, *values: str, key: str = HOST) -> Object:
    return {"key": key, "operator": operator, "values": list(values)}


def nodes(**term: Any) -> Object:
    return {f"{NODES}.{MUST}": {"nodeSelectorTerms": [term]}}


def pods(**term: Any) -> Object:
    return {f"{PODS}.{MUST}": [{"topologyKey": HOST, **term}]}


def spread(**said: Any) -> Object:
    return {"maxSkew": 1, "topologyKey": HOST, "whenUnsatisfiable": "DoNotSchedule", **said}


CASES: list[Case] = [
    ({f"{NODES}.{MUST}": {"nodeSelectorTerms": []}}, f"{NODES}.{MUST}.nodeSelectorTerms", REQUIRED, "one term"),
    (nodes(matchExpressions=[expression("In")]), f"{TERM}.matchExpressions[0].values", REQUIRED, "one value for In"),
    (
        nodes(matchExpressions=[expression("Exists", "a")]),
        f"{TERM}.matchExpressions[0].values",
        FORBIDDEN,
        "remove the values",
    ),
    (
        nodes(matchExpressions=[expression("Gt", "1", "2")]),
        f"{TERM}.matchExpressions[0].values",
        REQUIRED,
        "exactly one number for Gt",
    ),
    (
        nodes(matchExpressions=[expression("Like", "a")]),
        f"{TERM}.matchExpressions[0].operator",
        UNSUPPORTED,
        "DoesNotExist",
    ),
    (
        nodes(matchExpressions=[expression("Exists", key="a b")]),
        f"{TERM}.matchExpressions[0].key",
        INVALID,
        "name part",
    ),
    (
        nodes(matchFields=[expression("Exists", key="metadata.name")]),
        f"{TERM}.matchFields[0].operator",
        UNSUPPORTED,
        "NotIn",
    ),
    (
        nodes(matchFields=[expression("In", "a", "b", key="metadata.name")]),
        f"{TERM}.matchFields[0].values",
        REQUIRED,
        "exactly one value",
    ),
    (
        nodes(matchFields=[expression("In", "a", key="metadata.uid")]),
        f"{TERM}.matchFields[0].key",
        UNSUPPORTED,
        "metadata.name",
    ),
    (
        nodes(matchFields=[expression("In", "A_", key="metadata.name")]),
        f"{TERM}.matchFields[0].values[0]",
        INVALID,
        "subdomain",
    ),
    (
        {f"{NODES}.{MAY}": [{"weight": 101, "preference": {}}]},
        f"{NODES}.{MAY}[0].weight",
        INVALID,
        "between 1 and 100",
    ),
    (
        {f"{NODES}.{MAY}": [{"weight": 1, "preference": {"matchExpressions": [expression("NotIn")]}}]},
        f"{NODES}.{MAY}[0].preference.matchExpressions[0].values",
        REQUIRED,
        "for NotIn",
    ),
    (pods(topologyKey=""), f"{FIRST}.topologyKey", REQUIRED, HOST),
    (pods(topologyKey="a/b/c"), f"{FIRST}.topologyKey", INVALID, "prefix part"),
    (pods(namespaces=["a", "B"]), f"{FIRST}.namespaces[1]", INVALID, "lower case"),
    (pods(labelSelector={"matchLabels": {"a": "b c"}}), f"{FIRST}.labelSelector.matchLabels", INVALID, "label"),
    (
        pods(labelSelector={"matchExpressions": [expression("Gt", "1")]}),
        f"{FIRST}.labelSelector.matchExpressions[0].operator",
        UNSUPPORTED,
        "NotIn",
    ),
    (
        pods(namespaceSelector={"matchExpressions": [expression("In", "a b")]}),
        f"{FIRST}.namespaceSelector.matchExpressions[0].values[0]",
        INVALID,
        "label",
    ),
    (
        {f"affinity.podAffinity.{MAY}": [{"weight": 0, "podAffinityTerm": {"topologyKey": HOST}}]},
        f"affinity.podAffinity.{MAY}[0].weight",
        INVALID,
        "between 1",
    ),
    (
        {f"affinity.podAffinity.{MAY}": [{"weight": 1, "podAffinityTerm": {"topologyKey": ""}}]},
        f"affinity.podAffinity.{MAY}[0].podAffinityTerm.topologyKey",
        REQUIRED,
        "a label of nodes",
    ),
    (
        {"topologySpreadConstraints": [spread(maxSkew=0)]},
        "topologySpreadConstraints[0].maxSkew",
        INVALID,
        "at least 1",
    ),
    ({"topologySpreadConstraints": [spread(topologyKey="")]}, "topologySpreadConstraints[0].topologyKey", REQUIRED, ""),
    (
        {"topologySpreadConstraints": [spread(whenUnsatisfiable="Panic")]},
        "topologySpreadConstraints[0].whenUnsatisfiable",
        UNSUPPORTED,
        "ScheduleAnyway",
    ),
    (
        {"topologySpreadConstraints": [spread(labelSelector={"matchLabels": {"": "a"}})]},
        "topologySpreadConstraints[0].labelSelector.matchLabels",
        INVALID,
        "name part",
    ),
    (
        {"topologySpreadConstraints": [spread(), spread(maxSkew=2)]},
        "topologySpreadConstraints[1]",
        DUPLICATE,
        "DoNotSchedule",
    ),
]


@pytest.mark.parametrize("case", CASES)
def test_terms_that_cannot_be_are_refused(case: Case) -> None:
    expect(case)


RIGHT: list[Object] = [
    nodes(matchExpressions=[expression("In", "a", "b"), expression("Exists"), expression("Lt", "3")]),
    nodes(matchFields=[expression("NotIn", "node-1", key="metadata.name")]),
    {f"{NODES}.{MAY}": [{"weight": 100, "preference": {}}, {"weight": 1, "preference": {}}]},
    pods(namespaces=["a"], labelSelector={"matchLabels": {"a": ""}, "matchExpressions": [expression("DoesNotExist")]}),
    {"topologySpreadConstraints": [spread(), spread(whenUnsatisfiable="ScheduleAnyway")]},
]


@pytest.mark.parametrize("edits", RIGHT)
def test_terms_that_can_be_are_accepted(edits: Object) -> None:
    expect_right(edits)
