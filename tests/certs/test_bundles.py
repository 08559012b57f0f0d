"""Whom bundles say to trust: at once who joins, and for a moment more who leaves."""

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certs import bundles as bundles_module
from certs.authority import make_authority
from certs.bundles import LINGER_SECONDS, Bundles

OLD, NEW, OTHER, THIRD = (make_authority(name).certificate for name in ("old", "new", "other", "third"))


class Home:
    """Two bundles, and a clock that goes when it is told to."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.files = [directory / "one.crt", directory / "two.crt"]
        self.now = 100.0
        monkeypatch.setattr(bundles_module, "time", self)
        self.write(0, OLD)
        self.write(1, OTHER)
        self.bundles = Bundles(self.files)

    def monotonic(self) -> float:
        return self.now

    def write(self, which: int, *authorities: x509.Certificate) -> None:
        new = self.files[which].with_suffix(".new")
        new.write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in authorities))
        new.replace(self.files[which])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    return Home(tmp_path, monkeypatch)


def test_nothing_is_read_again_that_has_not_changed(home: Home) -> None:
    assert home.bundles.trusted() == (OLD, OTHER)
    assert home.bundles.trusted() is home.bundles.trusted()
    assert home.bundles.leaving() == ()


def test_who_joins_is_trusted_at_once_and_who_leaves_for_a_moment_more(home: Home) -> None:
    home.write(0, NEW)
    assert home.bundles.trusted() == (NEW, OTHER, OLD)
    assert home.bundles.leaving() == (OLD,)
    home.now += LINGER_SECONDS - 0.1
    assert OLD in home.bundles.trusted()
    home.now += 0.1
    assert home.bundles.trusted() == (NEW, OTHER)


def test_each_leaves_at_a_time_of_his_own(home: Home) -> None:
    home.write(0, NEW)
    home.bundles.trusted()
    home.now += LINGER_SECONDS / 2
    home.write(1, THIRD)
    assert set(home.bundles.leaving()) == {OLD, OTHER}
    home.now += LINGER_SECONDS / 2
    assert home.bundles.leaving() == (OTHER,)


def test_who_comes_back_stays(home: Home) -> None:
    home.write(0, NEW)
    home.bundles.trusted()
    home.write(0, OLD)
    assert home.bundles.leaving() == (NEW,)
    home.now += LINGER_SECONDS
    assert home.bundles.trusted() == (OLD, OTHER)


@pytest.mark.parametrize("broken", ["-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n", "garbage"])
def test_what_cannot_be_read_changes_nothing_until_it_can(home: Home, broken: str) -> None:
    home.files[0].write_text(broken)
    assert home.bundles.trusted() == (OLD, OTHER)
    home.files[0].unlink()
    assert home.bundles.trusted() == (OLD, OTHER)
    home.write(0, NEW)
    home.bundles.trusted()
    home.now += LINGER_SECONDS
    assert home.bundles.trusted() == (NEW, OTHER)
