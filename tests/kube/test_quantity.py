from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube import quantity


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("64M", 64_000_000),
        ("64Mi", 64 * 2**20),
        ("1.5Gi", 3 * 2**29),
        ("100m", Decimal("0.1")),
        ("1e3", 1000),
        ("1E3", 1000),
        ("1E", 10**18),
        ("12e-1", Decimal("1.2")),
        (".5", Decimal("0.5")),
        ("5.", 5),
        ("-2k", -2000),
        ("1n", Decimal("1e-9")),
        ("9999999999999999999999999999999Ei", 9999999999999999999999999999999 * 2**60),
        (7, 7),
    ],
)
def test_a_quantity_is_exact(text: str | int, amount: Decimal | int) -> None:
    assert quantity.parse(text) == amount


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("1024Mi", "1Gi"),
        ("1536Mi", "1536Mi"),
        ("0.5Gi", "512Mi"),
        ("0.5Ki", "512"),
        ("1023.5Ki", "1048064"),
        ("1.0001Ki", "1024102400u"),
        ("0.5", "500m"),
        ("1000m", "1"),
        ("1000", "1k"),
        ("1500", "1500"),
        ("2000000k", "2G"),
        (5, "5"),
        (0.25, "250m"),
        ("1e3", "1e3"),
        ("10e2", "1e3"),
        ("1e4", "10e3"),
        ("1E", "1E"),
        ("0Gi", "0"),
        ("-1024Mi", "-1Gi"),
        ("0.1n", "1n"),
        ("1e999", "1e999"),
    ],
)
def test_a_quantity_is_written_as_kubernetes_writes_it(text: str | float, written: str) -> None:
    assert quantity.canonical(text) == written


@given(st.from_regex(r"[0-9]{1,9}(\.[0-9]{1,3})?([mkMGT]|[KMGT]i|e[0-9])?", fullmatch=True))
def test_a_written_quantity_is_the_same_amount_and_written_once(text: str) -> None:
    written = quantity.canonical(text)
    assert quantity.parse(written) == quantity.parse(text)
    assert quantity.canonical(written) == written


@pytest.mark.parametrize("text", ["", "Mi", "1 Gi", "1mi", "1KiB", "1e", "0x1", "NaN", "٣", "1" * 100, "1\n"])
def test_what_is_no_quantity_is_told_what_one_is(text: str) -> None:
    with pytest.raises(quantity.QuantityError, match="write a number"):
        quantity.parse(text)


def test_bytes_round_up() -> None:
    assert quantity.parse_bytes("1500m") == 2
    assert quantity.parse_bytes("1Ki") == 1024


@given(st.integers(-(2**70), 2**70))
def test_formatted_bytes_read_back_as_they_were(amount: int) -> None:
    assert quantity.parse_bytes(quantity.format_bytes(amount)) == amount


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=9))
def test_formatted_decimals_read_back_as_they_were(amount: Decimal) -> None:
    assert quantity.parse(quantity.format_decimal(amount)) == amount


def test_the_largest_suffix_that_keeps_it_whole_is_used() -> None:
    assert quantity.format_bytes(64 * 2**20) == "64Mi"
    assert quantity.format_bytes(1000) == "1000"
    assert quantity.format_decimal(Decimal("0.5")) == "500m"
    assert quantity.format_decimal(Decimal(3000)) == "3k"
    with pytest.raises(quantity.QuantityError, match="billionth"):
        quantity.format_decimal(Decimal("1e-10"))
