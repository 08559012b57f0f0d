"""What must be there before the processes start: directories, certificates, kubeconfigs, the database's tables."""

from pathlib import Path

from apiserver.storage.contract import UnavailableError
from apiserver.storage.keyfile import write_keys
from apiserver.storage.migrate import migrate
from apiserver.storage.resealing import keys_in_use
from apiserver.storage.sealing import SealingKey
from apiserver.storage.urls import parse
from certs.bootstrap import AuthorityError, Pki, ensure
from certs.kubeconfig import write_kubeconfig
from certs.names import serving_names
from virtplane.enrolment import enrolled_node
from virtplane.errors import VirtplaneError
from virtplane.home import Home, server_url
from virtplane.settings import Settings

CLIENTS = ("controllers", "agent", "loopback")


class PrepareError(VirtplaneError):
    """Something that must be there cannot be made."""


async def prepare(settings: Settings) -> Pki:
    """Make what is missing; safe to run again. Raises PrepareError and OSError."""
    home = Home.of(settings)
    home.make()
    pki = make_credentials(settings, home)
    await migrate_database(settings)
    await _ensure_encryption_keys(settings, home)
    return pki


async def migrate_database(settings: Settings) -> None:
    """Bring the database to this version. Raises PrepareError when it cannot be used, and OSError."""
    Home.of(settings).make()
    _keep_private(settings.database)
    try:
        await migrate(settings.database)
    except UnavailableError as error:
        raise PrepareError(f"the database cannot be used: {error}. Look at it and at --database-url") from error


def _keep_private(database: str) -> None:
    """Let nobody else read the file of a SQLite database, which holds Secrets; its log takes over the file's mode."""
    url = parse(database)
    if url.get_backend_name() == "sqlite" and url.database:
        path = Path(url.database)
        path.touch(mode=0o600)
        path.chmod(0o600)


async def _ensure_encryption_keys(settings: Settings, home: Home) -> None:
    """Make the file of the keys that encrypt Secrets, with one key, unless there is one or there should be."""
    path = home.encryption_keys
    if path.exists():
        return
    if needed := await keys_in_use(settings.database):
        raise PrepareError(
            f"{path} is missing, and the database cannot be read without the keys {', '.join(sorted(needed))}: restore "
            "it from a backup, or copy it from another server of this database"
        )
    write_keys(path, [SealingKey.new()])


def make_credentials(settings: Settings, home: Home) -> Pki:
    """Make the certificates and the kubeconfigs. Raises PrepareError and OSError."""
    if (node := enrolled_node(home)) is not None:
        raise PrepareError(
            f"{home.directory} is that of an agent that has joined a server elsewhere as {node}: run "
            "`virtplane agent`, or choose another --home"
        )
    try:
        pki = ensure(home.pki, serving_names(settings.address), settings.node_name)
    except AuthorityError as error:
        raise PrepareError(str(error)) from error
    write_kubeconfigs(settings, home)
    return pki


def write_kubeconfigs(settings: Settings, home: Home) -> None:
    """Write the kubeconfigs, with the certificates as they are now. Raises OSError."""
    pki = Pki(home.pki)
    for name, path in [("admin", home.kubeconfig), *((role, home.kubeconfig_of(role)) for role in CLIENTS)]:
        write_kubeconfig(
            path,
            server=server_url(settings),
            authority=pki.authority,
            pair=pki.pair(name),
            user=name,
            embed=name == "admin",  # people copy theirs to other machines
        )
