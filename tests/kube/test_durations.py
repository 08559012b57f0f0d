"""Durations as Go writes them."""

from datetime import timedelta

import pytest

from kube.durations import DurationError, parse


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("168h", 604_800), ("1h30m", 5400), ("1.5s", 1.5), (".5m", 30), ("250ms", 0.25), ("-2m", -120), ("0", 0)],
)
def test_a_duration_is_a_sum_of_numbers_with_units(text: str, seconds: float) -> None:
    assert parse(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "1", "h", "1 h", "1d", "1h30", "1h\n", "++1h", "9" * 70 + "s", "3000000h"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(DurationError):
        parse(text)
