"""What a machine's template leaves open and must be the same at every start: what the guest knows its board by.

All else is filled in when an instance is made. Source: KubeVirt's mutating webhook for machines and ``pkg/defaults``.
"""

from apiserver.machinery.resource import Object
from apiserver.resources.cluster import Cluster
from apiserver.resources.virtualmachine.matchers import infer
from apiserver.resources.virtualmachine.validation import IDENTITY
from apiserver.resources.virtualmachineinstance.defaults import fill_machine
from apiserver.resources.virtualmachineinstance.defaults.machine import ARCHITECTURES
from apiserver.resources.virtualmachineinstance.metadata import fill_topology_version, keep_topology_version
from kube.instancetypes.fields import field, fill
from kube.instancetypes.matchers import PREFERENCE, MissingError, UnknownKindError, chosen
from kube.names import new_uuid

_DATA_SOURCES = "datasources.cdi.kubevirt.io"
_ARCHITECTURE_LABEL = "template.kubevirt.io/architecture"


def fill_new(machine: Object, cluster: Cluster) -> None:
    """Fill in a new machine: architecture, machine type, UUID, serial number and the layout of its PCI bus."""
    infer(machine, cluster.stored)
    template = machine["spec"]["template"]
    spec = template["spec"]
    _fill_board(machine, cluster)
    firmware = spec["domain"].setdefault("firmware", {})
    for name in IDENTITY:
        firmware[name] = firmware.get(name) or new_uuid()
    fill_topology_version(template)


def fill_changed(machine: Object, old: Object, cluster: Cluster) -> None:
    """Put back what a client left out that sends the manifest that it made the machine from."""
    infer(machine, cluster.stored)
    template, before = machine["spec"]["template"], old["spec"]["template"]
    spec, kept = template["spec"], before["spec"]
    spec["architecture"] = spec.get("architecture") or kept.get("architecture", "")
    board = kept["domain"].get("machine", {}).get("type")
    if board and spec["architecture"] == kept.get("architecture"):
        made = spec["domain"].setdefault("machine", {})
        made["type"] = made.get("type") or board
    _fill_board(machine, cluster)
    identity = kept["domain"].get("firmware", {})
    for name in IDENTITY:
        if name in identity:
            firmware = spec["domain"].setdefault("firmware", {})
            firmware[name] = firmware.get(name) or identity[name]
    keep_topology_version(template, before)


def _fill_board(machine: Object, cluster: Cluster) -> None:
    spec = machine["spec"]["template"]["spec"]
    _fill_preferred(machine, cluster)
    if not spec.get("architecture") and (found := _architecture_of_source(machine, cluster)):
        spec["architecture"] = found
    fill_machine(spec, cluster.configuration)


def _fill_preferred(machine: Object, cluster: Cluster) -> None:
    """Fill in what a preference says of the board, and of storage, which is made before any instance is."""
    try:
        preference = chosen(machine, PREFERENCE, cluster.stored) or {}
    except (MissingError, UnknownKindError):  # the rules tell, or it is still to come
        return
    spec = machine["spec"]["template"]["spec"]
    fill(spec, "architecture", preference.get("preferredArchitecture"))
    fill(spec, "domain.machine.type", field(preference, "machine.preferredMachineType"))
    storage_class = field(preference, "volumes.preferredStorageClassName")
    for template in machine["spec"].get("dataVolumeTemplates", ()) if storage_class else ():
        for kind in ("pvc", "storage"):
            if kind in template["spec"]:
                template["spec"][kind].setdefault("storageClassName", storage_class)


def _architecture_of_source(machine: Object, cluster: Cluster) -> str | None:
    """Return the architecture of what the first disk is made from that tells it, or None."""
    for template in machine["spec"].get("dataVolumeTemplates", ()):
        reference = template.get("spec", {}).get("sourceRef", {})
        if reference.get("kind", "").lower() != "datasource":
            continue
        namespace = reference.get("namespace") or machine["metadata"].get("namespace", "")
        source = cluster.stored.one(_DATA_SOURCES, namespace, reference.get("name", ""))
        further = source["spec"].get("source", {}).get("dataSource") if source else None
        if further:
            source = cluster.stored.one(_DATA_SOURCES, further["namespace"], further["name"])
        found = source["metadata"].get("labels", {}).get(_ARCHITECTURE_LABEL) if source else None
        if found in ARCHITECTURES:
            return found
    return None
