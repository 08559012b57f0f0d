"""Every setting of the product: one dataclass; flags before environment before file before default."""

import dataclasses
import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import yaml
from sqlalchemy.exc import ArgumentError

from apiserver.storage.urls import parse
from kube.names import subdomain_problem
from kube.users import NODE_PREFIX
from virtplane.errors import VirtplaneError

ENVIRONMENT_PREFIX = "VIRTPLANE_"
FILE_NAME = "config.yaml"
HOME = "~/.virtplane"
DATABASES = ("sqlite", "postgresql", "postgres")
IN_CLUSTER = "in-cluster"
"""The kubeconfig of a pod: its ServiceAccount."""
LONGEST_NODE_NAME = 64 - len(NODE_PREFIX)
"""A certificate names an agent after its node, in at most 64 characters (RFC 5280, ub-common-name)."""


class SettingsError(VirtplaneError):
    """A setting that cannot be used; the message names it, where it came from, and what would be right."""


Reader = Callable[[str, Any], Any]
"""Turns what was given for the setting of this name into its value. Raises SettingsError."""


def _text(_name: str, value: Any) -> str:
    return str(value)


def _home(name: str, value: Any) -> str:
    try:
        Path(str(value)).expanduser()
    except RuntimeError as error:
        raise SettingsError(
            f"{name} is {value!r}, and no such user's directory is known: use an absolute path"
        ) from error
    return str(value or HOME)


def _address(name: str, value: Any) -> str:
    text = str(value)
    try:
        ipaddress.ip_address(text)
    except ValueError as error:
        if subdomain_problem(text.lower()):
            raise SettingsError(f"{name} must be an IP address or a host name; it is {value!r}") from error
    return text


def node_name(name: str, value: Any) -> str:
    """Return ``value`` if a node can be called so. Raises SettingsError, which calls it ``name``."""
    text = str(value)
    if len(text) > LONGEST_NODE_NAME or subdomain_problem(text):
        raise SettingsError(
            f"{name} must have at most {LONGEST_NODE_NAME} lower-case letters, digits, '-' and '.', beginning and "
            f"ending with a letter or digit; it is {value!r}"
        )
    return text


def own_name() -> str:
    """Return this host's name as far as a node can have it."""
    possible = re.sub(r"[^a-z0-9.-]+", "-", os.uname().nodename.lower())
    return possible[:LONGEST_NODE_NAME].strip("-.") or "localhost"


def _own_address(name: str, value: Any) -> str:
    text = str(value)
    try:
        usable = not text or not ipaddress.ip_address(text).is_unspecified
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError(f"{name} must be an IP address at which others reach this host; it is {value!r}")
    return text


def _port(least: int) -> Reader:
    def read(name: str, value: Any) -> int:
        try:
            number = int(value)
        except (TypeError, ValueError) as error:
            raise SettingsError(f"{name} must be a whole number; it is {value!r}") from error
        if not least <= number < 65536:
            raise SettingsError(f"{name} must be between {least} and 65535; it is {number}")
        return number

    return read


def _seconds(most: float) -> Reader:
    def read(name: str, value: Any) -> float:
        try:
            number = float(value)
        except (TypeError, ValueError) as error:
            raise SettingsError(f"{name} must be a number of seconds; it is {value!r}") from error
        if not 0 <= number <= most:
            raise SettingsError(f"{name} must be between 0 and {most:g} seconds; it is {number:g}")
        return number

    return read


def _database_url(name: str, value: Any) -> str:
    try:
        url = parse(str(value)) if value else None
    except (ArgumentError, ValueError) as error:
        # The value itself is not repeated: it may hold a password.
        raise SettingsError(f"{name} must look like sqlite:////PATH or postgresql://USER@HOST/NAME") from error
    if url is not None and url.get_backend_name() not in DATABASES:
        raise SettingsError(f"{name} must begin with sqlite: or postgresql:, not {url.get_backend_name()}:")
    if url is not None and url.get_backend_name() == "sqlite" and not (url.database or "").startswith("/"):
        # Each process has its own idea of where a relative path begins.
        raise SettingsError(f"{name} needs an absolute path: four slashes, as in sqlite:////PATH")
    return str(value)


