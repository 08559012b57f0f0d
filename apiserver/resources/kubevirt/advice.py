"""What a KubeVirt object may say, and had better not: what changes nothing, and what no guest can start with."""

from collections.abc import Iterator

from apiserver.machinery.resource import Object
from apiserver.resources.virtualmachineinstance.defaults import fill_instance
from apiserver.resources.virtualmachineinstance.validation import validate_spec
from kube.configuration import Configuration
from kube.gates import GATES, Maturity
from kube.tls import NO_LONGER_SPOKEN

INERT = (
    "spec.imageTag",
    "spec.imageRegistry",
    "spec.imagePullPolicy",
    "spec.imagePullSecrets",
    "spec.monitorNamespace",
    "spec.serviceMonitorNamespace",
    "spec.monitorAccount",
    "spec.workloadUpdateStrategy",
    "spec.productVersion",
    "spec.productName",
    "spec.productComponent",
    "spec.synchronizationPort",
    "spec.infra",
    "spec.workloads",
    "spec.customizeComponents",
    *(
        f"spec.configuration.{name}"
        for name in (
            "additionalGuestMemoryOverheadRatio",
            "apiConfiguration",
            "autoCPULimitNamespaceLabelSelector",
            "changedBlockTrackingLabelSelectors",
            "commonInstancetypesDeployment",
            "confidentialCompute",
            "controllerConfiguration",
            "defaultRuntimeClass",
            "handlerConfiguration",
            "hypervisors",
            "imagePullPolicy",
            "ksmConfiguration",
            "mediatedDevicesConfiguration",
            "migrations",
            "minCPUModel",
            "obsoleteCPUModels",
            "permittedHostDevices",
            "roleAggregationStrategy",
            "seccompConfiguration",
            "selinuxLauncherType",
            "supportContainerResources",
            "supportedGuestAgentVersions",
            "virtTemplateDeployment",
            "vmStateStorageClass",
            "webhookConfiguration",
            "developerConfiguration.clusterProfiler",
            "developerConfiguration.diskVerification",
            "developerConfiguration.logVerbosity",
            "developerConfiguration.minimumClusterTSCFrequency",
            "developerConfiguration.minimumReservePVCBytes",
            "developerConfiguration.nodeSelectors",
            "developerConfiguration.pvcTolerateLessSpaceUpToPercent",
        )
    ),
)
"""What is checked and kept, and that is all."""
_INTERFACES = ("bridge", "masquerade")
_OF_GATES = {
    Maturity.GA: "is on for good; no longer name it",
    Maturity.DEPRECATED: "is deprecated: its feature is going to be removed",
    Maturity.DISCONTINUED: "changes nothing: its feature no longer exists",
}


def advice(kubevirt: Object) -> Iterator[str]:
    """Yield a warning for each thing said in vain or for the last time."""
    configuration = Configuration(kubevirt["spec"].get("configuration"))
    said = configuration.said
    yield from _of_gates(said.get("developerConfiguration", {}))
    yield from _of_old_names(said)
    interface = said.get("network", {}).get("defaultNetworkInterface")
    if interface and interface not in _INTERFACES:
        told = f"{interface!r} does not lead to the pod network; {' and '.join(_INTERFACES)} do"
        yield f"spec.configuration.network.defaultNetworkInterface: {told}"
    yield from _of_defaults(configuration)
    yield from _of_tls(said.get("tlsConfiguration", {}))
    for path in INERT:
        if _at(kubevirt, path):
            yield f"{path}: nothing acts on it yet: it is checked and kept, and that is all"


def _of_defaults(configuration: Configuration) -> Iterator[str]:
    """Yield what every guest that leaves it to the defaults will be refused for. KubeVirt accepts such an object."""
    guest: Object = {"domain": {"memory": {"guest": "1Gi"}, "devices": {}}}
    fill_instance(guest, configuration)
    for problem in validate_spec(guest, "spec", configuration):
        yield f"guests that leave {problem.field} to this configuration are refused: {problem.message}"


def _of_tls(said: Object) -> Iterator[str]:
    path = "spec.configuration.tlsConfiguration"
    if said.get("minTLSVersion") in NO_LONGER_SPOKEN:
        yield f"{path}.minTLSVersion: nothing older than TLS 1.2 is spoken"
    ciphers = said.get("ciphers", ())
    if ciphers and not any("_ECDHE_ECDSA_" in name for name in ciphers):
        told = "only TLS 1.3 is left: certificates are of ECDSA, and none of these is of TLS_ECDHE_ECDSA"
        yield f"{path}.ciphers: {told}"


def _of_gates(developer: Object) -> Iterator[str]:
    for name in ("featureGates", "disabledFeatureGates"):
        for gate in developer.get(name, ()):
            if gate not in GATES:
                yield f"the feature gate {gate} is not known, so it changes nothing"
            elif GATES[gate] in _OF_GATES:
                yield f"the feature gate {gate} {_OF_GATES[GATES[gate]]}"


def _of_old_names(said: Object) -> Iterator[str]:
    mediated, path = said.get("mediatedDevicesConfiguration", {}), "spec.configuration.mediatedDevicesConfiguration"
    told = "mediatedDevicesTypes is deprecated; use mediatedDeviceTypes"
    if "mediatedDevicesTypes" in mediated:
        yield f"{path}: {told}"
    for i, node in enumerate(mediated.get("nodeMediatedDeviceTypes", ())):
        if "mediatedDevicesTypes" in node:
            yield f"{path}.nodeMediatedDeviceTypes[{i}]: {told}"
    if "permitSlirpInterface" in said.get("network", {}):
        yield "spec.configuration.network.permitSlirpInterface is deprecated and changes nothing"
    for name in ("machineType", "emulatedMachines", "ovmfPath"):
        if said.get(name):
            yield f"spec.configuration.{name} is deprecated; use architectureConfiguration"
    if "ppc64le" in said.get("architectureConfiguration", {}):
        yield "spec.configuration.architectureConfiguration.ppc64le: this architecture is no longer supported"


def _at(kubevirt: Object, path: str) -> object:
    found: object = kubevirt
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found
