"""A running domain's XML is read back into what the status tells."""

from xml.etree import ElementTree as ET

from nodeagent.domain.live import LiveDisk, LiveInterface, read_domain
from tests.nodeagent.domain.guests import vmi, xml_of

RUNNING = """
<domain type='qemu' id='7'>
  <name>default_web</name>
  <memory unit='KiB'>131072</memory>
  <vcpu placement='static'>4</vcpu>
  <os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>
  <cpu mode='maximum'><topology sockets='2' dies='1' cores='2' threads='1'/></cpu>
  <devices>
    <disk type='file' device='disk'><target dev='vda' bus='virtio'/><alias name='ua-root'/></disk>
    <disk type='file' device='cdrom'><target dev='sda' bus='sata'/><alias name='ua-seed'/></disk>
    <interface type='network'>
      <mac address='02:00:00:00:00:01'/><target dev='vnet3'/><link state='down'/><alias name='ua-default'/>
    </interface>
    <interface type='user'><mac address='02:00:00:00:00:02'/><alias name='ua-second'/></interface>
    <serial type='unix'><source mode='bind' path='/run/serial.sock'/><log file='/run/serial.log'/></serial>
    <console type='unix'><source mode='bind' path='/run/serial.sock'/></console>
    <graphics type='vnc' socket='/run/vnc.sock'><listen type='socket' socket='/run/vnc.sock'/></graphics>
    <channel type='unix'>
      <target type='virtio' name='org.qemu.guest_agent.0' state='connected'/><alias name='channel0'/>
    </channel>
  </devices>
</domain>
"""


def test_a_running_domain_is_read() -> None:
    live = read_domain(RUNNING)
    assert live.emulated
    assert live.machine == "pc-q35-7.2"
    assert live.memory_bytes == 128 * 2**20
    assert (live.sockets, live.cores, live.threads) == (2, 2, 1)
    assert (live.console, live.screen) == ("/run/serial.sock", "/run/vnc.sock")
    assert live.disks == (LiveDisk("root", "vda"), LiveDisk("seed", "sda"))
    assert live.interfaces == (
        LiveInterface("default", "02:00:00:00:00:01", "vnet3", "network", "down"),
        LiveInterface("second", "02:00:00:00:00:02", "", "user", "up"),
    )
    assert live.agent_connected


def test_an_agent_is_connected_only_while_its_channel_is_open() -> None:
    assert not read_domain(RUNNING.replace("state='connected'", "state='disconnected'")).agent_connected
    assert not read_domain("<domain type='kvm'><os><type machine='q35'/></os></domain>").agent_connected


def test_without_a_topology_every_processor_is_a_socket() -> None:
    bare = "<domain type='kvm'><vcpu>3</vcpu><os><type machine='q35'/></os></domain>"
    live = read_domain(bare)
    assert (live.sockets, live.cores, live.threads) == (3, 1, 1)
    assert not live.emulated


def test_a_disk_and_an_interface_may_share_a_name() -> None:
    devices = {
        "disks": [{"name": "default"}, {"name": "root"}],
        "interfaces": [{"name": "default"}, {"name": "disk_a"}],
    }
    xml = xml_of(vmi({"devices": devices}, volumes=[{"name": "default"}, {"name": "root"}]))
    aliases = [alias.get("name") for alias in ET.fromstring(xml).iterfind("devices/*/alias")]  # noqa: S314 - our own
    assert len(set(aliases)) == len(aliases) == 4
    live = read_domain(xml)
    assert [disk.name for disk in live.disks] == ["default", "root"]
    assert [interface.name for interface in live.interfaces] == ["default", "disk_a"]
