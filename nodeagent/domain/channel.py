"""``<channel>``: the guest agent's line to the node."""

from xml.etree.ElementTree import Element

from nodeagent.domain.element import element

GUEST_AGENT = "org.qemu.guest_agent.0"
"""The name of the channel that the agent looks for."""


def guest_agent_channel() -> Element:
    """Return the channel that the QEMU guest agent looks for; libvirt chooses the node's end."""
    return element("channel", element("target", type="virtio", name=GUEST_AGENT), type="unix")
