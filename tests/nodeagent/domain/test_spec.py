"""What no domain is made of."""

import pytest

from nodeagent.domain.facts import UnsupportedError
from nodeagent.domain.spec import refuse_what_is_not_provided
from tests.nodeagent.domain.guests import vmi


def test_a_guest_that_would_lack_what_it_asks_for_is_refused_with_the_field() -> None:
    with pytest.raises(UnsupportedError) as caught:
        refuse_what_is_not_provided(vmi({"devices": {"gpus": [{"name": "a", "deviceName": "b"}]}})["spec"])
    assert caught.value.field == "domain.devices.gpus"
    assert caught.value.message == "node agents cannot provide GPUs yet: remove this field"


def test_what_changes_nothing_for_the_guest_does_not_stop_it() -> None:
    refuse_what_is_not_provided(vmi({"devices": {}}, tolerations=[{"operator": "Exists"}])["spec"])
