"""Tokens on the command line, where they cannot be made."""

import re
from pathlib import Path

import pytest

from virtplane.errors import VirtplaneError
from virtplane.settings import Settings
from virtplane.tokens import create, delete


@pytest.mark.parametrize("ttl", ["0", "-1h", "25h", "soon"])
def test_a_token_lives_for_some_hours(tmp_path: Path, ttl: str) -> None:
    with pytest.raises(VirtplaneError, match="--ttl must be"):
        create(Settings(home=str(tmp_path)), node="", ttl=ttl)


@pytest.mark.parametrize("node", ["Host 1", "-", "a" * 53])
def test_a_token_is_for_a_node_that_can_be(tmp_path: Path, node: str) -> None:
    with pytest.raises(VirtplaneError, match="--node must have at most 52"):
        create(Settings(home=str(tmp_path)), node=node, ttl="1h")


def test_a_token_is_made_where_the_server_is(tmp_path: Path) -> None:
    with pytest.raises(VirtplaneError, match=re.escape(f"no server in {tmp_path}")):
        create(Settings(home=str(tmp_path)), node="", ttl="1h")
    with pytest.raises(VirtplaneError, match="in Kubernetes agents are pods"):
        create(Settings(home=str(tmp_path), kubeconfig="in-cluster"), node="", ttl="1h")


@pytest.mark.parametrize("token", ["", "abcde", "ABCDEF", "abcdef/.", "bootstrap-token-abcdef"])
def test_a_token_is_deleted_by_its_id(tmp_path: Path, token: str) -> None:
    with pytest.raises(VirtplaneError, match="a token's id"):
        delete(Settings(home=str(tmp_path)), token=token)
