"""``<uuid>`` and ``<sysinfo>``: what the guest reads about its machine by SMBIOS."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID
from xml.etree.ElementTree import Element

from nodeagent.domain.element import element
from nodeagent.domain.facts import UnsupportedError
from nodeagent.domain.spec import section

_CHASSIS = ("manufacturer", "version", "serial", "asset", "sku")


def machine_uuid(vmi: dict[str, Any]) -> str:
    """Return the firmware's UUID, else the VMI's own. libvirt demands that domain and SMBIOS agree on it.

    Raises:
        UnsupportedError: It is not a UUID.
    """
    said = section(vmi["spec"], "domain", "firmware").get("uuid") or vmi["metadata"]["uid"]
    try:
        return str(UUID(said))
    except ValueError as error:
        message = f"{said!r} is not a UUID, such as 5d307ca9-b3ef-428c-8861-06e72d69f223"
        raise UnsupportedError("domain.firmware.uuid", message) from error


def sysinfo(domain: dict[str, Any], uuid: str, maker: Mapping[str, str]) -> Element:
    """Return ``<sysinfo>``; ``maker`` is who made the machine, as software in the guest may look for."""
    serial = section(domain, "firmware").get("serial")
    system = {**maker, "uuid": uuid} | ({"serial": serial} if serial else {})
    given = section(domain, "chassis")
    chassis = {name: given[name] for name in _CHASSIS if given.get(name)}
    return element(
        "sysinfo",
        element("system", *_entries(system)),
        element("chassis", *_entries(chassis)) if chassis else None,
        type="smbios",
    )


def _entries(values: dict[str, str]) -> list[Element]:
    return [element("entry", text=value, name=name) for name, value in values.items()]
