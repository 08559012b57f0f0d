"""The contract in ``openapi/``, loaded: a YAML file per group-version drives everything schema-like.

A file ``openapi/<dir>/<version>.yaml`` holds ``package`` (the prefix of the published names), ``group``, ``version``,
``kinds`` and ``definitions``. Where these are many, files ``<version>-<part>.yaml`` beside it hold more ``definitions``
and nothing else; which file holds one is nobody's business. A definition refers to another of its group-version with
``#/definitions/X`` and to one of another with ``../<dir>/<version>.yaml#/definitions/X``. One that ``extends`` another
starts as a copy of it without its example: its own keys win, its properties are added, and a property that is null is
taken away.
"""

import functools
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import yaml

from apiserver.machinery.errors import MAX_TOLD, FieldError
from apiserver.machinery.structural import REF_PREFIX, Compiler, Node, mark
from apiserver.machinery.violations import Validator

_GROUP_VERSION_KIND = "x-kubernetes-group-version-kind"
_PART = "-"
"""What stands between the name of a version and that of a part, in the names of files."""


class CatalogueError(Exception):
    """A schema file that cannot be used; the message names the file and what is wrong with it."""


class Schema:
    """What one version of one kind looks like."""

    def __init__(self, name: str, published: dict[str, dict[str, Any]], compiler: Compiler) -> None:
        """Compile the kind published as ``name``; ``published`` holds it and all it refers to."""
        self.name = name
        """The published name, such as ``io.kubevirt.v1.VirtualMachine``."""
        self.document = published[name]
        """The OpenAPI v3 schema of the kind, with references to ``#/components/schemas/…``."""
        self.root = compiler.root(name)
        """The kind, compiled for walking objects."""
        self._published = published

    @functools.cached_property
    def _validator(self) -> Validator:
        """Compiled when the first object comes: it takes milliseconds, and most kinds and versions wait for long."""
        return Validator(self.name, _closure([self.name], self._published))

    def prune(self, obj: dict[str, Any]) -> list[str]:
        """Drop unknown fields from ``obj``; return their paths, such as ``spec.disks[0].foo``."""
        return self.root.prune(obj)

    @functools.cached_property
    def _marked(self) -> Node:
        mark(self.root)
        return self.root

    def fill(self, obj: dict[str, Any]) -> None:
        """Set absent fields that have a default, in place."""
        self._marked.fill(obj)

    def is_plain(self, obj: dict[str, Any], kept: Collection[str] = ()) -> bool:
        """Return True for an object that has nothing to prune, defaults apart nothing to apply, and nothing wrong.

        It is never true of one of which that is not so, and seldom not of one of which it is.
        """
        return self._validator.is_plain(obj, kept) and not self._marked.repeats(obj)

    def apply_defaults(self, obj: dict[str, Any]) -> None:
        """Drop nulls that are no value, write 2.0 as 2, and set absent fields that have a default; in place."""
        self.root.tidy(obj)
        self.fill(obj)

    def validate(self, obj: dict[str, Any], kept: Collection[str] = ()) -> list[FieldError]:
        """Return what in ``obj`` breaks the schema: everything, up to MAX_TOLD, and of a huge object the first.

        ``obj`` may be a part of an object whose other fields, ``kept``, are known to be right.
        """
        return list(islice(chain(self._validator.errors(obj, kept), self.root.duplicates(obj, "")), MAX_TOLD))


@dataclass(frozen=True, slots=True)
class _File:
    """The schema file of a group-version as written, with what its parts hold."""

    path: Path
    package: str
    group: str
    version: str
    kinds: tuple[str, ...]
    definitions: dict[str, dict[str, Any]]

    def published(self, name: str) -> str:
        return f"{self.package}.{name}"


class Catalogue:
    """All schemas of all group-versions."""

    def __init__(self, published: dict[str, dict[str, Any]], kinds: dict[tuple[str, str, str], str]) -> None:
        """Take all ``published`` definitions by name, and the published name of each group, version and kind."""
        self._published = published
        self._kinds = kinds
        self._compiler = Compiler(published)
        self._schemas: dict[str, Schema] = {}

    @classmethod
    def load(cls, directory: Path) -> "Catalogue":
        """Load every ``<dir>/<version>.yaml`` below ``directory`` with its parts. Raises CatalogueError."""
        files = _files(sorted(directory.resolve().glob("*/*.yaml")))
        published: dict[str, dict[str, Any]] = {}
        kinds: dict[tuple[str, str, str], str] = {}
        for file in files.values():
            for name, schema in file.definitions.items():
                published[file.published(name)] = _definition(schema, file, files)
            for kind in file.kinds:
                kinds[file.group, file.version, kind] = file.published(kind)
        for (group, version, kind), name in kinds.items():
            if name not in published:
                raise CatalogueError(f"{group}/{version}: kind {kind} has no definition")
            marks = published[name].setdefault(_GROUP_VERSION_KIND, [])
            marks.append({"group": group, "version": version, "kind": kind})
        return cls(published, kinds)

    def schema(self, group: str, version: str, kind: str) -> Schema:
        """Return the schema of a kind, compiled the first time it is asked for. Raises KeyError."""
        name = self._kinds[group, version, kind]
        if name not in self._schemas:
            self._schemas[name] = Schema(name, self._published, self._compiler)
        return self._schemas[name]

    def definitions(self, group: str, version: str, more: Iterable[str] = ()) -> dict[str, dict[str, Any]]:
        """Return all that the kinds of a group-version and ``more`` need, by published name, as OpenAPI v3 has it.

        The definitions are shared: callers must not change them.
        """
        own = [name for (g, v, _), name in self._kinds.items() if (g, v) == (group, version)]
        return _closure([*own, *more], self._published)


