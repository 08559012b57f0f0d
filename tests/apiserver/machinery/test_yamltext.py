"""What is written as YAML says the same to every reader."""

from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from apiserver.machinery.decoding import from_yaml
from apiserver.machinery.yamltext import to_yaml

_TEXT = st.text(max_size=8) | st.text(alphabet="a \n\t-:#'\"|>y01.e+{}[],&*!%@`\\\x85\u2028\ufeff", max_size=8)
_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXT
    | st.sampled_from(["yes", "No", "NULL", "~", "1e3", "0x1", "12:30", "2001-01-01", ".inf", "=", "<<", "-", "a: b"])
)
_VALUES = st.recursive(
    _LEAVES, lambda each: st.lists(each, max_size=3) | st.dictionaries(_TEXT, each, max_size=3), max_leaves=20
)


@given(_VALUES)
@example({"a" * 2000: {"b": 1}})
@example({"a": ["x\n\n", {"b": "y\n", "c": [["z\n z"]]}], "\n": "\t\n"})
def test_every_reader_gets_the_value_back(value: Any) -> None:
    text = to_yaml(value)
    assert from_yaml(text.encode()).value == value
    assert yaml.safe_load(text) == value


def test_an_object_looks_as_people_write_it() -> None:
    obj = {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": "a", "labels": {}, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "data": {"script": "#!/bin/sh\necho hello\n", "flag": "yes", "image": "registry.example/a:latest"},
        "items": [{"name": "x", "list": [1, 2.5]}, []],
    }
    assert to_yaml(obj) == (
        "apiVersion: v1\n"
        "data:\n"
        '  flag: "yes"\n'
        "  image: registry.example/a:latest\n"
        "  script: |\n"
        "    #!/bin/sh\n"
        "    echo hello\n"
        "items:\n"
        "- list:\n"
        "  - 1\n"
        "  - 2.5\n"
        "  name: x\n"
        "- []\n"
        "kind: ConfigMap\n"
        "metadata:\n"
        '  creationTimestamp: "2026-01-01T00:00:00Z"\n'
        "  labels: {}\n"
        "  name: a\n"
    )


@pytest.mark.parametrize("value", [{}, [], None, "text", 3])
def test_a_value_of_one_line_is_a_document(value: Any) -> None:
    assert yaml.safe_load(to_yaml(value)) == value
