"""The pod network keeps out of the way of the host's own networks, and runs whenever a guest starts."""

import asyncio
import os
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

import pytest

from nodeagent.domain.interface import NetworkAttachment
from nodeagent.hypervisor.gateway import Hypervisor
from nodeagent.network.pod_network import Mode, NetworkError, PodNetwork, choose_subnet, network_xml

if TYPE_CHECKING:
    from tests.libvirt_host import LibvirtHost

INSTANCE = {"spec": {"domain": {"devices": {"interfaces": [{"name": "default", "masquerade": {}}]}}}}


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


async def test_a_network_that_somebody_stopped_runs_again_before_a_guest_starts(private_libvirt: "LibvirtHost") -> None:
    suffix = f"t{os.getpid()}"
    name = f"virtplane-{suffix}"
    async with Hypervisor.open(private_libvirt.uri) as hypervisor, asyncio.timeout(60):
        await hypervisor.connected.wait()
        network = PodNetwork(hypervisor, suffix=suffix, mode=Mode.NAT)
        await network.open()
        try:
            await asyncio.to_thread(private_libvirt.virsh, "net-destroy", name)
            # Side by side, as guests are prepared: only one of them may make the network again.
            attached = await asyncio.gather(*(network.attach(INSTANCE) for _ in range(8)))
            assert all(each == {"default": NetworkAttachment(name)} for each in attached)
            assert name in await asyncio.to_thread(private_libvirt.virsh, "net-list", "--name")
        finally:
            await asyncio.to_thread(private_libvirt.virsh, "net-destroy", name)
            await asyncio.to_thread(private_libvirt.virsh, "net-undefine", name)