def _one_of(*choices: str) -> Reader:
    def read(name: str, value: Any) -> str:
        # YAML reads a bare on and off as a truth value.
        word = {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else str(value).lower()
        if word not in choices:
            raise SettingsError(f"{name} must be one of {', '.join(choices)}; it is {value!r}")
        return word

    return read


def _names(_name: str, value: Any) -> tuple[str, ...]:
    parts = value if isinstance(value, list) else str(value).split(",")
    return tuple(text for part in parts if (text := str(part).strip()))


def _path(name: str, value: Any) -> str:
    if value and not Path(str(value)).is_absolute():
        raise SettingsError(f"{name} must be an absolute path; {value!r} is not")
    return str(value)


def _kubeconfig(name: str, value: Any) -> str:
    text = str(value)
    if text not in ("", IN_CLUSTER) and not Path(text).is_absolute():
        raise SettingsError(f"{name} must be {IN_CLUSTER} or an absolute path; it is {value!r}")
    return text


def _directories(name: str, value: Any) -> tuple[str, ...]:
    paths = _names(name, value)
    for path in paths:
        if not Path(path).is_absolute():
            raise SettingsError(f"{name} must hold absolute paths; {path!r} is not")
        if "," in path:
            raise SettingsError(f"{name}: a comma separates directories, so none can be in {path!r}")
    return paths


def _setting(default: Any, text: str, read: Reader = _text) -> Any:
    return field(default=default, metadata={"help": text, "read": read})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings. Empty strings stand for a default that follows from ``home`` or from this host."""

    home: str = _setting(HOME, "the directory that holds all state", _home)
    address: str = _setting("127.0.0.1", "the IP address that the server listens on", _address)
    port: int = _setting(8443, "the port that the server listens on", _port(1))
    database_url: str = _setting(
        "", "sqlite:////PATH or postgresql://USER@HOST/NAME; empty for SQLite below home", _database_url
    )
    node_name: str = _setting(own_name(), "the name of this host as a node", node_name)
    kubeconfig: str = _setting(
        "",
        f"the Kubernetes cluster to be a part of: {IN_CLUSTER} for that of the pod, or a path; empty for none",
        _kubeconfig,
    )
    agent_address: str = _setting(
        "",
        "this host's IP address as a node, at which its agent serves consoles; empty for the one that routes show",
        _own_address,
    )
    agent_port: int = _setting(0, "the port that the agent serves consoles on; 0 for any that is free", _port(0))
    libvirt_uri: str = _setting(
        "", "the libvirt that runs the guests; empty for the host's libvirtd where one answers, else a private one"
    )
    emulation: str = _setting(
        "auto",
        "on: guests run without KVM, slowly; off: always with KVM; auto: with KVM where it works",
        _one_of("auto", "on", "off"),
    )
    network: str = _setting(
        "auto",
        "how guests reach the world: nat (libvirt's), user (QEMU's own, needs no privilege), auto: nat where possible",
        _one_of("auto", "nat", "user"),
    )
    host_disk_directories: tuple[str, ...] = _setting(
        (), "directories below which a hostDisk may lie, with commas between them", _directories
    )
    image_directories: tuple[str, ...] = _setting(
        (), "directories below which oci: and oci-archive: images may lie, with commas between them", _directories
    )
    image_registries_insecure: tuple[str, ...] = _setting(
        (), "registries (HOST:PORT) that are read over plain HTTP, with commas between them", _names
    )
    shutdown_delay: float = _setting(
        0.0,
        "seconds that a server which is to stop goes on serving, so that clients and balancers go to others meanwhile",
        _seconds(60),
    )
    audit_log: str = _setting(
        "", "the file that tells who did what through the API, one JSON document a line; empty for none", _path
    )
    audit_policy: str = _setting(
        "", "an audit.k8s.io/v1 Policy that says how much of what; empty for all metadata but heartbeats", _path
    )
    initial_configuration: str = _setting(
        "on",
        "on: a new database begins with a KubeVirt object for a single host; off: somebody applies one",
        _one_of("on", "off"),
    )
    data_volumes: str = _setting(
        "on",
        "on: DataVolumes and DataSources are served here; off: CDI, the containerized data importer, serves them",
        _one_of("on", "off"),
    )
    log_level: str = _setting("info", "the least that is logged", _one_of("debug", "info", "warning", "error"))
    log_format: str = _setting(
        "auto", "json, text, or auto: text on a terminal, else JSON", _one_of("auto", "json", "text")
    )

    @property
    def directory(self) -> Path:
        """``home`` as a path."""
        return Path(self.home).expanduser().absolute()

    @property
    def in_kubernetes(self) -> bool:
        """True for a part of a Kubernetes cluster, False for an installation that is its own cluster."""
        return bool(self.kubeconfig)

    @property
    def cluster(self) -> Path | None:
        """The kubeconfig of the Kubernetes cluster; None for the ServiceAccount of the pod."""
        return None if self.kubeconfig == IN_CLUSTER else Path(self.kubeconfig)

    @property
    def database(self) -> str:
        """The database URL in force."""
        return self.database_url or f"sqlite:///{self.directory}/virtplane.db"

    @property
    def shares_database(self) -> bool:
        """True where other hosts may serve from the same database."""
        return parse(self.database).get_backend_name() != "sqlite"

    @classmethod
    def load(cls, flags: Mapping[str, Any], environment: Mapping[str, str]) -> Self:
        """Return the settings in force. Raises SettingsError."""
        names = {each.name: each for each in dataclasses.fields(cls)}
        chosen = {name: value for name, value in flags.items() if name in names and value is not None}
        for name in names:
            variable = ENVIRONMENT_PREFIX + name.upper()
            if name not in chosen and variable in environment:
                chosen[name] = environment[variable]
        home = Path(_home("home", chosen.get("home", HOME))).expanduser()
        for name, value in _read_file(home / FILE_NAME).items():
            if name not in names:
                raise SettingsError(f"{FILE_NAME}: {name!r} is no setting; known are {', '.join(sorted(names))}")
            if name == "home":
                raise SettingsError(
                    f"{FILE_NAME}: it is found below home and cannot move it; use --home or VIRTPLANE_HOME"
                )
            if value is not None:
                chosen.setdefault(name, value)
        return cls(**{name: names[name].metadata["read"](name, value) for name, value in chosen.items()})

    def environment(self) -> dict[str, str]:
        """Return these settings as variables, for a process that shall run with the very same."""
        values = {**dataclasses.asdict(self), "home": str(self.directory)}
        return {ENVIRONMENT_PREFIX + name.upper(): _as_variable(value) for name, value in values.items()}

    def shown(self) -> dict[str, Any]:
        """Return all settings for printing, with the password of the database masked."""
        values = dataclasses.asdict(self)
        shown = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
        url = parse(self.database)
        secret = {name: "***" for name in url.query if "password" in name.lower()}
        shown["database_url"] = url.update_query_dict(secret).render_as_string(hide_password=True)
        return shown


def _read_file(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_bytes())
    except FileNotFoundError:
        return {}
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(content, dict | None):
        raise SettingsError(f"{path} must hold one 'name: value' a line")
    return {str(name): value for name, value in (content or {}).items()}


def _as_variable(value: Any) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)
