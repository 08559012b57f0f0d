"""Every kind of volume reaches the guest."""

from typing import Any


def test_a_guest_sees_all_its_disks_and_its_seed(installation: Any, eventually: Any, machine: Any) -> None:
    manifest = machine("disks")
    spec = manifest["spec"]["template"]["spec"]
    spec["hostname"] = "many-disks"
    spec["volumes"] += [
        {"name": "seed", "cloudInitNoCloud": {"userData": "#cloud-config\n"}},
        {"name": "scratch", "emptyDisk": {"capacity": "8Mi"}},
        {
            "name": "kept",
            "hostDisk": {"path": str(installation.host_disks / "kept.img"), "type": "DiskOrCreate", "capacity": "4Mi"},
        },
    ]
    spec["domain"]["devices"]["disks"] += [
        {"name": name, "disk": {"bus": "virtio"}} for name in ("seed", "scratch", "kept")
    ]
    installation.apply(manifest)
    log = eventually(lambda: installation.serial_log("disks").partition("host name ")[2], 60, "the guest booted")
    told = log.splitlines()[0]
    assert told.startswith("many-disks,")
    assert {"vda", "vdb", "vdc", "vdd"} <= set(told.split())
    installation.kubectl("delete", "vm", "disks")
    assert (installation.host_disks / "kept.img").stat().st_size == 4 * 2**20


def test_cloud_init_reads_a_secret_that_arrives_later(installation: Any, eventually: Any, machine: Any) -> None:
    manifest = machine("secretive")
    spec = manifest["spec"]["template"]["spec"]
    spec["volumes"].append({"name": "seed", "cloudInitNoCloud": {"secretRef": {"name": "seed"}}})
    spec["domain"]["devices"]["disks"].append({"name": "seed", "disk": {"bus": "virtio"}})
    installation.apply(manifest)
    eventually(lambda: "MissingSecret" in installation.events("secretive"), 30, "the missing Secret is told")
    installation.kubectl("create", "secret", "generic", "seed", "--from-literal=userdata=#cloud-config")
    eventually(lambda: installation.phase("secretive") == "Running", 90, "it runs once the Secret is there")
    installation.kubectl("delete", "vm/secretive", "secret/seed")
