"""What Virtplane does not do yet."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

import openapi
from apiserver.machinery.schema import Catalogue
from apiserver.machinery.structural import REF_PREFIX, referenced
from kube.gaps import NOT_PROVIDED, WITHOUT_EFFECT, gaps

DEFINITIONS = Catalogue.load(openapi.DIRECTORY).definitions("kubevirt.io", "v1")
SPEC = "io.kubevirt.v1.VirtualMachineInstanceSpec"
DEVICES = "domain.devices"

PROVIDED = """
architecture dnsPolicy hostname nodeSelector serviceAccountName startStrategy terminationGracePeriodSeconds
domain.chassis.asset domain.chassis.manufacturer domain.chassis.serial domain.chassis.sku domain.chassis.version
domain.clock.timer.hpet.present domain.clock.timer.hpet.tickPolicy domain.clock.timer.hyperv.present
domain.clock.timer.kvm.present domain.clock.timer.pit.present domain.clock.timer.pit.tickPolicy
domain.clock.timer.rtc.present domain.clock.timer.rtc.tickPolicy domain.clock.timer.rtc.track
domain.clock.timezone domain.clock.utc.offsetSeconds
domain.cpu.cores domain.cpu.features[].name domain.cpu.features[].policy domain.cpu.maxSockets domain.cpu.model
domain.cpu.sockets domain.cpu.threads
domain.devices.autoattachGraphicsDevice domain.devices.autoattachInputDevice domain.devices.autoattachMemBalloon
domain.devices.autoattachPodInterface domain.devices.autoattachSerialConsole domain.devices.blockMultiQueue
domain.devices.disableHotplug domain.devices.logSerialConsole domain.devices.networkInterfaceMultiqueue
domain.devices.rng domain.devices.useVirtioTransitional
domain.devices.disks[].bootOrder domain.devices.disks[].cache domain.devices.disks[].cdrom.bus
domain.devices.disks[].cdrom.readonly domain.devices.disks[].cdrom.tray domain.devices.disks[].disk.bus
domain.devices.disks[].disk.pciAddress domain.devices.disks[].disk.readonly domain.devices.disks[].errorPolicy
domain.devices.disks[].io domain.devices.disks[].name domain.devices.disks[].serial domain.devices.disks[].shareable
domain.devices.inputs[].bus domain.devices.inputs[].name domain.devices.inputs[].type
domain.devices.interfaces[].acpiIndex domain.devices.interfaces[].bootOrder domain.devices.interfaces[].macAddress
domain.devices.interfaces[].masquerade domain.devices.interfaces[].model domain.devices.interfaces[].name
domain.devices.interfaces[].pciAddress domain.devices.interfaces[].ports[].name
domain.devices.interfaces[].ports[].port domain.devices.interfaces[].ports[].protocol
domain.devices.interfaces[].slirp domain.devices.interfaces[].state
domain.devices.sound.model domain.devices.sound.name domain.devices.video.type
domain.devices.watchdog.i6300esb.action domain.devices.watchdog.name
domain.features.acpi.enabled domain.features.apic.enabled domain.features.apic.endOfInterrupt
domain.features.kvm.hidden domain.features.pvspinlock.enabled domain.features.smm.enabled
domain.firmware.bootloader.bios.useSerial domain.firmware.bootloader.efi.secureBoot
domain.firmware.kernelBoot.container.image domain.firmware.kernelBoot.container.imagePullPolicy
domain.firmware.kernelBoot.container.initrdPath domain.firmware.kernelBoot.container.kernelPath
domain.firmware.kernelBoot.kernelArgs domain.firmware.serial domain.firmware.uuid
domain.machine.type domain.memory.guest domain.memory.maxGuest domain.rebootPolicy
domain.resources.limits domain.resources.requests
networks[].name
volumes[].cloudInitNoCloud.networkData volumes[].cloudInitNoCloud.networkDataBase64
volumes[].cloudInitNoCloud.networkDataSecretRef.name volumes[].cloudInitNoCloud.secretRef.name
volumes[].cloudInitNoCloud.userData volumes[].cloudInitNoCloud.userDataBase64
volumes[].containerDisk.image volumes[].containerDisk.imagePullPolicy volumes[].containerDisk.path
volumes[].emptyDisk.capacity volumes[].hostDisk.capacity volumes[].hostDisk.path volumes[].hostDisk.shared
volumes[].hostDisk.type volumes[].name
"""
"""What a guest gets, or what is nothing to it."""
REFUSED = """
domain.devices.interfaces[].macvtap domain.devices.interfaces[].passt
resourceClaims[].name resourceClaims[].resourceClaimName resourceClaims[].resourceClaimTemplateName
utilityVolumes[].claimName utilityVolumes[].name utilityVolumes[].readOnly utilityVolumes[].type
"""
"""What no instance can have, or what is nothing without a device that is in the table."""


def fields(schema: Mapping[str, Any], path: str) -> Iterator[str]:
    """Every field that a spec can have, as the table names it; none below one that is in the table."""
    name, _ = referenced(dict(schema))
    if name is not None:
        yield from fields(DEFINITIONS[name.removeprefix(REF_PREFIX)], path)
    elif path in NOT_PROVIDED or path in WITHOUT_EFFECT:
        yield path
    elif schema.get("type") == "array":
        yield from fields(schema["items"], f"{path}[]")
    elif not schema.get("properties"):
        yield path
    for key, each in schema.get("properties", {}).items() if path not in NOT_PROVIDED | WITHOUT_EFFECT else ():
        yield from fields(each, f"{path}.{key}" if path else key)


def test_every_field_is_provided_or_in_the_table() -> None:
    known = {*PROVIDED.split(), *REFUSED.split(), *NOT_PROVIDED, *WITHOUT_EFFECT}
    assert set(fields({"$ref": f"{REF_PREFIX}{SPEC}"}, "")) == known


def spec(**more: Any) -> dict[str, Any]:
    devices = {"disks": [{"name": "a", "disk": {}}], "interfaces": [{"name": "n", "masquerade": {}}]}
    return {
        "domain": {"devices": devices},
        "networks": [{"name": "n", "pod": {}}],
        "volumes": [{"name": "a", "emptyDisk": {"capacity": "1Gi"}}],
        **more,
    }


def with_devices(**devices: Any) -> dict[str, Any]:
    return spec(domain={"devices": spec()["domain"]["devices"] | devices})


def found(spec: dict[str, Any]) -> list[tuple[str, bool]]:
    return [(gap.field, gap.is_fatal) for gap in gaps(spec)]


def test_a_guest_of_plain_parts_lacks_nothing() -> None:
    assert found(spec()) == []


@pytest.mark.parametrize(
    ("asking", "field", "is_fatal"),
    [
        (with_devices(tpm={}), "domain.devices.tpm", True),
        (with_devices(gpus=[{"name": "g"}, {"name": "h"}]), "domain.devices.gpus", True),
        (with_devices(disks=[{"name": "a", "lun": {}}]), "domain.devices.disks[0].lun", True),
        (
            with_devices(disks=[{"name": "a", "disk": {}}, {"name": "b", "cdrom": {}}]),
            "domain.devices.disks[1]",
            True,
        ),
        (
            with_devices(interfaces=[{"name": "n", "binding": {"name": "passt"}}]),
            "domain.devices.interfaces[0].binding",
            True,
        ),
        (spec(networks=[{"name": "n", "multus": {"networkName": "lan"}}]), "networks[0].multus", True),
        (spec(volumes=[{"name": "a", "dataVolume": {"name": "d"}}]), "volumes[0].dataVolume", True),
        (spec(domain={"devices": {}, "memory": {"hugepages": {"pageSize": "2Mi"}}}), "domain.memory.hugepages", True),
        (spec(livenessProbe={"guestAgentPing": {}}), "livenessProbe", False),
        (spec(tolerations=[{"operator": "Exists"}]), "tolerations", False),
        (spec(evictionStrategy="LiveMigrateIfPossible"), "evictionStrategy", False),
    ],
)
def test_what_is_asked_for_in_vain_is_told(asking: dict[str, Any], field: str, *, is_fatal: bool) -> None:
    assert found(asking) == [(field, is_fatal)]


@pytest.mark.parametrize(
    "asking",
    [
        with_devices(tpm={"enabled": False}, gpus=[], autoattachVSOCK=False),
        with_devices(interfaces=[{"name": "n", "binding": {"name": "slirp"}}]),
        spec(evictionStrategy="None", tolerations=[]),
    ],
)
def test_what_is_not_asked_for_is_not_missed(asking: dict[str, Any]) -> None:
    assert found(asking) == []


def test_a_gap_says_what_is_not_there_and_what_comes_of_it() -> None:
    (fatal,) = gaps(with_devices(tpm={}))
    (other,) = gaps(spec(schedulerName="mine"))
    assert str(fatal) == "domain.devices.tpm: node agents cannot provide a TPM yet; the guest will not start"
    assert str(other) == "schedulerName: there is one scheduler only; it has no effect"
