"""How long certificates live, as a KubeVirt object says."""

from datetime import timedelta
from typing import Any

import pytest

from kube.certificates import Lifetime, Strategy

HOUR = timedelta(hours=1)
CA, SERVER = Lifetime(168 * HOUR, 33.6 * HOUR), Lifetime(24 * HOUR, 4.8 * HOUR)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (None, Strategy(CA, SERVER)),
        ({}, Strategy(CA, SERVER)),
        ({"ca": {"duration": "10h"}}, Strategy(Lifetime(10 * HOUR, 2 * HOUR), SERVER)),
        ({"server": {"duration": "10h", "renewBefore": "1h"}}, Strategy(CA, Lifetime(10 * HOUR, HOUR))),
        (
            {"caRotateInterval": "20h", "caOverlapInterval": "5h", "certRotateInterval": "10h"},
            Strategy(Lifetime(20 * HOUR, 5 * HOUR), Lifetime(10 * HOUR, 2 * HOUR)),
        ),
    ],
)
def test_what_is_not_said_has_kubevirts_defaults(said: dict[str, Any] | None, expected: Strategy) -> None:
    kubevirt = None if said is None else {"spec": {"certificateRotateStrategy": {"selfSigned": said}}}
    assert Strategy.of(kubevirt) == expected
