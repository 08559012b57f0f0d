"""Labels and annotations of an instance that mean something to the system."""

from collections.abc import Iterator, Mapping

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Caller, Object
from apiserver.resources.virtualmachineinstance.defaults.machine import has_pcie

RESERVED_LABELS = tuple(
    f"kubevirt.io/{name}"
    for name in (
        "created-by",
        "migrationJobUID",
        "nodeName",
        "migrationTargetNodeName",
        "schedulable",
        "install-strategy",
    )
)
"""What only the system may say about an instance."""
TOPOLOGY_VERSION = "kubevirt.io/pci-topology-version"
"""How PCI devices are laid out, so that a guest finds them where they were after an upgrade."""
_NEWEST_TOPOLOGY = "v3"


def reserved_labels(
    metadata: Object, before: Mapping[str, str], caller: Caller, path: str = "metadata"
) -> Iterator[FieldError]:
    """Yield an error for each reserved label that differs from what it was ``before``, unless the system writes."""
    labels = metadata.get("labels", {})
    for name in RESERVED_LABELS:
        if not caller.system and labels.get(name) != before.get(name):
            yield FieldError.forbidden(
                f"{path}.labels[{name}]", "only controllers and node agents may change this label"
            )


def fill_topology_version(owner: Object) -> None:
    """Give a new instance, or a new template of one, the newest layout where its board has PCI Express."""
    if has_pcie(owner["spec"]):
        owner.setdefault("metadata", {}).setdefault("annotations", {}).setdefault(TOPOLOGY_VERSION, _NEWEST_TOPOLOGY)


def keep_topology_version(template: Object, before: Object) -> None:
    """Put back the layout of a template where a client left it out."""
    kept = before.get("metadata", {}).get("annotations", {}).get(TOPOLOGY_VERSION)
    if kept is not None:
        template.setdefault("metadata", {}).setdefault("annotations", {}).setdefault(TOPOLOGY_VERSION, kept)
