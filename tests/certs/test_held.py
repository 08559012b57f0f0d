"""What a consumer takes over into its files, and what it leaves."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from certs.authority import Life, make_authority
from certs.bootstrap import Pki, ensure, read_bundle
from certs.held import Held
from certs.pair import Pair
from certs.purposes import ADMIN, AGENTS, CLIENTS, LOOPBACK
from certs.trust import Kept, Request, Trust, fingerprint

NOW = datetime.now(UTC)
DAY = Life(NOW, timedelta(days=1))
NEW = make_authority(CLIENTS.common_name(2), DAY)


@dataclass
class Home:
    """The files of a first start, of which the administrator's certificate and its authority are looked at."""

    pki: Pki

    def __post_init__(self) -> None:
        self.held = Held(pki=self.pki, leaves=[ADMIN], purposes=[CLIENTS], with_authorities=True)
        self.old, self.leaf = self.pair(CLIENTS.file), self.pair(ADMIN.file)

    def pair(self, name: str) -> Pair:
        return Pair.load(self.pki.directory, name)

    @property
    def bundle(self) -> list[object]:
        return [*read_bundle(self.pki.bundle(CLIENTS))]

    def take_over(self, **stored: object) -> bool:
        trust = Trust(wanted={ADMIN.secret: ADMIN.request()}, **stored)  # type: ignore[arg-type]
        return self.held.take_over(CLIENTS, trust, NOW)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(ensure(tmp_path, ["localhost"], "one"))


def leaf_of(signer: Pair, life: Life = DAY) -> dict[str, Kept]:
    return {ADMIN.secret: Kept(ADMIN.request().issue(signer, life), None, signer.certificate)}


def test_what_is_stored_is_taken_over_once(home: Home) -> None:
    leaves = leaf_of(NEW)
    stored = {"authority": Kept(NEW), "bundle": (NEW.certificate,), "leaves": leaves}
    assert home.take_over(**stored)
    assert home.bundle == [NEW.certificate]
    assert home.pair(ADMIN.file).certificate == leaves[ADMIN.secret].pair.certificate
    assert home.pair(CLIENTS.file).certificate == NEW.certificate
    assert not home.take_over(**stored)


def test_who_signed_what_is_shown_is_trusted_until_that_is_replaced(home: Home) -> None:
    home.take_over(bundle=(NEW.certificate,))
    assert home.bundle == [NEW.certificate, home.old.certificate]
    home.take_over(authority=Kept(NEW), bundle=(NEW.certificate,), leaves=leaf_of(NEW))
    assert home.bundle == [NEW.certificate]


def test_a_bundle_that_is_lost_takes_no_trust_away(home: Home) -> None:
    assert not home.take_over()
    assert home.bundle == [home.old.certificate]


def test_nobody_is_trusted_for_longer_than_he_lives(home: Home) -> None:
    expired = make_authority(CLIENTS.common_name(1), Life(NOW - timedelta(days=2), timedelta(days=1)))
    home.take_over(bundle=(home.old.certificate, expired.certificate))
    assert home.bundle == [home.old.certificate]


@pytest.mark.parametrize(
    "leaves",
    [
        leaf_of(NEW),
        {},
    ],
    ids=["of an authority that is not trusted", "none"],
)
def test_what_cannot_be_shown_is_left(home: Home, leaves: dict[str, Kept]) -> None:
    home.take_over(authority=Kept(NEW), bundle=(home.old.certificate,), leaves=leaves)
    assert home.pair(ADMIN.file).certificate == home.leaf.certificate
    assert home.pair(CLIENTS.file).certificate == home.old.certificate


@pytest.mark.parametrize(
    ("wanted", "life"),
    [(LOOPBACK.request(), DAY), (ADMIN.request(), Life(NOW - timedelta(days=2), timedelta(days=1)))],
    ids=["of somebody else", "that has expired"],
)
def test_a_leaf_that_is_trusted_and_of_no_use_is_left(home: Home, wanted: Request, life: Life) -> None:
    home.take_over(
        bundle=(NEW.certificate,), leaves={ADMIN.secret: Kept(wanted.issue(NEW, life), None, NEW.certificate)}
    )
    assert home.pair(ADMIN.file).certificate == home.leaf.certificate


def test_what_is_held_is_said(home: Home) -> None:
    said = home.held.statement({ADMIN: ()}, "one", NOW)
    assert said.names == {ADMIN.secret: ()}
    assert said.trusted == {CLIENTS.authority: {fingerprint(home.old.certificate)}}
    shown = said.shown[ADMIN.secret]
    assert (shown.leaf, shown.issuer) == (fingerprint(home.leaf.certificate), fingerprint(home.old.certificate))
    assert type(said).parse(said.json()) == said
    home.pki.bundle(CLIENTS).write_bytes(NEW.certificate_pem)
    assert not home.held.statement({ADMIN: ()}, "one", NOW).shown


def test_nobody_is_trusted_who_is_no_authority_or_has_the_name_of_another_purpose(home: Home) -> None:
    named_otherwise = make_authority(AGENTS.common_name(2), DAY)
    no_authority = ADMIN.request().issue(NEW, DAY)
    home.take_over(bundle=(home.old.certificate, named_otherwise.certificate, no_authority.certificate))
    assert home.bundle == [home.old.certificate]
