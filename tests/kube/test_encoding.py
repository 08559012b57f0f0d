"""Base64 is read as Kubernetes reads it."""

import pytest

from kube.encoding import decode


@pytest.mark.parametrize("text", ["aGVsbG8=", "aGVs\nbG8=\n", "aGVs\r\nbG8="])
def test_line_breaks_do_not_matter(text: str) -> None:
    assert decode(text) == b"hello"


@pytest.mark.parametrize("text", ["aGVsbG8", "a GV", "é", "hello!"])
def test_what_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"[Bb]ase64|ASCII|padding"):
        decode(text)
