"""The configuration of the system: what a KubeVirt object's ``spec.configuration`` says, with defaults for the rest.

Server, controllers and agents read it live, through this class alone. Source of keys and defaults: KubeVirt's
``pkg/virt-config``.
"""

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

from kube.objects import Object

_T = TypeVar("_T")


class Maturity(Enum):
    """How far a feature is; it decides whether its gate is on unless the configuration says so."""

    ALPHA = "Alpha"
    BETA = "Beta"
    GA = "GA"
    DEPRECATED = "Deprecated"
    DISCONTINUED = "Discontinued"


_GATES = {
    Maturity.ALPHA: (
        "AlignCPUs CPUManager ConfigurableHypervisor ContainerPathVolumes CrossArchitectureVirtualization "
        "DownwardMetrics EnableVirtioFsStorageVolumes ExperimentalIgnitionSupport FirmwareAutoSelection "
        "GraceIOVirtualization HostDevices HostDisk HypervStrictCheck IOMMUFD IncrementalBackup "
        "MigrationDowntimeTuning MigrationStallDetection NetworkDevicesWithDRA OCIExport ObjectGraph "
        "PCINUMAAwareTopology Plugins PortRangesSpec ReservedOverheadMemlock Root Sidecar UtilityVolumes "
        "VGPULiveMigration VMStatsCollector VSOCK WorkloadEncryptionTDX"
    ),
    Maturity.BETA: (
        "DecentralizedLiveMigration DeclarativeHotplugVolumes ExternalNetResourceInjection GPUsWithDRA "
        "HostDevicesWithDRA ImageVolume KubevirtSeccompProfile NodeRestriction OptOutRoleAggregation PasstBinding "
        "PodSecondaryInterfaceNamingUpgrade RebootPolicy Snapshot Template WorkloadEncryptionSEV"
    ),
    Maturity.GA: (
        "AutoResourceLimitsGate BochsDisplayForEFIGuests CPUNodeDiscovery ClusterProfiler "
        "CommonInstancetypesDeploymentGate DisableCustomSELinuxPolicy DynamicPodInterfaceNaming "
        "EnableVirtioFsConfigVolumes ExpandDisks GPU HotplugNICs InstancetypeReferencePolicy "
        "LibvirtHooksServerAndClient LiveMigration LiveUpdateNADRef MigrationPriorityQueue NUMA "
        "NetworkBindingPlugins NonRoot PSA PanicDevices PersistentReservation SRIOVLiveMigration SecureExecution "
        "VMExport VMLiveUpdateFeatures VMPersistentState VideoConfig VmiMemoryOverheadReport VolumeMigration "
        "VolumesUpdateStrategy"
    ),
    Maturity.DEPRECATED: "DisableMDEVConfiguration DockerSELinuxMCSWorkaround HotplugVolumes MultiArchitecture",
    Maturity.DISCONTINUED: "ExperimentalVirtiofsSupport Macvtap Passt PasstIPStackMigration",
}
GATES = {name: maturity for maturity, names in _GATES.items() for name in names.split()}
"""How far the feature behind each gate is."""


_MACHINE_TYPES = {"amd64": "q35", "arm64": "virt", "s390x": "s390-ccw-virtio"}
_EMULATED_MACHINES = {"amd64": ("q35*", "pc-q35*"), "arm64": ("virt*",), "s390x": ("s390-ccw-virtio*",)}
DEFAULT_CPU_REQUEST = "100m"


class Configuration:
    """One state of the configuration; a change makes another one."""

    def __init__(self, said: Object | None = None) -> None:
        """Read ``said``, the ``spec.configuration`` of a KubeVirt object."""
        self.said = said or {}
        developer = self.said.get("developerConfiguration", {})
        self._enabled = frozenset(developer.get("featureGates", ()))
        self._disabled = frozenset(developer.get("disabledFeatureGates", ()))

    def enabled(self, gate: str) -> bool:
        """Return True when the feature behind ``gate`` is on; one that is not known never is."""
        match GATES.get(gate):
            case Maturity.GA:
                return True
            case None | Maturity.DISCONTINUED:
                return False
            case Maturity.BETA:
                return gate not in self._disabled
            case Maturity.ALPHA | Maturity.DEPRECATED:
                return gate in self._enabled and gate not in self._disabled

    def disabled(self, gate: str) -> bool:
        """Return True when the configuration itself switches ``gate`` off."""
        return gate in self._disabled

    @property
    def default_architecture(self) -> str | None:
        """The architecture of guests that name none, or None to take that of the hosts."""
        return self._architectures().get("defaultArchitecture") or None

    def machine_type(self, architecture: str) -> str:
        """Return the machine type of guests that name none."""
        said = self.said.get("machineType") or self._architectures(architecture).get("machineType")
        return said or _of(architecture, _MACHINE_TYPES)

    def emulated_machines(self, architecture: str) -> tuple[str, ...]:
        """Return the patterns (``pc-q35*``) of which a machine type must match one."""
        said = self.said.get("emulatedMachines") or self._architectures(architecture).get("emulatedMachines")
        return tuple(said) if said else _of(architecture, _EMULATED_MACHINES)

    @property
    def cpu_model(self) -> str | None:
        """The CPU model of guests that name none; None leaves it to KubeVirt's default, host-model."""
        return self.said.get("cpuModel") or None

    @property
    def cpu_request(self) -> str:
        """What is set aside of a CPU for guests that say nothing, as a quantity."""
        return str(self.said.get("cpuRequest") or DEFAULT_CPU_REQUEST)

    @property
    def eviction_strategy(self) -> str | None:
        """What happens to guests that say nothing when their node is emptied; None is the same as ``None``."""
        return self.said.get("evictionStrategy")

    @property
    def default_network_interface(self) -> str:
        """How guests that name neither networks nor interfaces reach the pod network."""
        return self.said.get("network", {}).get("defaultNetworkInterface") or "masquerade"

    @property
    def updates_live(self) -> bool:
        """True when changes of a VirtualMachine reach its running guest (``vmRolloutStrategy: LiveUpdate``)."""
        return self.said.get("vmRolloutStrategy", "LiveUpdate") == "LiveUpdate"

    @property
    def max_hotplug_ratio(self) -> int:
        """How many times its CPUs and memory a guest may grow to, unless it or the configuration says how far."""
        return self._live_updates().get("maxHotplugRatio") or 4

    @property
    def max_cpu_sockets(self) -> int | None:
        """How many sockets a guest may grow to, or None to go by the ratio."""
        return self._live_updates().get("maxCpuSockets") or None

    @property
    def max_guest(self) -> str | int | None:
        """How much memory a guest may grow to, as a quantity, or None to go by the ratio."""
        return self._live_updates().get("maxGuest")

    def _live_updates(self) -> Object:
        return self.said.get("liveUpdateConfiguration", {})

    def _architectures(self, architecture: str = "") -> Object:
        found = self.said.get("architectureConfiguration", {})
        return found.get(architecture, {}) if architecture else found


def _of(architecture: str, values: Mapping[str, _T]) -> _T:
    """Return the value of ``architecture``; KubeVirt takes one that it does not know for amd64."""
    return values.get(architecture, values["amd64"])
