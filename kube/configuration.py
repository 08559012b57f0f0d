"""The configuration of the system: what a KubeVirt object's ``spec.configuration`` says, with defaults for the rest.

Server, controllers and agents read it live, through this class alone. Source of keys and defaults: KubeVirt's
``pkg/virt-config``.
"""

from enum import Enum

from kube.objects import Object


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
