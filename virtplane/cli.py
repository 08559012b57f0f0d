"""The command line: each command is a thin call of what does the work."""

import argparse
import asyncio
import dataclasses
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version

import yaml

import deploy
from virtplane.errors import VirtplaneError
from virtplane.settings import ENVIRONMENT_PREFIX, Settings

# What a command needs is imported when it runs: `up` of what runs already shall not wait for a server's code.


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    given = vars(_parser().parse_args(arguments))
    command: Callable[..., int] = given.pop("command")
    known = {each.name for each in dataclasses.fields(Settings)}
    switches = {name: given.pop(name) for name in given.keys() - known}
    try:
        return command(Settings.load(given, os.environ), **switches)
    except (VirtplaneError, OSError) as error:
        print(f"virtplane: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    # Left out rather than None: a command below a command must not undo what was said before it.
    shared = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    for each in dataclasses.fields(Settings):
        flag, variable = "--" + each.name.replace("_", "-"), ENVIRONMENT_PREFIX + each.name.upper()
        shared.add_argument(flag, dest=each.name, metavar="VALUE", help=f"{each.metadata['help']} ({variable})")
    parser = argparse.ArgumentParser(prog="virtplane", description="Virtual machines through KubeVirt's API.")
    parser.add_argument("--version", action="version", version=version("virtplane"))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, text in (
        ("up", _up, "start everything in the background, and return when it is ready"),
        ("down", _down, "stop what `up` started; guests go on"),
        ("status", _status, "show what runs; ends with 0 when all is well, 3 when nothing runs"),
        ("config", _config, "print the settings in force"),
        ("migrate", _migrate, "bring the database to this version, or rewrite what older versions stored"),
        ("server", _server, "run the API server alone; writes a kubeconfig below home"),
        ("controllers", _controllers, "run the controllers alone"),
        ("agent", _agent, "run the node agent alone; `agent join` makes this host a node of a server elsewhere"),
        ("install", _install, "put Virtplane into the cluster of --kubeconfig, upgrade it there, or show how it is"),
        ("uninstall", _uninstall, "take Virtplane out of the cluster of --kubeconfig"),
    ):
        added = commands.add_parser(name, parents=[shared], help=text)
        added.set_defaults(command=command)
        if name in _FLAGS:
            _FLAGS[name](added)
        if name == "agent":
            _add_enrolment(added, shared)
    _add_token(commands.add_parser("token", help="the tokens with which other hosts join"), shared)
    _add_encryption_key(commands.add_parser("encryption-key", help="the keys that encrypt stored Secrets"), shared)
    return parser


def _add_up_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--foreground", action="store_true", help="stay, and log here, until Ctrl-C")
    parser.add_argument("--detached", action="store_true", help=argparse.SUPPRESS)


def _add_migrate_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        nargs="?",
        choices=("database", "storage"),
        default="database",
        help="database: its tables (`up` does it too). storage: every object, while the server runs",
    )


def _add_install_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--overlay",
        choices=deploy.OVERLAYS,
        help="the storage; that of what is installed, else postgresql with a --database-url and sqlite without",
    )
    parser.add_argument("--image", default="", help="the container image; virtplane of this version")
    parser.add_argument("--status", action="store_true", help="change nothing: show how what is installed is")
    _add_timeout(parser)


def _add_uninstall_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--remove-machines", action="store_true", help="end all guests, and forget their machines")
    _add_timeout(parser)


def _add_timeout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--timeout", default="5m", metavar="DURATION", help="how long to wait for each step (5m)")


_FLAGS: Mapping[str, Callable[[argparse.ArgumentParser], None]] = {
    "up": _add_up_flags,
    "migrate": _add_migrate_flags,
    "install": _add_install_flags,
    "uninstall": _add_uninstall_flags,
}
"""What commands take besides settings."""


