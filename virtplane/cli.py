"""The command line: each command is a thin call of what does the work."""

import argparse
import asyncio
import dataclasses
import os
import signal
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version

import uvloop
import yaml

from apiserver.server import Options, run
from apiserver.storage.contract import UnavailableError
from apiserver.storage.migrate import migrate
from certs.bootstrap import ensure
from certs.kubeconfig import write_kubeconfig
from virtplane.settings import ENVIRONMENT_PREFIX, Settings, SettingsError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    flags = vars(_parser().parse_args(arguments))
    command: Callable[[Settings], None] = flags.pop("command")
    try:
        command(Settings.load(flags, os.environ))
    except (SettingsError, UnavailableError, OSError) as error:
        print(f"virtplane: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    for each in dataclasses.fields(Settings):
        flag, variable = "--" + each.name.replace("_", "-"), ENVIRONMENT_PREFIX + each.name.upper()
        shared.add_argument(flag, dest=each.name, help=f"{each.metadata['help']} ({variable})")
    parser = argparse.ArgumentParser(prog="virtplane", description="Virtual machines through KubeVirt's API.")
    parser.add_argument("--version", action="version", version=version("virtplane"))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, text in (
        ("config", _config, "print the settings in force"),
        ("migrate", _migrate, "bring the database to this version"),
        ("server", _server, "run the API server; writes a kubeconfig below home"),
    ):
        commands.add_parser(name, parents=[shared], help=text).set_defaults(command=command)
    return parser


def _config(settings: Settings) -> None:
    print(yaml.safe_dump(settings.shown(), sort_keys=False), end="")


def _migrate(settings: Settings) -> None:
    settings.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    asyncio.run(migrate(settings.database))


def _server(settings: Settings) -> None:
    _migrate(settings)
    pki = ensure(settings.directory / "pki", ["localhost", settings.address], settings.node_name)
    kubeconfig = settings.directory / "kubeconfig"
    write_kubeconfig(
        kubeconfig,
        server=f"https://{settings.address}:{settings.port}",
        authority=pki.authority,
        certificate=pki.certificate("admin"),
        key=pki.key("admin"),
        user="admin",
    )
    options = Options(
        address=settings.address,
        port=settings.port,
        database_url=settings.database,
        certificate=pki.certificate("server"),
        key=pki.key("server"),
        client_ca=pki.authority,
    )
    print(f"export KUBECONFIG={kubeconfig}")
    uvloop.run(_until_signalled(options))


async def _until_signalled(options: Options) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop.set)
    await run(options, stop)
