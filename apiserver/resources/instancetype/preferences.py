"""VirtualMachinePreference and VirtualMachineClusterPreference: what suits the operating systems of machines."""

from collections.abc import Iterable, Iterator

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Caller, Object, Resource, Strategy
from apiserver.machinery.schema import Catalogue
from apiserver.resources.instancetype.conversion import PREFERENCES
from apiserver.resources.instancetype.definition import define
from apiserver.resources.rules import quantity_errors
from kube.instancetypes.topology import (
    ACROSS,
    DEPRECATED_TOPOLOGIES,
    THREADS_PER_CORE,
    TOPOLOGIES,
    Topology,
    preferred_topology,
    spread_of,
)

KIND = "VirtualMachinePreference"
CLUSTER_KIND = "VirtualMachineClusterPreference"


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
    said = spec.get("cpu", {}).get("preferredCPUTopology")
    if said and said not in (*TOPOLOGIES, *DEPRECATED_TOPOLOGIES):
        yield FieldError.not_supported("spec.cpu.preferredCPUTopology", said, TOPOLOGIES)
        return
    if preferred_topology(spec) is not Topology.SPREAD:
        return
    spread = spread_of(spec)
    if spread.across not in ACROSS:
        yield FieldError.not_supported("spec.cpu.spreadOptions.across", spread.across, ACROSS)
    elif spread.across == "CoresThreads" and spread.ratio != THREADS_PER_CORE:
        detail = f"a core has {THREADS_PER_CORE} threads when across is CoresThreads"
        yield FieldError.invalid("spec.cpu.spreadOptions.ratio", spread.ratio, detail)


def namespaced(catalogue: Catalogue) -> Resource:
    """Define the kind of preferences for one namespace."""
    return define(catalogue, KIND, ("vmpref", "vmprefs", "vmp", "vmps"), PREFERENCES, PreferenceStrategy())


def cluster(catalogue: Catalogue) -> Resource:
    """Define the kind of preferences for all namespaces."""
    return define(catalogue, CLUSTER_KIND, ("vmcp", "vmcps"), PREFERENCES, PreferenceStrategy())
