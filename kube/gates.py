"""Feature gates: how far the feature behind each is, which decides whether it is on by itself.

Source: KubeVirt's ``pkg/virt-config/featuregate``.
"""

from enum import Enum


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
