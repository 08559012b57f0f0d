"""Networks in use are read from the kernel's table and from libvirt's documents."""

from ipaddress import IPv4Network

from nodeagent.network.pod_network import network_xml
from nodeagent.network.routes import libvirt_networks, read_routes, routed_networks

TABLE = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0002A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""


def test_routes_are_read_from_the_kernels_table() -> None:
    assert list(read_routes(TABLE)) == [IPv4Network("0.0.0.0/0"), IPv4Network("192.168.2.0/24")]


async def test_this_hosts_table_can_be_read() -> None:
    assert isinstance(await routed_networks(), list)


def test_the_subnets_of_libvirt_networks_are_in_use() -> None:
    ours = network_xml("virtplane", "vp0", IPv4Network("10.0.64.0/24"))
    theirs = '<network><name>isolated</name><ip family="ipv6" address="fd00::1" prefix="64"/></network>'
    short = '<network><ip address="192.168.122.1" prefix="24"/></network>'
    assert list(libvirt_networks([ours, theirs, short])) == [
        IPv4Network("10.0.64.0/24"),
        IPv4Network("192.168.122.0/24"),
    ]