def _files(paths: list[Path]) -> dict[Path, _File]:
    """Read the files of all group-versions, each with its parts."""
    files = {path: _read(path) for path in paths if _PART not in path.stem}
    for path in paths:
        if _PART in path.stem:
            whole = files.get(path.with_stem(path.stem.partition(_PART)[0]))
            if whole is None:
                raise CatalogueError(f"{path} is a part of no group-version")
            more = _load(path)["definitions"]
            if twice := sorted(whole.definitions.keys() & more.keys()):
                raise CatalogueError(f"{path}: {', '.join(twice)} is defined already")
            whole.definitions.update(more)
    return files


def _read(path: Path) -> _File:
    written = _load(path)
    try:
        return _File(
            path=path,
            package=written["package"],
            group=written["group"],
            version=written["version"],
            kinds=tuple(written.get("kinds") or ()),
            definitions=written["definitions"],
        )
    except KeyError as error:
        raise CatalogueError(f"{path} is not a schema file: {error}") from error


def _load(path: Path) -> dict[str, Any]:
    try:
        written = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)
        return {**written, "definitions": {**written["definitions"]}}
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise CatalogueError(f"{path} is not a schema file: {error}") from error


def _definition(schema: dict[str, Any], file: _File, files: dict[Path, _File]) -> dict[str, Any]:
    """Return a whole definition in published form, with what it ``extends`` merged in."""
    own = _publish({key: each for key, each in schema.items() if key != "extends"}, file, files)
    if "extends" not in schema:
        return own
    base, name = _target(schema["extends"], file, files)
    inherited = _definition(base.definitions[name], base, files)
    properties = {**inherited.get("properties", {}), **own.get("properties", {})}
    kept = {key: each for key, each in properties.items() if each is not None}
    inherited.pop("example", None)  # it names its own version
    return {**inherited, **own, "properties": kept}


def _publish(schema: Any, file: _File, files: dict[Path, _File]) -> Any:
    """Return ``schema`` with every reference in published form; one with siblings is wrapped in ``allOf``."""
    if isinstance(schema, list):
        return [_publish(each, file, files) for each in schema]
    if not isinstance(schema, dict):
        return schema
    ref = schema.get("$ref")
    if not isinstance(ref, str):  # also where "$ref" is the name of a property
        return {key: _publish(each, file, files) for key, each in schema.items()}
    target_file, name = _target(ref, file, files)
    target = {"$ref": REF_PREFIX + target_file.published(name)}
    siblings = {key: each for key, each in schema.items() if key != "$ref"}
    if (description := _description(target_file, name, files)) is not None:
        # kubectl explain tells a field's own description only.
        siblings.setdefault("description", description)
    return {"allOf": [target], **siblings} if siblings else target


def _description(file: _File, name: str, files: dict[Path, _File]) -> str | None:
    """Return what a definition, or the nearest that it extends, says of itself."""
    schema = file.definitions[name]
    if "description" in schema or "extends" not in schema:
        return schema.get("description")
    return _description(*_target(schema["extends"], file, files), files)


def _target(ref: str, file: _File, files: dict[Path, _File]) -> tuple[_File, str]:
    where, _, name = ref.partition("#/definitions/")
    target = files.get((file.path.parent / where).resolve()) if where else file
    if target is None or name not in target.definitions:
        raise CatalogueError(f"{file.path}: {ref} leads nowhere")
    return target, name


def _closure(names: list[str], published: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the definitions ``names`` and all they refer to, sorted."""
    needed: dict[str, dict[str, Any]] = {}
    ahead = list(names)
    while ahead:
        name = ahead.pop()
        if name not in needed:
            needed[name] = published[name]
            ahead.extend(ref.removeprefix(REF_PREFIX) for ref in _refs(needed[name]))
    return dict(sorted(needed.items()))


def _refs(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(ref := schema.get("$ref"), str):
            yield ref
        for each in schema.values():
            yield from _refs(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from _refs(each)
