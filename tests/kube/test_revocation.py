from datetime import UTC, datetime

import pytest

from kube.revocation import revoked_at

FOR_EVER = datetime.max.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "until"),
    [
        ("2026-01-01T12:00:00Z", datetime(2026, 1, 1, 12, tzinfo=UTC)),
        (" 2026-01-01T13:00:00+01:00\n", datetime(2026, 1, 1, 12, tzinfo=UTC)),
        ("2026-01-01T12:00:00", FOR_EVER),
        ("", FOR_EVER),
        ("yes", FOR_EVER),
    ],
)
def test_a_time_that_nobody_understands_is_for_ever(said: str, until: datetime) -> None:
    assert revoked_at({"data": {"host1": said}}, "host1") == until


@pytest.mark.parametrize("config_map", [None, {}, {"data": None}, {"data": {"host2": ""}}])
def test_a_node_that_nobody_names_is_not_revoked(config_map: dict[str, object] | None) -> None:
    assert revoked_at(config_map, "host1") is None
