"""The pod network keeps out of the way of the host's own networks."""

from ipaddress import IPv4Network

import pytest

from nodeagent.network.pod_network import NetworkError, choose_subnet, network_xml


def test_a_subnet_overlaps_nothing_that_is_taken() -> None:
    taken = [IPv4Network("0.0.0.0/0"), IPv4Network("10.0.0.0/16"), IPv4Network("10.1.1.0/24")]
    assert choose_subnet(taken) == IPv4Network("10.1.2.0/24")


def test_when_ten_is_taken_the_next_block_is_used() -> None:
    assert choose_subnet([IPv4Network("10.0.0.0/8")]) == IPv4Network("192.168.1.0/24")


def test_no_room_is_an_error() -> None:
    with pytest.raises(NetworkError, match="every private"):
        choose_subnet([IPv4Network("10.0.0.0/8"), IPv4Network("192.168.0.0/16")])


def test_the_network_gives_addresses_by_dhcp() -> None:
    xml = network_xml("virtplane", "vp0", IPv4Network("10.0.64.0/24"))
    assert '<bridge name="vp0"' in xml
    assert 'address="10.0.64.1"' in xml
    assert '<range start="10.0.64.2" end="10.0.64.254"' in xml
