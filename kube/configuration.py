"""The configuration of the system: what a KubeVirt object's ``spec.configuration`` says, with defaults for the rest.

Server, controllers and agents read it live, through this class alone. Source of keys and defaults: KubeVirt's
``pkg/virt-config``.
"""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from kube.gates import GATES, Maturity
from kube.objects import Object
from kube.tls import TlsConfiguration

_T = TypeVar("_T")

_MACHINE_TYPES = {"amd64": "q35", "arm64": "virt", "s390x": "s390-ccw-virtio"}
_EMULATED_MACHINES = {"amd64": ("q35*", "pc-q35*"), "arm64": ("virt*",), "s390x": ("s390-ccw-virtio*",)}
_SMBIOS = {"manufacturer": "KubeVirt", "family": "KubeVirt", "product": "None"}
DEFAULT_CPU_REQUEST = "100m"
KUBEVIRTS = "kubevirts.kubevirt.io"
"""The kind of the objects that say it, as storage names it."""


class Configuration:
    """One state of the configuration; a change makes another one."""

    def __init__(self, said: Object | None = None) -> None:
        """Read ``said``, the ``spec.configuration`` of a KubeVirt object; a null in it says nothing."""
        self.said: Object = {name: value for name, value in (said or {}).items() if value is not None}
        self._developer: Object = self.said.get("developerConfiguration", {})
        self._options: Object = self.said.get("virtualMachineOptions", {})
        self._enabled = frozenset(self._developer.get("featureGates", ()))
        self._disabled = frozenset(self._developer.get("disabledFeatureGates", ()))

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
        return self.said.get("network", {}).get("defaultNetworkInterface") or "bridge"

    @property
    def permits_bridge_on_pod_network(self) -> bool:
        """True when a guest's interface may be bridged to the pod network."""
        return self.said.get("network", {}).get("permitBridgeInterfaceOnPodNetwork", True)

    @property
    def network_bindings(self) -> Mapping[str, Object]:
        """The plugins that an interface's ``binding`` may name, by these names."""
        return self.said.get("network", {}).get("binding", {})

    @property
    def persistent_reservation(self) -> bool:
        """True when a guest may reserve a LUN for itself (SCSI persistent reservations)."""
        named = "PersistentReservation" in self._enabled
        return self.said.get("persistentReservationConfiguration", {}).get("enabled", named)

    @property
    def instancetype_policy(self) -> str:
        """How a machine keeps what its instance type says: ``reference`` (a revision), ``expand`` or ``expandAll``."""
        return self.said.get("instancetype", {}).get("referencePolicy") or "reference"

    @property
    def updates_live(self) -> bool:
        """True when changes of a VirtualMachine reach its running guest (``vmRolloutStrategy: LiveUpdate``)."""
        return (self.said.get("vmRolloutStrategy") or "LiveUpdate") == "LiveUpdate"

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

    @property
    def cpu_allocation_ratio(self) -> int:
        """How many CPUs of guests, unless they are dedicated, share one of a node's."""
        return self._developer.get("cpuAllocationRatio") or 10

    @property
    def memory_overcommit(self) -> int:
        """The memory that guests see, in per cent of what is set aside for them."""
        return self._developer.get("memoryOvercommit") or 100

    @property
    def instances_per_node(self) -> int | None:
        """How many guests a node takes, or None to leave that to the node."""
        return self.said.get("virtualMachineInstancesPerNode")

    @property
    def use_emulation(self) -> bool:
        """True when no guest may use KVM, even where that works."""
        return bool(self._developer.get("useEmulation"))

    @property
    def smbios(self) -> dict[str, str]:
        """What guests read about the maker of their machine: ``manufacturer``, ``product``, ``family`` and more."""
        return {**_SMBIOS, **{name: value for name, value in self.said.get("smbios", {}).items() if value}}

    @property
    def memory_balloon_seconds(self) -> int:
        """How often guests tell how they use their memory, in seconds; 0 for never."""
        return self.said.get("memBalloonStatsPeriod", 10)

    @property
    def reports_free_pages(self) -> bool:
        """True when guests give free memory back to their node by themselves."""
        return "disableFreePageReporting" not in self._options

    @property
    def keeps_serial_log(self) -> bool:
        """True when what guests write to their serial console is logged, unless they say otherwise."""
        return "disableSerialConsoleLog" not in self._options

    @property
    def tls(self) -> TlsConfiguration:
        """What servers accept of TLS."""
        return TlsConfiguration.of(self.said.get("tlsConfiguration", {}))

    def ovmf_path(self, architecture: str) -> str | None:
        """Return the directory of the EFI firmware, or None to take what the node's libvirt finds."""
        return self.said.get("ovmfPath") or self._architectures(architecture).get("ovmfPath") or None

    def _live_updates(self) -> Object:
        return self.said.get("liveUpdateConfiguration", {})

    def _architectures(self, architecture: str = "") -> Object:
        found = self.said.get("architectureConfiguration", {})
        return found.get(architecture, {}) if architecture else found


def _of(architecture: str, values: Mapping[str, _T]) -> _T:
    """Return the value of ``architecture``; KubeVirt takes one that it does not know for amd64."""
    return values.get(architecture, values["amd64"])


def governing(kubevirts: Iterable[Object]) -> Object | None:
    """Return the KubeVirt object that counts: the oldest, or None when there is none."""
    return min(kubevirts, key=_age, default=None)


def configuration_of(kubevirt: Object | None) -> Configuration:
    """Return what a KubeVirt object says, or all defaults where there is none."""
    return Configuration(((kubevirt or {}).get("spec") or {}).get("configuration"))


class Latest:
    """The configuration of the KubeVirt object that counts: the same object until that one changes."""

    def __init__(self) -> None:
        self._read: tuple[Object | None, Configuration] = (None, Configuration())

    def of(self, kubevirts: Iterable[Object]) -> Configuration:
        """Return the configuration as ``kubevirts`` are now, or all defaults when there are none."""
        found = governing(kubevirts)
        if found is not self._read[0]:
            self._read = (found, configuration_of(found))
        return self._read[1]


def _age(kubevirt: Object) -> tuple[str, str]:
    return kubevirt["metadata"]["creationTimestamp"], kubevirt["metadata"]["uid"]
