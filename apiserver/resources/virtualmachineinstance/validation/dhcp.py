"""What an interface's DHCP server tells the guest beside its address."""

from collections.abc import Iterator
from ipaddress import AddressValueError, IPv4Address

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object
from apiserver.resources.virtualmachineinstance.validation.interfaces import listed_interfaces

PRIVATE_OPTIONS = range(224, 255)
"""Reserved for private use (RFC 3942)."""


def private_options(spec: Object, path: str) -> Iterator[FieldError]:
    """Options of one's own are in the range for them, each once."""
    for options, field in _dhcp_options(spec, path):
        seen: set[int] = set()
        for i, each in enumerate(options.get("privateOptions", ())):
            option, at = each["option"], f"{field}.privateOptions[{i}].option"
            if option not in PRIVATE_OPTIONS:
                detail = f"must be between {PRIVATE_OPTIONS.start} and {PRIVATE_OPTIONS.stop - 1}"
                yield FieldError.invalid(at, option, detail)
            elif option in seen:
                yield FieldError.duplicate(at, option)
            seen.add(option)


def time_servers(spec: Object, path: str) -> Iterator[FieldError]:
    """Time servers are told by address."""
    for options, field in _dhcp_options(spec, path):
        for i, server in enumerate(options.get("ntpServers", ())):
            try:
                IPv4Address(server)
            except AddressValueError:
                detail = "must be an IPv4 address, such as 192.0.2.1; DHCP has no names here"
                yield FieldError.invalid(f"{field}.ntpServers[{i}]", server, detail)


def _dhcp_options(spec: Object, path: str) -> Iterator[tuple[Object, str]]:
    interfaces, field = listed_interfaces(spec, path)
    for i, interface in enumerate(interfaces):
        if "dhcpOptions" in interface:
            yield interface["dhcpOptions"], f"{field}[{i}].dhcpOptions"


RULES = (private_options, time_servers)
