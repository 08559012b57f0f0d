"""A VMI's volumes become files that QEMU can open, once, and nothing else of the host."""

import json
import struct
import subprocess
from pathlib import Path
from typing import Any

import pycdlib
import pytest

from nodeagent.volumes.images import ImageStore
from nodeagent.volumes.prepare import Volumes
from nodeagent.volumes.prepared import VolumeError


def vmi(*volumes: dict[str, Any], **domain: Any) -> dict[str, Any]:
    metadata = {"name": "vm", "namespace": "default", "uid": "a1b2"}
    return {"metadata": metadata, "spec": {"domain": domain, "volumes": list(volumes)}}


@pytest.fixture
def volumes(tmp_path: Path) -> Volumes:
    (tmp_path / "host").mkdir()
    return Volumes(tmp_path / "run", ImageStore(tmp_path / "images", []), [tmp_path / "host"])


def info(path: Path) -> dict[str, Any]:
    return json.loads(subprocess.check_output(["qemu-img", "info", "--output=json", path]))


async def test_a_container_disk_is_an_overlay_that_survives_a_restart_of_the_agent(
    tmp_path: Path, volumes: Volumes, image: Any, make_layer: Any, qcow2: bytes
) -> None:
    image(make_layer({"disk/d.qcow2": qcow2, "boot/k": b"k"})).write(tmp_path / "images/layout", "x")
    boot = {"kernelArgs": "quiet", "container": {"image": "x", "kernelPath": "/boot/k"}}
    spec = vmi({"name": "root", "containerDisk": {"image": "x"}}, firmware={"kernelBoot": boot})
    prepared = await volumes.prepare(spec, {})
    disk = prepared.disks["root"]
    assert info(disk.path)["backing-filename-format"] == "qcow2"
    assert prepared.kernel is not None
    assert prepared.kernel.kernel is not None
    assert prepared.kernel.kernel.read_bytes() == b"k"
    before = disk.path.stat().st_ino
    assert (await volumes.prepare(spec, {})).disks["root"].path.stat().st_ino == before
    await volumes.discard("a1b2")
    assert not disk.path.exists()


@pytest.mark.parametrize(("offset", "value", "why"), [(8, 104, "backing file"), (72, 4, "data file")])
async def test_an_image_that_refers_to_other_files_is_refused(
    tmp_path: Path, volumes: Volumes, image: Any, make_layer: Any, qcow2: bytes, offset: int, value: int, why: str
) -> None:
    hostile = bytearray(qcow2)
    struct.pack_into(">Q", hostile, offset, value)
    image(make_layer({"disk/d.qcow2": bytes(hostile)})).write(tmp_path / "images/layout", "x")
    with pytest.raises(VolumeError, match=why):
        await volumes.prepare(vmi({"name": "root", "containerDisk": {"image": "x"}}), {})


async def test_cloud_init_gets_its_data_from_a_secret(volumes: Volumes) -> None:
    spec = vmi({"name": "seed", "cloudInitNoCloud": {"secretRef": {"name": "s"}, "networkData": "version: 2"}})
    disk = (await volumes.prepare(spec, {"s": {"userdata": b"#cloud-config"}})).disks["seed"]
    assert disk.readonly
    assert disk.path.stat().st_mode & 0o077 == 0
    iso = pycdlib.PyCdlib()
    iso.open(str(disk.path))
    assert iso.pvd.volume_identifier.strip() == b"cidata"
    with iso.open_file_from_iso(rr_path="/user-data") as file:
        assert file.read() == b"#cloud-config"
    with iso.open_file_from_iso(joliet_path="/meta-data") as file:
        assert json.loads(file.read())["local-hostname"] == "vm"
    iso.close()


async def test_a_missing_secret_is_worth_waiting_for(volumes: Volumes) -> None:
    with pytest.raises(VolumeError, match="Secret s") as caught:
        await volumes.prepare(vmi({"name": "seed", "cloudInitNoCloud": {"secretRef": {"name": "s"}}}), {})
    assert caught.value.retryable


