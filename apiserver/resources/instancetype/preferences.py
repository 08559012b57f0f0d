"""VirtualMachinePreference and VirtualMachineClusterPreference: what suits the operating systems of machines."""

from collections.abc import Iterable, Iterator

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Caller, Object, Resource, Strategy
from apiserver.machinery.schema import Catalogue
from apiserver.resources.instancetype import GROUP, VERSIONS
from apiserver.resources.instancetype.conversion import PREFERENCES
from apiserver.resources.rules import quantity_errors
from apiserver.resources.versions import versions

KIND = "VirtualMachinePreference"
CLUSTER_KIND = "VirtualMachineClusterPreference"
TOPOLOGIES = ("sockets", "cores", "threads", "spread", "any")
DEPRECATED_TOPOLOGIES = {f"prefer{each.capitalize()}": each for each in TOPOLOGIES}
SPREADS = ("SocketsCores", "SocketsCoresThreads", "CoresThreads")
_THREADS = 2
"""How many threads a core may have when CPUs are spread over cores and threads."""


class PreferenceStrategy(Strategy):
    """A preference can be changed; machines go on with the revision that they started from.

    Source: KubeVirt's ``pkg/instancetype/preference/webhooks/admitter.go``.
    """

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with the preference."""
        spec = new["spec"]
        yield from _topology_errors(spec)
        memory = spec.get("requirements", {}).get("memory")
        if memory is not None:
            yield from quantity_errors(memory["guest"], "spec.requirements.memory.guest")

    def warnings(self, new: Object) -> Iterable[str]:
        """Yield what is accepted and should no longer be used."""
        topology = new["spec"].get("cpu", {}).get("preferredCPUTopology")
        if topology in DEPRECATED_TOPOLOGIES:
            yield f"spec.cpu.preferredCPUTopology {topology} is deprecated; use {DEPRECATED_TOPOLOGIES[topology]}"
        firmware = new["spec"].get("firmware", {})
        for field in ("preferredUseEfi", "preferredUseSecureBoot"):
            if field in firmware:
                yield f"spec.firmware.{field} is deprecated; use spec.firmware.preferredEfi"
        if "preferSpreadSocketToCoreRatio" in new["spec"]:
            yield "spec.preferSpreadSocketToCoreRatio is deprecated; use spec.cpu.spreadOptions.ratio"


def _topology_errors(spec: Object) -> Iterator[FieldError]:
    cpu = spec.get("cpu", {})
    topology: str = cpu.get("preferredCPUTopology", "")
    if topology and topology not in (*TOPOLOGIES, *DEPRECATED_TOPOLOGIES):
        yield FieldError.not_supported("spec.cpu.preferredCPUTopology", topology, TOPOLOGIES)
    if DEPRECATED_TOPOLOGIES.get(topology, topology) != "spread":
        return
    options = cpu.get("spreadOptions", {})
    across = options.get("across", SPREADS[0])
    ratio = options.get("ratio") or spec.get("preferSpreadSocketToCoreRatio") or _THREADS
    if across not in SPREADS:
        yield FieldError.not_supported("spec.cpu.spreadOptions.across", across, SPREADS)
    elif across == "CoresThreads" and ratio != _THREADS:
        yield FieldError.invalid(
            "spec.cpu.spreadOptions.ratio", ratio, "a core has 2 threads when across is CoresThreads"
        )


def namespaced(catalogue: Catalogue) -> Resource:
    """Define the kind of preferences for one namespace."""
    return Resource(
        group=GROUP,
        kind=KIND,
        plural="virtualmachinepreferences",
        singular="virtualmachinepreference",
        short_names=("vmpref", "vmprefs", "vmp", "vmps"),
        categories=("all",),
        namespaced=True,
        versions=versions(catalogue, GROUP, KIND, VERSIONS, conversions=PREFERENCES, deprecated=VERSIONS[1:]),
        strategy=PreferenceStrategy(),
        has_generation=True,
        custom=True,
    )


def cluster(catalogue: Catalogue) -> Resource:
    """Define the kind of preferences for all namespaces."""
    return Resource(
        group=GROUP,
        kind=CLUSTER_KIND,
        plural="virtualmachineclusterpreferences",
        singular="virtualmachineclusterpreference",
        short_names=("vmcp", "vmcps"),
        namespaced=False,
        versions=versions(catalogue, GROUP, CLUSTER_KIND, VERSIONS, conversions=PREFERENCES, deprecated=VERSIONS[1:]),
        strategy=PreferenceStrategy(),
        has_generation=True,
        custom=True,
    )
