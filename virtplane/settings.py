"""Every setting of the product: one dataclass; flags before environment before file before default."""

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import yaml
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

ENVIRONMENT_PREFIX = "VIRTPLANE_"
FILE_NAME = "config.yaml"


class SettingsError(Exception):
    """A setting that cannot be used; the message names it, where it came from, and what would be right."""


def _setting(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings. Empty strings stand for a default that follows from ``home``."""

    home: str = _setting("~/.virtplane", "the directory that holds all state")
    address: str = _setting("127.0.0.1", "the IP address that the server listens on")
    port: int = _setting(8443, "the port that the server listens on")
    database_url: str = _setting("", "sqlite:////PATH or postgresql://USER@HOST/NAME; empty for SQLite below home")
    node_name: str = _setting(os.uname().nodename.lower(), "the name of this host as a node")

    @property
    def directory(self) -> Path:
        """``home`` as a path."""
        return Path(self.home).expanduser().absolute()

    @property
    def database(self) -> str:
        """The database URL in force."""
        return self.database_url or f"sqlite:///{self.directory}/virtplane.db"

    @classmethod
    def load(cls, flags: Mapping[str, Any], environment: Mapping[str, str]) -> Self:
        """Return the settings in force. Raises SettingsError."""
        names = {each.name: each for each in dataclasses.fields(cls)}
        chosen = {name: value for name, value in flags.items() if name in names and value is not None}
        for name in names:
            variable = ENVIRONMENT_PREFIX + name.upper()
            if name not in chosen and variable in environment:
                chosen[name] = environment[variable]
        for name, value in _read_file(Path(chosen.get("home", cls().home)).expanduser() / FILE_NAME).items():
            if name not in names:
                raise SettingsError(f"{FILE_NAME}: {name!r} is no setting; known are {', '.join(sorted(names))}")
            if name == "home":
                raise SettingsError(
                    f"{FILE_NAME}: it is found below home and cannot move it; use --home or VIRTPLANE_HOME"
                )
            if value is not None:
                chosen.setdefault(name, value)
        return cls(**{name: _typed(name, value, names[name].type) for name, value in chosen.items()})

    def shown(self) -> dict[str, Any]:
        """Return all settings for printing, with the password of the database masked."""
        shown = dataclasses.asdict(self)
        url = make_url(self.database)
        secret = {name: "***" for name in url.query if "password" in name.lower()}
        shown["database_url"] = url.update_query_dict(secret).render_as_string(hide_password=True)
        return shown


def _read_file(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        return {}
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(content, dict | None):
        raise SettingsError(f"{path} must hold one 'name: value' a line")
    return {str(name): value for name, value in (content or {}).items()}


def _typed(name: str, value: Any, kind: Any) -> Any:
    if kind is int:
        try:
            number = int(value)
        except (TypeError, ValueError) as error:
            raise SettingsError(f"{name} must be a whole number; it is {value!r}") from error
        if name == "port" and not 0 < number < 65536:
            raise SettingsError(f"port must be between 1 and 65535; it is {number}")
        return number
    if name == "database_url" and value:
        try:
            make_url(str(value))
        except ArgumentError as error:
            # The value itself is not repeated: it may hold a password.
            raise SettingsError("database_url must look like sqlite:////PATH or postgresql://USER@HOST/NAME") from error
    return str(value)
