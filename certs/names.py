"""The names of this machine under which clients may reach a server on it."""

import fcntl
import ipaddress
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

_SIOCGIFADDR = 0x8915
_IPV6_ADDRESSES = Path("/proc/net/if_inet6")
"""One address a line: 32 hexadecimal digits, then the interface, the prefix, the scope and more (``man 5 proc``)."""


def serving_names(address: str) -> list[str]:
    """Return the names for the certificate of a server that listens on ``address``, an IP address or a host name.

    One that listens on all addresses (``0.0.0.0``, ``::``) is reached as localhost, by the host's name, and on each
    address that this machine has now.
    """
    try:
        listening = ipaddress.ip_address(address)
    except ValueError:
        return ["localhost", address]
    if not listening.is_unspecified:
        return ["localhost", str(listening)]
    return list(dict.fromkeys(["localhost", socket.gethostname().lower(), "127.0.0.1", "::1", *_own_addresses()]))


def service_names(service: str, namespace: str) -> tuple[str, ...]:
    """Return the names of a Service of a Kubernetes cluster, from its own namespace and from anywhere else.

    kube-apiserver calls aggregated servers by the one that ends with ``.svc``.
    """
    return (f"{service}.{namespace}.svc", f"{service}.{namespace}.svc.cluster.local", f"{service}.{namespace}", service)


def _own_addresses() -> Iterator[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(any_socket, _SIOCGIFADDR, struct.pack("256s", name.encode()))
            except OSError:
                continue  # an interface without an IPv4 address
            yield str(ipaddress.IPv4Address(answer[20:24]))
    if not _IPV6_ADDRESSES.exists():
        return
    for line in _IPV6_ADDRESSES.read_text().splitlines():
        address = ipaddress.IPv6Address(bytes.fromhex(line.split()[0]))
        if not address.is_link_local:  # of no use without the name of the client's interface
            yield str(address)
