"""Each mistake is answered with what to do: at apply time where it can be known, else in a condition and an Event."""

from typing import Any


def test_an_unknown_field_is_named_at_apply_time(installation: Any, machine: Any) -> None:
    manifest = machine("typo")
    manifest["spec"]["template"]["spec"]["domain"]["memry"] = {"guest": "64Mi"}
    refusal = installation.apply(manifest, fails=True)
    # The server names the whole path; an older kubectl looks itself, and names the field and the type it is not in.
    assert 'unknown field "spec.template.spec.domain.memry"' in refusal or 'unknown field "memry"' in refusal


def test_an_impossible_memory_size_is_refused_at_apply_time(installation: Any, machine: Any) -> None:
    manifest = machine("huge")
    for amount in ("-1Gi", "lots", "0"):
        manifest["spec"]["template"]["spec"]["domain"]["memory"]["guest"] = amount
        assert "spec.template.spec.domain.memory.guest" in installation.apply(manifest, fails=True)


def test_more_memory_than_any_node_has_is_told_with_how_much_there_is(
    installation: Any, eventually: Any, machine: Any
) -> None:
    manifest = machine("greedy")
    manifest["spec"]["template"]["spec"]["domain"]["memory"]["guest"] = "4Ti"
    installation.apply(manifest)
    status = eventually(
        lambda: "Unsched" in installation.field("vm", "greedy", ".status.printableStatus"), 30, "ErrorUnschedulable"
    )
    assert status
    assert "too little memory" in installation.events("greedy")
    installation.kubectl("delete", "vm", "greedy")


def test_a_missing_image_is_told_and_used_as_soon_as_the_machine_names_another(
    installation: Any, eventually: Any, machine: Any
) -> None:
    manifest = machine("picture")
    volume = manifest["spec"]["template"]["spec"]["volumes"][0]["containerDisk"]
    volume |= {"image": "virtplane/no-such-image:1", "imagePullPolicy": "Never"}
    installation.apply(manifest)
    message = '.status.conditions[?(@.type=="Synchronized")].message'
    told = eventually(lambda: installation.field("vm", "picture", message), 30, "a condition tells it")
    assert "no-such-image" in told
    assert "ErrImageNeverPull" in installation.events("picture")
    installation.kubectl("delete", "vm", "picture")


def test_a_missing_file_in_an_image_is_told(installation: Any, eventually: Any, machine: Any) -> None:
    manifest = machine("kernel", runStrategy="Once")
    boot = manifest["spec"]["template"]["spec"]["domain"]["firmware"]["kernelBoot"]
    boot["container"]["kernelPath"] = "/boot/no-such-kernel"
    installation.apply(manifest)
    eventually(lambda: "boot/no-such-kernel" in installation.events("kernel"), 30, "an Event tells it")
    installation.kubectl("delete", "vm", "kernel")


def test_a_host_disk_outside_the_allowed_directories_is_refused(
    installation: Any, eventually: Any, machine: Any
) -> None:
    manifest = machine("outside", runStrategy="Once")
    volume = {"name": "data", "hostDisk": {"path": "/etc/passwd", "type": "Disk"}}
    manifest["spec"]["template"]["spec"]["volumes"] = [volume]
    installation.apply(manifest)
    eventually(lambda: installation.phase("outside") == "Failed", 30, "it has Failed")
    events = installation.events("outside")
    assert "HostDiskNotAllowed" in events
    assert str(installation.host_disks) in events
    installation.kubectl("delete", "vm", "outside")
