"""``<vcpu>`` and ``<cpu>``: how many processors the guest has, arranged how, and of which model."""

from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

from nodeagent.domain.element import element
from nodeagent.domain.facts import HostFacts
from nodeagent.domain.spec import section

_OF_THE_HOST = frozenset({"host-model", "host-passthrough"})


@dataclass(frozen=True, slots=True)
class Topology:
    """How the guest's processors are arranged."""

    sockets: int
    cores: int
    threads: int

    @property
    def count(self) -> int:
        """All processors that the guest sees."""
        return self.sockets * self.cores * self.threads


def topology(domain: dict[str, Any]) -> Topology:
    """Return the guest's topology; each part is one unless said otherwise."""
    spec = section(domain, "cpu")
    return Topology(spec.get("sockets") or 1, spec.get("cores") or 1, spec.get("threads") or 1)


def vcpu(arrangement: Topology) -> Element:
    """Return ``<vcpu>``."""
    return element("vcpu", text=arrangement.count, placement="static")


def cpu(domain: dict[str, Any], host: HostFacts) -> Element:
    """Return ``<cpu>``: KubeVirt's default is the host's model, and without KVM all that QEMU can emulate."""
    spec = section(domain, "cpu")
    arrangement = topology(domain)
    features = {feature["name"]: feature.get("policy") or "require" for feature in spec.get("features") or []}
    mode, model = _mode(spec.get("model"), host)
    if mode == "custom" and host.arch == "x86_64":
        # Newer processors and kernels dropped MPX, which models of its time still demand.
        features.setdefault("mpx", "disable")
    return element(
        "cpu",
        element("model", text=model) if model else None,
        element("topology", sockets=arrangement.sockets, cores=arrangement.cores, threads=arrangement.threads),
        *(element("feature", name=name, policy=policy) for name, policy in features.items()),
        mode=mode,
    )


def _mode(model: str | None, host: HostFacts) -> tuple[str, str | None]:
    if model and model not in _OF_THE_HOST:
        return "custom", model
    if not host.kvm:
        return "maximum", None  # there is no processor of the host that an emulated one could resemble
    if host.arch == "aarch64":
        return "host-passthrough", None  # libvirt knows no models to compose the host's from
    return model or "host-model", None