async def test_empty_and_host_disks_have_the_size_asked_for(tmp_path: Path, volumes: Volumes) -> None:
    host = {"path": str(tmp_path / "host/d.img"), "type": "DiskOrCreate", "capacity": "2Mi"}
    spec = vmi({"name": "e", "emptyDisk": {"capacity": "1Gi"}}, {"name": "h", "hostDisk": host})
    disks = (await volumes.prepare(spec, {})).disks
    assert info(disks["e"].path)["virtual-size"] == 1024**3
    assert disks["h"].path.stat().st_size == 2 * 1024**2
    await volumes.discard("a1b2")
    assert disks["h"].path.exists()


@pytest.mark.parametrize("path", ["/etc/passwd", "host/../images/x", "host/link", "relative"])
async def test_a_host_disk_elsewhere_is_refused(tmp_path: Path, volumes: Volumes, path: str) -> None:
    (tmp_path / "host/link").symlink_to("/etc/passwd")
    asked = path if path in ("/etc/passwd", "relative") else f"{tmp_path}/{path}"
    with pytest.raises(VolumeError, match="not below"):
        await volumes.prepare(vmi({"name": "h", "hostDisk": {"path": asked, "type": "Disk"}}), {})


async def test_an_unknown_volume_source_names_what_is_supported(volumes: Volumes) -> None:
    with pytest.raises(VolumeError, match="emptyDisk") as caught:
        await volumes.prepare(vmi({"name": "d", "dataVolume": {"name": "d"}}), {})
    assert not caught.value.retryable


@pytest.mark.parametrize("capacity", ["a lot", "0", "-1Gi", "9999999E"])
async def test_an_impossible_capacity_names_its_field(volumes: Volumes, capacity: str) -> None:
    with pytest.raises(VolumeError, match=r"scratch\.emptyDisk\.capacity"):
        await volumes.prepare(vmi({"name": "scratch", "emptyDisk": {"capacity": capacity}}), {})


async def test_a_host_disk_that_cannot_be_made_leaves_no_empty_file_behind(tmp_path: Path, volumes: Volumes) -> None:
    host = {
        "path": str(tmp_path / "host/d.img"),
        "type": "DiskOrCreate",
        "capacity": "7Ei",
    }  # more than file systems take
    for _ in range(2):
        with pytest.raises(VolumeError, match="cannot be created"):
            await volumes.prepare(vmi({"name": "h", "hostDisk": host}), {})
    assert not (tmp_path / "host/d.img").exists()


async def test_disks_that_guests_write_are_for_their_owner_only(tmp_path: Path, volumes: Volumes) -> None:
    host = {"path": str(tmp_path / "host/d.img"), "type": "DiskOrCreate", "capacity": "2Mi"}
    spec = vmi({"name": "e", "emptyDisk": {"capacity": "1Mi"}}, {"name": "h", "hostDisk": host})
    disks = (await volumes.prepare(spec, {})).disks
    assert {name: disk.path.stat().st_mode & 0o077 for name, disk in disks.items()} == {"e": 0, "h": 0}


async def test_a_path_that_climbs_out_of_an_image_is_told(volumes: Volumes) -> None:
    with pytest.raises(VolumeError, match=r"containerDisk\.path") as caught:
        await volumes.prepare(vmi({"name": "r", "containerDisk": {"image": "x", "path": "/../etc/passwd"}}), {})
    assert not caught.value.retryable


async def test_links_in_a_circle_lead_nowhere(tmp_path: Path, volumes: Volumes) -> None:
    (tmp_path / "host/circle").symlink_to(tmp_path / "host/circle")
    with pytest.raises(VolumeError):
        await volumes.prepare(vmi({"name": "h", "hostDisk": {"path": f"{tmp_path}/host/circle/d", "type": "Disk"}}), {})


async def test_what_the_operating_system_refuses_is_told_with_the_volume(tmp_path: Path, volumes: Volumes) -> None:
    too_long = f"{tmp_path}/host/{'x' * 300}"
    with pytest.raises(VolumeError, match=r"the volume h cannot be prepared: .*too long"):
        await volumes.prepare(vmi({"name": "h", "hostDisk": {"path": too_long, "type": "Disk"}}), {})


async def test_a_directory_that_cannot_be_made_is_told_and_worth_waiting_for(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("no directory can be made below a file")
    volumes = Volumes(tmp_path / "run", ImageStore(tmp_path / "images", []))
    with pytest.raises(VolumeError, match="the directory of the guest cannot be prepared") as caught:
        await volumes.prepare(vmi({"name": "e", "emptyDisk": {"capacity": "1Mi"}}), {})
    assert caught.value.retryable
