"""What Virtplane does not do yet of what an instance may ask for: one table for everybody who has to say so.

The server accepts such an instance, as KubeVirt does, and warns. A node agent does not start a guest that would lack
what it was promised. A row goes when the feature comes.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kube.objects import Object

NOT_PROVIDED = {
    "accessCredentials": "keys and passwords out of Secrets",
    "dnsConfig": "DNS servers other than the node's",
    "domain.cpu.dedicatedCpuPlacement": "CPUs for one guest alone",
    "domain.cpu.isolateEmulatorThread": "a CPU for the emulator alone",
    "domain.cpu.numa": "NUMA nodes",
    "domain.cpu.realtime": "real-time CPUs",
    "domain.memory.hugepages": "huge pages",
    "domain.ioThreads": "threads for the disks",
    "domain.ioThreadsPolicy": "threads for the disks",
    "domain.launchSecurity": "encrypted memory",
    "domain.features.hyperv": "Hyper-V enlightenments",
    "domain.features.hypervPassthrough": "Hyper-V enlightenments",
    "domain.firmware.acpi": "ACPI tables of the guest's own",
    "domain.firmware.bootloader.efi.persistent": "EFI variables that outlive the instance",
    "domain.devices.autoattachVSOCK": "a socket between guest and host",
    "domain.devices.clientPassthrough": "USB devices of clients",
    "domain.devices.downwardMetrics": "metrics of the host",
    "domain.devices.filesystems": "filesystems to mount",
    "domain.devices.gpus": "GPUs",
    "domain.devices.hostDevices": "host devices",
    "domain.devices.panicDevices": "panic devices",
    "domain.devices.tpm": "a TPM",
    "domain.devices.watchdog.diag288": "the watchdog of s390x",
    "domain.devices.disks[].lun": "LUNs",
    "domain.devices.disks[].blockSize": "block sizes of choice",
    "domain.devices.disks[].dedicatedIOThread": "a thread for one disk",
    "domain.devices.interfaces[].bridge": "bridges",
    "domain.devices.interfaces[].sriov": "SR-IOV devices",
    "domain.devices.interfaces[].passtBinding": "passt",
    "domain.devices.interfaces[].binding": "bindings other than slirp",
    "domain.devices.interfaces[].dhcpOptions": "DHCP options",
    "domain.devices.interfaces[].portRanges": "a choice of ports that are let in",
    "networks[].multus": "networks other than the pod network",
    "networks[].resourceClaim": "networks other than the pod network",
    "networks[].pod.vmNetworkCIDR": "a choice of the guest's addresses",
    "networks[].pod.vmIPv6NetworkCIDR": "a choice of the guest's addresses",
    **{
        f"volumes[].{source}": f"{source} volumes"
        for source in (
            "cloudInitConfigDrive",
            "configMap",
            "containerPath",
            "dataVolume",
            "downwardAPI",
            "downwardMetrics",
            "ephemeral",
            "memoryDump",
            "persistentVolumeClaim",
            "secret",
            "serviceAccount",
            "sysprep",
        )
    },
    "volumes[].containerDisk.imagePullSecret": "credentials for registries",
    "domain.firmware.kernelBoot.container.imagePullSecret": "credentials for registries",
}
"""What node agents cannot provide, by the field below ``spec`` that asks for it; ``[]`` stands for each of a list."""
WITHOUT_EFFECT = {
    "affinity": "the scheduler goes by nodeSelector only",
    "domain.devices.disks[].changedBlockTracking": "there are no incremental backups yet",
    "domain.devices.disks[].tag": "tags are not told to the guest yet",
    "domain.devices.interfaces[].tag": "tags are not told to the guest yet",
    "domain.memory.reservedOverhead": "no memory is set aside for the emulator yet",
    "domain.resources.overcommitGuestOverhead": "no memory is set aside for the emulator yet",
    "evictionStrategy": "guests do not move to other nodes yet",
    "livenessProbe": "guests are not probed yet",
    "priorityClassName": "no guest makes room for another",
    "readinessProbe": "guests are not probed yet",
    "schedulerName": "there is one scheduler only",
    "subdomain": "guests have no names in the cluster's DNS yet",
    "tolerations": "the scheduler does not know of taints",
    "topologySpreadConstraints": "the scheduler goes by nodeSelector only",
}
"""What runs all the same, without what the field asks for, and why."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that an instance asks for in vain.

    Attributes:
        field: The path below ``spec``.
        reason: What is not there.
        is_fatal: True when no guest starts without it.
    """

    field: str
    reason: str
    is_fatal: bool

    def __str__(self) -> str:
        """The whole as a warning, for the author of the instance."""
        return f"{self.field}: {self.reason}; {'the guest will not start' if self.is_fatal else 'it has no effect'}"


def gaps(spec: Object) -> Iterator[Gap]:
    """Yield everything that ``spec`` of an instance asks for and does not get."""
    yield from _below(spec, _ROWS, "")
    volumes = {volume["name"] for volume in spec.get("volumes", ())}
    for i, disk in enumerate(spec["domain"]["devices"].get("disks", ())):
        if disk["name"] not in volumes:
            field = f"domain.devices.disks[{i}]"
            yield Gap(field, "node agents cannot provide drives without a volume yet", is_fatal=True)


def _below(value: Any, rows: "_Rows", field: str) -> Iterator[Gap]:
    """Yield the gaps below ``value``, whose own path is ``field``."""
    if not isinstance(value, Mapping):
        return
    for name, found in value.items():
        row = rows.get(name)
        if row is None or found is None:
            continue
        below = f"{field}.{name}" if field else name
        places = ((below, found),) if not row.is_list else ((f"{below}[{i}]", each) for i, each in enumerate(found))
        for at, each in places:
            if row.reason and row.asked(each):
                yield Gap(at, row.reason, is_fatal=row.is_fatal)
            elif row.below:
                yield from _below(each, row.below, at)


def _is_asked_for(value: Any) -> bool:
    """Return True unless a value says no: false, empty, or a feature that is not enabled."""
    if isinstance(value, Mapping):
        return value.get("enabled", True)
    return bool(value)


def _is_other_binding(value: Any) -> bool:
    return value["name"] != "slirp"


def _is_migration(value: Any) -> bool:
    return value.startswith("LiveMigrate")


_EXCEPTIONS = {"domain.devices.interfaces[].binding": _is_other_binding, "evictionStrategy": _is_migration}


@dataclass(slots=True)
class _Row:
    """A field of the table, or one on the way to some; both tables as a tree cost a create the least."""

    is_list: bool
    below: "_Rows"
    reason: str = ""
    is_fatal: bool = False
    asked: Callable[[Any], bool] = _is_asked_for


_Rows = dict[str, _Row]


def _tree() -> _Rows:
    rows: _Rows = {}
    for path, what in {**NOT_PROVIDED, **WITHOUT_EFFECT}.items():
        at, row = rows, _Row(is_list=False, below={})
        for part in path.split("."):
            row = at.setdefault(part.removesuffix("[]"), _Row(part.endswith("[]"), {}))
            at = row.below
        row.is_fatal = path in NOT_PROVIDED
        row.reason = f"node agents cannot provide {what} yet" if row.is_fatal else what
        row.asked = _EXCEPTIONS.get(path, _is_asked_for)
    return rows


_ROWS = _tree()
