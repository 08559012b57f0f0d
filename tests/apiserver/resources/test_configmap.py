"""What a ConfigMap holds altogether."""

import base64

from apiserver.machinery.resource import Caller
from apiserver.resources.configmap import ConfigMapStrategy

MEBIBYTE = 1024 * 1024


def test_a_config_map_holds_a_mebibyte_and_no_more() -> None:
    binary = base64.b64encode(bytes(MEBIBYTE - 1)).decode()
    fits = {"data": {"a": "x"}, "binaryData": {"b": binary}}
    assert not list(ConfigMapStrategy().validate(fits, Caller("jane")))
    larger = {**fits, "data": {"a": "xx"}}
    assert [each.reason for each in ConfigMapStrategy().validate(larger, Caller("jane"))] == ["FieldValueTooLong"]
