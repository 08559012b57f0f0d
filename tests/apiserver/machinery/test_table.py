from datetime import UTC, datetime
from typing import Any

import pytest

from apiserver.machinery.jsonpath import compile_path
from apiserver.machinery.resource import Column
from apiserver.machinery.table import TableMaker, human_duration

OBJ: dict[str, Any] = {
    "metadata": {"name": "vm", "creationTimestamp": "2026-01-01T00:00:00Z", "labels": {"a.io/b": "x"}},
    "status": {
        "ready": True,
        "conditions": [{"type": "Ready", "status": "False"}, {"type": "Paused", "status": "True"}],
        "interfaces": [{"ipAddress": "10.0.0.1"}, {"ipAddress": "10.0.0.2"}],
    },
}
NOW = datetime(2026, 1, 1, 0, 5, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (".metadata.name", "vm"),
        ("{.metadata.name}", "vm"),
        (r".metadata.labels.a\.io/b", "x"),
        (".metadata.labels['a.io/b']", "x"),
        (".status.interfaces[0].ipAddress", "10.0.0.1"),
        (".status.interfaces[-1].ipAddress", "10.0.0.2"),
        (".status.interfaces[7].ipAddress", None),
        (".status.conditions[?(@.type=='Ready')].status", "False"),
        ('.status.conditions[?(@.type == "Paused")].status', "True"),
        (".status.conditions[?(@.type!='Ready')].type", "Paused"),
        (".status.conditions[?(@.type=='None')].status", None),
        (".spec.nothing[0].here", None),
        (".metadata.name.deeper", None),
    ],
)
def test_a_path_finds_the_first_value(path: str, value: Any) -> None:
    assert compile_path(path)(OBJ) == value


@pytest.mark.parametrize("path", ["a", ".a[", ".a[*]", ".a[?(@.b>1)]", "..a"])
def test_a_path_outside_the_subset_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="not understood"):
        compile_path(path)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-0.5, "0s"),
        (119, "119s"),
        (120, "2m"),
        (303, "5m3s"),
        (600, "10m"),
        (10_799, "179m"),
        (3 * 3600 + 600, "3h10m"),
        (9 * 3600 + 600, "9h"),
        (48 * 3600, "2d"),
        (49 * 3600, "2d1h"),
        (10 * 86400, "10d"),
        (2 * 365 * 86400, "2y"),
        (3 * 365 * 86400 + 86400, "3y1d"),
        (9 * 365 * 86400 + 86400, "9y"),
    ],
)
def test_durations_read_as_kubectl_prints_them(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


COLUMNS = (
    Column(name="Age", json_path=".metadata.creationTimestamp", type="date"),
    Column(name="Ready", json_path=".status.ready", type="boolean"),
    Column(name="IPs", json_path=".status.interfaces", priority=1),
    Column(name="Gone", json_path=".status.gone"),
)


def test_a_table_has_the_name_first_then_its_columns() -> None:
    table = TableMaker(COLUMNS).table([OBJ], metadata={"resourceVersion": "7"}, now=NOW)
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Age", "Ready", "IPs", "Gone"]
    addresses = '[{"ipAddress":"10.0.0.1"},{"ipAddress":"10.0.0.2"}]'
    assert table["rows"][0]["cells"] == ["vm", "5m3s", True, addresses, None]
    assert table["metadata"] == {"resourceVersion": "7"}
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")


def test_rows_hold_what_was_asked_for_of_their_object() -> None:
    maker = TableMaker()
    [row] = maker.table([OBJ], now=NOW)["rows"]
    assert row["object"] == {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": OBJ["metadata"],
    }
    assert row["cells"] == ["vm", "5m3s"]
    assert maker.row(OBJ, include="Object", now=NOW)["object"] is OBJ
    assert "object" not in maker.row(OBJ, include="None", now=NOW)


def test_a_later_watch_event_repeats_no_headers_and_a_bad_date_is_unknown() -> None:
    table = TableMaker().table([{"metadata": {"name": "a", "creationTimestamp": "soon"}}], headers=False)
    assert table["columnDefinitions"] == []
    assert table["rows"][0]["cells"] == ["a", "<unknown>"]
