"""``<features>``: what the machine's chipset and hypervisor offer."""

from typing import Any
from xml.etree.ElementTree import Element

from nodeagent.domain.element import element, on_off
from nodeagent.domain.facts import HostFacts
from nodeagent.domain.machine import Machine
from nodeagent.domain.spec import is_enabled, section


def features(domain: dict[str, Any], *, machine: Machine, host: HostFacts) -> Element:
    """Return ``<features>``. ACPI is on unless switched off: without it no guest can be asked to shut down."""
    spec = section(domain, "features")
    acpi = "acpi" not in spec or is_enabled(spec, "acpi")
    return element(
        "features",
        element("acpi") if acpi else None,
        *(_of_a_pc(spec) if machine.is_x86 else ()),
        *(_of_kvm(spec) if host.kvm else ()),
    )


def _of_a_pc(spec: dict[str, Any]) -> list[Element]:
    found = [element("vmport", state="off")]  # VMware's port, which nothing here needs
    if is_enabled(spec, "apic"):
        end_of_interrupt = spec["apic"].get("endOfInterrupt")
        found.append(element("apic", eoi=None if end_of_interrupt is None else on_off(end_of_interrupt)))
    if "smm" in spec:
        found.append(element("smm", state=on_off(is_enabled(spec, "smm"))))
    return found


def _of_kvm(spec: dict[str, Any]) -> list[Element]:
    found: list[Element] = []
    if "kvm" in spec:
        found.append(element("kvm", element("hidden", state=on_off(section(spec, "kvm").get("hidden", False)))))
    if "pvspinlock" in spec:
        found.append(element("pvspinlock", state=on_off(is_enabled(spec, "pvspinlock"))))
    return found
