"""The board, its firmware, and what a guest reads about it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nodeagent.domain.facts import HostFacts, UnsupportedError
from nodeagent.volumes.prepared import PreparedKernel, PreparedVolumes
from tests.nodeagent.domain.guests import ARM, EMULATED, FIRMWARE_UUID, KVM, UID, built, vmi, written

NVRAM = "<nvram>/var/lib/virtplane/run/nvram.fd</nvram>"
SMBIOS = '<smbios mode="sysinfo" />'


def os_of(domain: dict[str, Any], host: HostFacts = KVM, kernel: PreparedKernel | None = None, **spec: Any) -> str:
    return written(built(vmi(domain, **spec), host, volumes=PreparedVolumes({}, kernel)).find("os"))


def bootloader(**kinds: Any) -> dict[str, Any]:
    return {"firmware": {"uuid": FIRMWARE_UUID, "bootloader": kinds}}


@pytest.mark.parametrize(
    ("host", "domain", "expected"),
    [
        (KVM, {}, '<type arch="x86_64" machine="q35">hvm</type>'),
        (KVM, {"machine": {"type": "pc"}}, '<type arch="x86_64" machine="pc">hvm</type>'),
        (ARM, {}, '<type arch="aarch64" machine="virt">hvm</type>'),
    ],
)
def test_the_machine_is_the_one_asked_for_else_the_architectures_newest(
    host: HostFacts, domain: dict[str, Any], expected: str
) -> None:
    assert os_of(domain, host) == f"<os>{expected}{SMBIOS}</os>"


def test_a_domain_uses_kvm_only_where_it_works() -> None:
    assert built(vmi(), KVM).get("type") == "kvm"
    assert built(vmi(), EMULATED).get("type") == "qemu"


@pytest.mark.parametrize(("host", "architecture"), [(KVM, "arm64"), (ARM, "amd64"), (KVM, "s390x")])
def test_a_guest_for_another_architecture_is_refused(host: HostFacts, architecture: str) -> None:
    with pytest.raises(UnsupportedError, match=f"this node is {host.arch}") as caught:
        built(vmi(architecture=architecture), host)
    assert caught.value.field == "architecture"
    assert built(vmi(architecture={"x86_64": "amd64", "aarch64": "arm64"}[host.arch]), host) is not None


def test_an_architecture_that_nothing_is_known_of_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="riscv64"):
        built(vmi(), replace(KVM, arch="riscv64"))


@pytest.mark.parametrize(("efi", "secure"), [({}, "yes"), ({"secureBoot": True}, "yes"), ({"secureBoot": False}, "no")])
def test_efi_is_selected_by_its_features_and_secure_unless_switched_off(efi: dict[str, Any], secure: str) -> None:
    features = "".join(f'<feature enabled="{secure}" name="{name}" />' for name in ("secure-boot", "enrolled-keys"))
    xml = os_of(bootloader(efi=efi))
    assert xml.startswith('<os firmware="efi">')
    assert f"<firmware>{features}</firmware>{NVRAM}" in xml


def test_the_firmware_of_arm_has_no_such_features() -> None:
    xml = os_of(bootloader(efi={}), ARM)
    assert NVRAM in xml
    assert "<firmware>" not in xml


@pytest.mark.parametrize(
    ("domain", "field"),
    [
        (bootloader(efi={"persistent": True}), "persistent"),
        ({**bootloader(efi={}), "machine": {"type": "pc"}}, "secureBoot"),
    ],
)
def test_efi_that_is_not_there_is_refused(domain: dict[str, Any], field: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        os_of(domain)
    assert caught.value.field == f"domain.firmware.bootloader.efi.{field}"


def test_the_bios_can_speak_on_the_serial_port() -> None:
    assert '<bios useserial="yes" />' in os_of(bootloader(bios={"useSerial": True}))
    assert "<bios" not in os_of(bootloader(bios={"useSerial": False}))


def test_a_kernel_is_started_directly() -> None:
    kernel = PreparedKernel(Path("/k"), Path("/i"), "console=ttyS0 quiet")
    boot = "<kernel>/k</kernel><initrd>/i</initrd><cmdline>console=ttyS0 quiet</cmdline>"
    assert boot in os_of({}, kernel=kernel)
    assert f"<kernel>/k</kernel>{SMBIOS}" in os_of({}, kernel=PreparedKernel(Path("/k"), None))
    assert os_of({}, kernel=PreparedKernel(None, None, "x")) == os_of({})


def test_an_initrd_without_a_kernel_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="needs a kernel"):
        os_of({}, kernel=PreparedKernel(None, Path("/i")))


def test_a_paused_start_waits_in_the_firmwares_menu() -> None:
    assert '<bootmenu enable="yes" timeout="10000" />' in os_of({}, startStrategy="Paused")


def test_the_guest_reads_what_kubevirts_guests_read() -> None:
    domain = {"firmware": {"uuid": FIRMWARE_UUID.upper(), "serial": "S-1"}, "chassis": {"asset": "A", "sku": "K"}}
    root = built(vmi(domain))
    assert root.findtext("uuid") == FIRMWARE_UUID
    assert written(root.find("sysinfo")) == (
        '<sysinfo type="smbios"><system><entry name="manufacturer">KubeVirt</entry>'
        '<entry name="family">KubeVirt</entry><entry name="product">None</entry>'
        f'<entry name="uuid">{FIRMWARE_UUID}</entry><entry name="serial">S-1</entry></system>'
        '<chassis><entry name="asset">A</entry><entry name="sku">K</entry></chassis></sysinfo>'
    )


def test_without_a_firmware_uuid_the_vmis_own_is_used() -> None:
    root = built(vmi({"firmware": {}}))
    assert root.findtext("uuid") == UID
    assert root.findtext("sysinfo/system/entry[@name='uuid']") == UID


def test_what_is_no_uuid_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="'mine' is not a UUID") as caught:
        built(vmi({"firmware": {"uuid": "mine"}}))
    assert caught.value.field == "domain.firmware.uuid"
