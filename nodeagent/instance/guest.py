"""Looking at a running guest: its domain as it is now, its addresses, and what its agent tells."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any

from nodeagent.domain.live import LiveDomain, read_domain
from nodeagent.hypervisor.errors import HypervisorError, HypervisorUnavailableError
from nodeagent.hypervisor.gateway import Hypervisor
from nodeagent.hypervisor.state import Domain
from nodeagent.instance.status import Seen, SeenAddresses

FROM_LEASE, FROM_AGENT = "domain", "domain, guest-agent"
"""KubeVirt's names for who told an address."""


async def look(hypervisor: Hypervisor, domain: Domain) -> Seen:
    """Return all that can be seen of a running guest. Raises HypervisorError when it is gone meanwhile."""
    live = read_domain(await hypervisor.live_xml(domain.name))
    addresses = _addresses(await hypervisor.leases(domain.name), FROM_LEASE) if _has_leases(live) else {}
    if not live.agent_connected:
        return Seen(domain=domain, live=live, addresses=addresses)
    try:
        told = _addresses(await hypervisor.guest_addresses(domain.name), FROM_AGENT)
        guest_os = await hypervisor.guest_info(domain.name)
    except HypervisorUnavailableError:
        raise
    except HypervisorError:
        # An agent that does not answer, or is too old for the question, takes nothing away from the rest.
        return Seen(domain=domain, live=live, addresses=addresses)
    return Seen(domain=domain, live=live, addresses={**addresses, **told}, guest_os=guest_os)


def _has_leases(live: LiveDomain) -> bool:
    return any(each.kind == "network" for each in live.interfaces)


def _addresses(told: Mapping[str, Any], source: str) -> dict[str, SeenAddresses]:
    """Return what ``virDomain.interfaceAddresses`` told, by MAC address; interfaces without addresses are left out."""
    found: dict[str, SeenAddresses] = {}
    for device, facts in told.items():
        addresses = tuple(_usable(facts.get("addrs") or []))
        if facts.get("hwaddr") and addresses:
            # A lease is told under the host's name of the interface, which is not the guest's.
            found[facts["hwaddr"]] = SeenAddresses(addresses, source, device if source == FROM_AGENT else "")
    return found


def _usable(addresses: list[Mapping[str, Any]]) -> Iterator[str]:
    """Yield addresses that others can use, IPv4 first."""
    parsed = (ip_address(each["addr"]) for each in addresses)
    for address in sorted((each for each in parsed if not each.is_link_local), key=lambda each: each.version):
        yield str(address)
