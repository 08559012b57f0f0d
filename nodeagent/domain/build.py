"""A VMI as a domain: puts the elements together."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from kube.configuration import Configuration
from nodeagent.domain.channel import guest_agent_channel
from nodeagent.domain.clock import clock
from nodeagent.domain.controller import controllers
from nodeagent.domain.cpu import cpu, topology, vcpu
from nodeagent.domain.disk import disks
from nodeagent.domain.element import element
from nodeagent.domain.facts import HostFacts
from nodeagent.domain.features import features
from nodeagent.domain.graphics import graphics
from nodeagent.domain.identity import Identity, domain_name, metadata
from nodeagent.domain.input import inputs
from nodeagent.domain.interface import Attached, interfaces
from nodeagent.domain.lifecycle import lifecycle
from nodeagent.domain.machine import Machine, machine
from nodeagent.domain.memballoon import memballoon
from nodeagent.domain.memory import memory
from nodeagent.domain.operating_system import is_efi, operating_system
from nodeagent.domain.rng import rng
from nodeagent.domain.serial import serial
from nodeagent.domain.sound import sound
from nodeagent.domain.spec import refuse_what_xml_cannot_hold, section
from nodeagent.domain.sysinfo import machine_uuid, sysinfo
from nodeagent.domain.video import video
from nodeagent.domain.watchdog import watchdog
from nodeagent.volumes.prepared import PreparedVolumes


def domain_xml(
    vmi: dict[str, Any],
    *,
    host: HostFacts,
    configuration: Configuration,
    volumes: PreparedVolumes,
    attached: Mapping[str, Attached],
    runtime: Path,
) -> str:
    """Return libvirt's XML of the domain that runs ``vmi``.

    Args:
        vmi: A VirtualMachineInstance of kubevirt.io/v1 with its defaults.
        host: The node.
        configuration: How the system is configured.
        volumes: What the VMI's volumes became.
        attached: How each interface that is not absent is connected, by its name.
        runtime: A directory of this guest's that QEMU may write to: ``serial.log``, ``nvram.fd`` and two sockets.

    Raises:
        UnsupportedError: The VMI asks for what this node cannot provide.
    """
    spec, domain = vmi["spec"], vmi["spec"]["domain"]
    if configuration.use_emulation:
        host = replace(host, kvm=False)
    refuse_what_xml_cannot_hold(domain, "domain")
    name = vmi["metadata"]["name"]
    namespace = vmi["metadata"]["namespace"]
    board = machine(spec, host)
    uuid = machine_uuid(vmi)
    root = element(
        "domain",
        element("name", text=domain_name(namespace, name)),
        element("uuid", text=uuid),
        metadata(Identity(namespace, name, vmi["metadata"]["uid"], host.node)),
        memory(domain),
        vcpu(topology(domain)),
        operating_system(
            spec,
            machine=board,
            firmware=_firmware(board, configuration),
            kernel=volumes.kernel,
            nvram=runtime / "nvram.fd",
        ),
        sysinfo(domain, uuid, configuration.smbios),
        features(domain, machine=board, host=host),
        cpu(domain, host),
        clock(domain, host),
        *lifecycle(spec, board),
        _devices(vmi, board, configuration, volumes, attached, runtime),
        type="kvm" if host.kvm else host.emulation,
    )
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def _firmware(board: Machine, configuration: Configuration) -> str | None:
    return configuration.ovmf_path("amd64" if board.is_x86 else "arm64")


def _devices(
    vmi: dict[str, Any],
    board: Machine,
    configuration: Configuration,
    volumes: PreparedVolumes,
    attached: Mapping[str, Attached],
    runtime: Path,
) -> ET.Element:
    domain = vmi["spec"]["domain"]
    spec = section(domain, "devices")
    vcpus = topology(domain).count
    owner = "{namespace}/{name}".format_map(vmi["metadata"])
    possible = (
        *disks(spec, volumes, machine=board, vcpus=vcpus),
        *interfaces(spec, attached, machine=board, vcpus=vcpus, owner=owner),
        *serial(spec, runtime, configuration),
        guest_agent_channel(),
        *inputs(spec, board),
        graphics(spec, runtime / "vnc.sock"),
        video(spec, machine=board, efi=is_efi(domain)),
        sound(spec, board),
        watchdog(spec, board),
        memballoon(spec, board, configuration),
        rng(spec, board),
    )
    present = [device for device in possible if device is not None]
    return element("devices", *controllers(present, board, hotplug=not spec.get("disableHotplug", False)), *present)
