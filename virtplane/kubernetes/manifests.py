"""The objects of an installation in a cluster, read from ``deploy/`` as ``kubectl kustomize`` reads them.

Of kustomize (https://kubectl.docs.kubernetes.io/references/kustomize/) no more is known than those files use:
resources, components, JSON patches (RFC 6902), labels and images.
"""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonpatch
import yaml

import deploy
from client.kinds import (
    API_SERVICE,
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    DAEMON_SET,
    DEPLOYMENT,
    NAMESPACE,
    NETWORK_POLICY,
    PERSISTENT_VOLUME_CLAIM,
    POD_DISRUPTION_BUDGET,
    PRIORITY_CLASS,
    ROLE,
    ROLE_BINDING,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    VALIDATING_ADMISSION_POLICY,
    VALIDATING_ADMISSION_POLICY_BINDING,
    Kind,
)
from kube.objects import Object
from virtplane.errors import VirtplaneError

PART_OF = "app.kubernetes.io/part-of"
"""The label that all objects of an installation have; its value is ``virtplane``."""
KINDS: tuple[Kind, ...] = (
    NAMESPACE,
    PRIORITY_CLASS,
    SERVICE_ACCOUNT,
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    ROLE,
    ROLE_BINDING,
    VALIDATING_ADMISSION_POLICY,
    VALIDATING_ADMISSION_POLICY_BINDING,
    NETWORK_POLICY,
    SECRET,
    PERSISTENT_VOLUME_CLAIM,
    SERVICE,
    POD_DISRUPTION_BUDGET,
    DEPLOYMENT,
    DAEMON_SET,
    API_SERVICE,
)
"""All kinds of an installation, in the order in which they are made: each finds what it needs."""

_FILE = "kustomization.yaml"
_DATA_VOLUMES = "../../components/data-volumes"
_KNOWN = {"apiVersion", "kind", "resources", "components", "patches", "labels", "images"}


class ManifestError(VirtplaneError):
    """A kustomization that says what is not understood here."""


def installation(overlay: str, *, data_volumes: bool = True, image: str = "") -> list[Object]:
    """Return the objects of an overlay in the order in which to make them.

    Without ``data_volumes`` the component of that name is left out. An ``image`` takes the place of the usual one.
    Raises ManifestError.
    """
    left_out = () if data_volumes else (_DATA_VOLUMES,)
    objects = build(deploy.DIRECTORY / "overlays" / overlay, left_out=left_out)
    if image:
        for container in _containers(objects):
            container["image"] = image
    order = {(each.api_version, each.kind): place for place, each in enumerate(KINDS)}
    return sorted(objects, key=lambda obj: order[obj["apiVersion"], obj["kind"]])


def kind_of(obj: Object) -> Kind:
    """Return the kind of one of the objects."""
    return next(each for each in KINDS if (each.api_version, each.kind) == (obj["apiVersion"], obj["kind"]))


def build(directory: Path, below: Iterable[Object] = (), *, left_out: Iterable[str] = ()) -> list[Object]:
    """Return what the kustomization in ``directory`` makes; a component makes it of the objects ``below``, too.

    ``left_out`` are components of it that do not count. Raises ManifestError.
    """
    said = yaml.safe_load((directory / _FILE).read_text())
    if unknown := said.keys() - _KNOWN:
        raise ManifestError(
            f"{directory / _FILE}: {', '.join(sorted(unknown))} is not understood; use kubectl apply -k"
        )
    objects = list(below)
    for each in said.get("resources", ()):
        path = directory / each
        objects += build(path) if path.is_dir() else list(yaml.safe_load_all(path.read_text()))
    for each in said.get("components", ()):
        if each not in left_out:
            objects = build(directory / each, objects)
    for patch in said.get("patches", ()):
        operations = yaml.safe_load((directory / patch["path"]).read_text())
        objects = [_patched(each, patch["target"], operations) for each in objects]
    for labels in said.get("labels", ()):
        for each in objects:
            each["metadata"]["labels"] = {**each["metadata"].get("labels", {}), **labels["pairs"]}
    for image in said.get("images", ()):
        _name_image(objects, image)
    return objects


def _patched(obj: Object, target: Mapping[str, str], operations: list[Any]) -> Object:
    if (obj["kind"], obj["metadata"]["name"]) != (target["kind"], target["name"]):
        return obj
    return jsonpatch.apply_patch(obj, deepcopy(operations))


def _name_image(objects: Iterable[Object], image: Mapping[str, str]) -> None:
    for container in _containers(objects):
        if container["image"] == image["name"]:
            container["image"] = f"{image.get('newName', image['name'])}:{image['newTag']}"


def _containers(objects: Iterable[Object]) -> Iterable[Object]:
    for each in objects:
        if each["kind"] in (DEPLOYMENT.kind, DAEMON_SET.kind):
            yield from each["spec"]["template"]["spec"]["containers"]