def _add_enrolment(parser: argparse.ArgumentParser, shared: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(metavar="COMMAND")
    join = commands.add_parser("join", parents=[shared], help="make this host a node of a server elsewhere")
    join.set_defaults(command=_agent_join)
    join.add_argument("--server", required=True, metavar="URL", help="the server, as https://HOST:PORT")
    join.add_argument("--token", required=True, help="what `virtplane token create` printed there")
    join.add_argument(
        "--ca-cert-hash",
        required=True,
        action="append",
        dest="pins",
        metavar="sha256:HEX",
        help="the hash of the public key of the server's authority; may be repeated",
    )
    revoke = commands.add_parser("revoke", parents=[shared], help="shut out the agent of a node, at once")
    revoke.set_defaults(command=_agent_revoke)
    revoke.add_argument("node", metavar="NODE")


def _add_token(parser: argparse.ArgumentParser, shared: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    create = commands.add_parser("create", parents=[shared], help="make one, and print the command to join with it")
    create.set_defaults(command=_token_create)
    create.add_argument("--node", default="", metavar="NAME", help="the only node it is for, and for that once")
    create.add_argument("--ttl", default="1h", metavar="DURATION", help="how long it is good for (1h), at most 24h")
    listing = commands.add_parser("list", parents=[shared], help="show them, without their secret halves")
    listing.set_defaults(command=_token_list)
    delete = commands.add_parser("delete", parents=[shared], help="delete one")
    delete.set_defaults(command=_token_delete)
    delete.add_argument("token", metavar="ID", help="its first half")


def _add_encryption_key(parser: argparse.ArgumentParser, shared: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, text in (
        ("list", "show them, and how much each has encrypted"),
        ("rotate", "make another, which encrypts from now on; a running server takes it over"),
        ("prune", "remove those that nothing needs any more"),
    ):
        commands.add_parser(name, parents=[shared], help=text).set_defaults(command=_encryption_key, what=name)


def _up(settings: Settings, *, foreground: bool, detached: bool) -> int:
    if settings.in_kubernetes:
        raise VirtplaneError(
            "`virtplane up` is for a host without Kubernetes: in a cluster run `virtplane server`, `virtplane "
            "controllers` and `virtplane agent`, or unset the kubeconfig"
        )
    if foreground or detached:
        from virtplane.installation import run  # noqa: PLC0415

        return run(settings, detached=detached)
    from virtplane.up import up  # noqa: PLC0415

    return up(settings)


def _down(settings: Settings) -> int:
    from virtplane.down import down  # noqa: PLC0415

    return down(settings)


def _status(settings: Settings) -> int:
    from virtplane.status import status  # noqa: PLC0415

    return status(settings)


def _config(settings: Settings) -> int:
    print(yaml.safe_dump(settings.shown(), sort_keys=False), end="")
    return 0


def _migrate(settings: Settings, *, what: str) -> int:
    if what == "storage":
        from virtplane.storagemigration import migrate_own_storage  # noqa: PLC0415

        asyncio.run(migrate_own_storage(settings, lambda line: print(line, flush=True)))
        return 0
    from virtplane.prepare import migrate_database  # noqa: PLC0415

    asyncio.run(migrate_database(settings))
    return 0


def _encryption_key(settings: Settings, *, what: str) -> int:
    from virtplane import encryptionkeys  # noqa: PLC0415

    act = {"list": encryptionkeys.show, "rotate": encryptionkeys.rotate, "prune": encryptionkeys.prune}[what]
    print(act(settings))
    return 0


def _server(settings: Settings) -> int:
    from virtplane.home import Home  # noqa: PLC0415
    from virtplane.roles import run_role  # noqa: PLC0415
    from virtplane.supervision import readiness  # noqa: PLC0415

    if readiness.VARIABLE not in os.environ and not settings.in_kubernetes:  # else `up` says it, or there is none
        print(f"export KUBECONFIG={Home.of(settings).kubeconfig}", flush=True)
    return run_role("server", settings)


def _controllers(settings: Settings) -> int:
    from virtplane.roles import run_role  # noqa: PLC0415

    return run_role("controllers", settings)


def _agent(settings: Settings) -> int:
    from virtplane.roles import run_role  # noqa: PLC0415

    return run_role("agent", settings)


def _agent_join(settings: Settings, *, server: str, token: str, pins: Sequence[str]) -> int:
    from virtplane.enrolment import join  # noqa: PLC0415

    return join(settings, server=server, token=token, pins=pins)


def _agent_revoke(settings: Settings, *, node: str) -> int:
    from virtplane.revocation import revoke  # noqa: PLC0415

    return revoke(settings, node=node)


def _token_create(settings: Settings, *, node: str, ttl: str) -> int:
    from virtplane.tokens import create  # noqa: PLC0415

    return create(settings, node=node, ttl=ttl)


def _token_list(settings: Settings) -> int:
    from virtplane.tokens import list_tokens  # noqa: PLC0415

    return list_tokens(settings)


def _token_delete(settings: Settings, *, token: str) -> int:
    from virtplane.tokens import delete  # noqa: PLC0415

    return delete(settings, token=token)


def _install(settings: Settings, *, overlay: str | None, image: str, status: bool, timeout: str) -> int:
    from virtplane.kubernetes.commands import run_install, run_report  # noqa: PLC0415

    if status:
        return run_report(settings)
    return run_install(settings, overlay=overlay, image=image, timeout=timeout)


def _uninstall(settings: Settings, *, remove_machines: bool, timeout: str) -> int:
    from virtplane.kubernetes.commands import run_uninstall  # noqa: PLC0415

    return run_uninstall(settings, remove_machines=remove_machines, timeout=timeout)
