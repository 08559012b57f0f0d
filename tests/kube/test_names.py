import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube.names import generated_name, key_problem, label_problem, subdomain_problem


@pytest.mark.parametrize("name", ["a", "a.b", "my-vm-0", "a" * 253, "0"])
def test_dns_subdomains_are_good_names(name: str) -> None:
    assert subdomain_problem(name) is None


@pytest.mark.parametrize("name", ["", "A", "-a", "a-", "a..b", "a_b", "a" * 254, "a\n", "ä"])
def test_anything_else_is_told_what_a_name_is(name: str) -> None:
    assert subdomain_problem(name)


def test_a_label_name_has_no_dots_and_63_characters_at_most() -> None:
    assert label_problem("a" * 63) is None
    assert label_problem("a.b")
    assert label_problem("a" * 64)


@pytest.mark.parametrize(
    ("key", "good"),
    [
        ("app", True),
        ("a.io/App_1", True),
        ("", False),
        ("/a", False),
        ("a.io/", False),
        ("A.io/b", False),
        ("a b", False),
    ],
)
def test_label_keys_are_a_name_with_an_optional_domain(key: str, *, good: bool) -> None:
    assert (key_problem(key) is None) is good


@given(st.from_regex(r"[a-z]([-a-z0-9]{0,80}-)?", fullmatch=True))
def test_a_generated_name_is_the_prefix_and_five_letters_and_always_valid(prefix: str) -> None:
    name = generated_name(prefix)
    assert re.fullmatch(r"[bcdfghjklmnpqrstvwxz2456789]{5}", name[-5:])
    assert prefix.startswith(name[:-5])
    assert label_problem(name) is None
