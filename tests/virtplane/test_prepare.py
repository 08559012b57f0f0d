"""What is made before the processes start."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from alembic.script import ScriptDirectory

import migrations
from certs.authority import served_names
from certs.pair import Pair
from virtplane.home import Home
from virtplane.prepare import PrepareError, make_credentials, migrate_database
from virtplane.settings import Settings


def made(tmp_path: Path, **settings: str) -> Home:
    chosen = Settings(home=str(tmp_path), **settings)
    home = Home.of(chosen)
    home.make()
    make_credentials(chosen, home)
    return home


def cluster(kubeconfig: Path) -> dict[str, str]:
    return yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]


def test_the_administrators_kubeconfig_can_be_copied_and_those_of_the_processes_name_files(tmp_path: Path) -> None:
    home = made(tmp_path)
    assert "certificate-authority-data" in cluster(home.kubeconfig)
    for role in ("controllers", "agent"):
        assert cluster(home.kubeconfig_of(role))["certificate-authority"] == str(home.pki / "ca.crt")


@pytest.mark.parametrize(
    ("address", "server", "name"),
    [
        ("::1", "https://[::1]:8443", "::1"),
        ("0.0.0.0", "https://127.0.0.1:8443", "127.0.0.1"),  # noqa: S104 - what is tested
        ("::", "https://[::1]:8443", "::1"),
    ],
)
def test_the_kubeconfig_names_an_address_that_the_certificate_carries(
    tmp_path: Path, address: str, server: str, name: str
) -> None:
    home = made(tmp_path, address=address)
    assert cluster(home.kubeconfig)["server"] == server
    assert {"localhost", name} <= set(served_names(Pair.load(home.pki, "server").certificate))


async def test_nobody_else_reads_the_database_which_holds_secrets(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    await migrate_database(Settings(home=str(tmp_path)))
    assert (tmp_path / "virtplane.db").stat().st_mode & 0o777 == 0o600


def test_the_newest_step_is_the_last_that_alembic_knows() -> None:
    assert ScriptDirectory(Path(migrations.__file__).parent).get_heads() == [migrations.NEWEST]


async def test_a_server_does_not_load_at_its_start_what_it_rarely_needs(tmp_path: Path) -> None:
    await migrate_database(Settings(home=str(tmp_path)))
    start = (
        "import asyncio, sys, virtplane.server\n"
        "from virtplane.prepare import migrate_database\n"
        "from virtplane.settings import Settings\n"
        "asyncio.run(migrate_database(Settings(home=sys.argv[1])))\n"
        "print(sorted({'alembic', 'kubernetes'} & sys.modules.keys()))"
    )
    said = subprocess.run([sys.executable, "-c", start, tmp_path], check=True, capture_output=True, text=True)
    assert said.stdout == "[]\n"


async def test_a_database_of_a_newer_version_is_left_alone_and_told(tmp_path: Path) -> None:
    settings = Settings(home=str(tmp_path))
    await migrate_database(settings)
    with closing(sqlite3.connect(tmp_path / "virtplane.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = 'later'")
    with pytest.raises(PrepareError, match="made by a newer version of Virtplane"):
        await migrate_database(settings)


async def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "virtplane.db").write_text("no database at all\n" * 10)
    with pytest.raises(PrepareError, match="file is not a database"):
        await migrate_database(Settings(home=str(tmp_path)))


def test_a_broken_authority_is_told_as_something_to_do(tmp_path: Path) -> None:
    home = made(tmp_path)
    (home.pki / "ca.pem").write_text("broken")
    with pytest.raises(PrepareError, match="from a backup"):
        made(tmp_path)
