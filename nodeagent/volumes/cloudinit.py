"""cloudInitNoCloud: a small ISO with the label cidata that tells cloud-init what to do.

The format: https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html.
"""

import asyncio
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pycdlib

from kube.encoding import decode
from nodeagent.volumes.prepared import PreparedDisk, VolumeError

Secrets = Mapping[str, Mapping[str, bytes]]
"""The decoded data of Secrets of the VMI's namespace, by name."""

_JOLIET_LEVEL = 3


def decoded(secret: Mapping[str, Any]) -> Mapping[str, bytes]:
    """Return the data of a Secret as it was before the API encoded it."""
    return {key: decode(value) for key, value in (secret.get("data") or {}).items()}


async def prepare(
    name: str, source: dict[str, Any], vmi: dict[str, Any], workspace: Path, secrets: Secrets
) -> PreparedDisk:
    """Write the ISO of the volume ``name``, unless a guest has it already.

    Raises:
        VolumeError: A Secret is missing, lacks its key, or the data is not base64.
    """
    image = workspace / f"{name}.iso"
    if not await asyncio.to_thread(image.exists):
        files = {"meta-data": meta_data(vmi), "user-data": _data("userData", "secretRef", source, secrets) or b""}
        network = _data("networkData", "networkDataSecretRef", source, secrets)
        if network is not None:
            files["network-config"] = network
        await asyncio.to_thread(write_iso, image, files)
    return PreparedDisk(name, image, "raw", readonly=True)


def meta_data(vmi: dict[str, Any]) -> bytes:
    """The instance's identity, as JSON. It outlives a restart, so that cloud-init runs once per machine."""
    metadata = vmi["metadata"]
    host_name = vmi["spec"].get("hostname") or metadata["name"]
    facts = {"instance-id": f"{metadata['name']}.{metadata['namespace']}", "local-hostname": host_name}
    return json.dumps(facts).encode()


def write_iso(path: Path, files: dict[str, bytes]) -> None:
    """Write an ISO 9660 image with Rock Ridge and Joliet names, readable by its owner only: it may hold passwords.

    libvirt hands it to the QEMU user when the domain starts.
    """
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, joliet=_JOLIET_LEVEL, rock_ridge="1.09", vol_ident="cidata")
    for number, (name, content) in enumerate(files.items()):
        iso.add_fp(io.BytesIO(content), len(content), f"/FILE{number}.;1", rr_name=name, joliet_path=f"/{name}")
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)
    iso.write(str(unfinished))
    iso.close()
    unfinished.replace(path)


def _data(field: str, reference: str, source: dict[str, Any], secrets: Secrets) -> bytes | None:
    """One document: given inline, in base64, or as a Secret; None when it is not given at all."""
    if inline := source.get(field):
        return inline.encode()
    if encoded := source.get(f"{field}Base64"):
        try:
            return decode(encoded)
        except ValueError as error:
            raise VolumeError("InvalidCloudInit", f"{field}Base64 is not base64", retryable=False) from error
    if (secret := source.get(reference)) is None:
        return None
    data = secrets.get(secret["name"])
    if data is None:
        raise VolumeError("MissingSecret", f"the Secret {secret['name']} of cloud-init does not exist", retryable=True)
    for key in (field.lower(), field):
        if key in data:
            return data[key]
    raise VolumeError("MissingSecret", f"the Secret {secret['name']} has no key {field.lower()}", retryable=True)
