"""Times are written as the API has them."""

from datetime import UTC, datetime

from kube.timestamps import to_time


def test_times_are_whole_seconds_of_utc() -> None:
    assert to_time(datetime(2026, 1, 2, 3, 4, 5, 999, tzinfo=UTC)) == "2026-01-02T03:04:05Z"
