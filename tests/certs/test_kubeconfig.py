"""Kubeconfigs that can be copied, and those that name files."""

from pathlib import Path

import pytest
import yaml
from kubernetes.aio import config

from certs.bootstrap import Pki, ensure
from certs.kubeconfig import write_kubeconfig


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return ensure(tmp_path / "pki", ["localhost"], "one")


def write(pki: Pki, path: Path, *, embed: bool) -> None:
    write_kubeconfig(
        path,
        server="https://localhost:8443",
        authority=pki.authority,
        pair=pki.pair("agent"),
        user="agent",
        embed=embed,
    )


def test_one_that_embeds_names_no_file(pki: Pki, tmp_path: Path) -> None:
    write(pki, tmp_path / "kubeconfig", embed=True)
    text = (tmp_path / "kubeconfig").read_text()
    assert str(tmp_path) not in text
    assert set(yaml.safe_load(text)["users"][0]["user"]) == {"client-certificate-data", "client-key-data"}
    assert (tmp_path / "kubeconfig").stat().st_mode & 0o777 == 0o600


async def test_a_client_uses_the_files_that_one_names_and_makes_no_copies(pki: Pki, tmp_path: Path) -> None:
    write(pki, tmp_path / "kubeconfig", embed=False)
    assert "-data" not in (tmp_path / "kubeconfig").read_text()
    client = await config.new_client_from_config(config_file=str(tmp_path / "kubeconfig"), persist_config=False)
    async with client:
        used = client.configuration
        assert (used.ssl_ca_cert, used.cert_file, used.key_file) == (
            str(pki.authority),
            *[str(pki.pair("agent"))] * 2,
        )
