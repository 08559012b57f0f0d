"""Volumes that a guest mounts instead of having them as disks."""

from collections.abc import Iterator

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object
from apiserver.resources.gates import gate_errors
from apiserver.resources.virtualmachineinstance.validation.disks import is_claim, volumes_by_name
from kube.configuration import Configuration

RESERVED_PATHS = ("/var/run/kubevirt", "/var/run/libvirt")
"""What KubeVirt itself keeps in the container beside the guest."""


def shared_claims(spec: Object, path: str, configuration: Configuration) -> Iterator[FieldError]:
    """Sharing a claim's filesystem with a guest is behind a gate."""
    volumes = volumes_by_name(spec)
    for i, each in enumerate(spec["domain"]["devices"].get("filesystems", ())):
        if is_claim(volumes.get(each["name"], {})):
            field = f"{path}.domain.devices.filesystems[{i}]"
            yield from gate_errors(configuration, "EnableVirtioFsStorageVolumes", field)


def container_paths(spec: Object, path: str) -> Iterator[FieldError]:
    """A directory of the container is mounted, never a disk, and is none of the system's own."""
    devices = spec["domain"]["devices"]
    disks = {each["name"] for each in devices.get("disks", ())}
    mounted = {each["name"] for each in devices.get("filesystems", ())}
    for i, volume in enumerate(spec.get("volumes", ())):
        if "containerPath" not in volume:
            continue
        field = f"{path}.volumes[{i}].containerPath"
        if volume["name"] in disks or volume["name"] not in mounted:
            detail = f"a directory is no disk; list {volume['name']} in domain.devices.filesystems, and only there"
            yield FieldError.forbidden(field, detail)
        if volume["containerPath"]["path"].startswith(RESERVED_PATHS):
            detail = f"is in a directory of the system's own; choose one outside of {' and '.join(RESERVED_PATHS)}"
            yield FieldError.invalid(f"{field}.path", volume["containerPath"]["path"], detail)


RULES = (container_paths,)
CONFIGURED = (shared_claims,)
