"""VMIs to build domains of, and the domains they become."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from kube.configuration import Configuration
from nodeagent.domain.build import domain_xml
from nodeagent.domain.facts import HostFacts
from nodeagent.domain.interface import Attached, NetworkAttachment
from nodeagent.volumes.prepared import PreparedDisk, PreparedKernel, PreparedVolumes

KVM = HostFacts(arch="x86_64", kvm=True, node="node-1")
EMULATED = replace(KVM, kvm=False)
ARM = replace(KVM, arch="aarch64")

UID = "0b7b9a1e-7c1d-4f0e-9b3e-0d3a3a6c2f11"
FIRMWARE_UUID = "5d307ca9-b3ef-428c-8861-06e72d69f223"
RUNTIME = Path("/var/lib/virtplane/run")
DEFAULTS = Configuration()
NETWORK = NetworkAttachment("virtplane")


def vmi(domain: Mapping[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A VMI with the least that a domain needs, and what is given."""
    least = {"memory": {"guest": "64Mi"}, "firmware": {"uuid": FIRMWARE_UUID}}
    metadata = {"namespace": "default", "name": "web", "uid": UID}
    return {"metadata": metadata, "spec": {"domain": {**least, **(domain or {})}, **spec}}


def prepare(instance: dict[str, Any]) -> PreparedVolumes:
    """What volumes become, without the files: seeds are raw and read-only, all others qcow2."""
    disks = {
        volume["name"]: PreparedDisk(volume["name"], Path(f"/volumes/{volume['name']}.raw"), "raw", readonly=True)
        if "cloudInitNoCloud" in volume
        else PreparedDisk(volume["name"], Path(f"/volumes/{volume['name']}.qcow2"), "qcow2")
        for volume in instance["spec"].get("volumes", [])
    }
    boot = instance["spec"]["domain"].get("firmware", {}).get("kernelBoot")
    kernel = boot and PreparedKernel(Path("/images/vmlinuz"), Path("/images/initrd"), boot.get("kernelArgs", ""))
    return PreparedVolumes(disks, kernel)


def xml_of(
    instance: dict[str, Any],
    host: HostFacts = KVM,
    *,
    configuration: Configuration = DEFAULTS,
    volumes: PreparedVolumes | None = None,
    attached: Attached = NETWORK,
) -> str:
    """The domain's XML; every interface is attached in the same way."""
    interfaces = instance["spec"]["domain"].get("devices", {}).get("interfaces", [])
    return domain_xml(
        instance,
        host=host,
        configuration=configuration,
        volumes=volumes or prepare(instance),
        attached={interface["name"]: attached for interface in interfaces},
        runtime=RUNTIME,
    )


def built(instance: dict[str, Any], host: HostFacts = KVM, **how: Any) -> ET.Element:
    """The domain, parsed."""
    return ET.fromstring(xml_of(instance, host, **how))  # noqa: S314 - made by what is tested


def with_devices(host: HostFacts = KVM, machine: str | None = None, **devices: Any) -> ET.Element:
    """The ``<devices>`` of a VMI that has ``devices``."""
    domain: dict[str, Any] = {"devices": devices}
    if machine:
        domain["machine"] = {"type": machine}
    volumes = [{"name": disk["name"], "emptyDisk": {"capacity": "1Gi"}} for disk in devices.get("disks", [])]
    found = built(vmi(domain, volumes=volumes), host).find("devices")
    assert found is not None
    return found


def written(element: ET.Element | None) -> str:
    """One element as text, without the white space around its children; empty when there is none."""
    if element is None:
        return ""
    text = ET.tostring(element, encoding="unicode").strip()
    return "".join(line.strip() for line in text.splitlines())
