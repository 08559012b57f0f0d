"""What a KubeVirt object may say: each rule broken once, and kept at its border."""

from typing import Any

import pytest
from hypothesis import given

from apiserver.machinery.resource import Caller
from apiserver.resources.cluster import Cluster
from apiserver.resources.kubevirt.advice import INERT
from apiserver.resources.kubevirt.strategy import KubeVirtStrategy
from kube.configuration import Configuration, configuration_of
from tests.apiserver.resources.generated import CATALOGUE, objects
from tests.apiserver.resources.surroundings import PLAIN, Remembered, configured

Object = dict[str, Any]

ADMIN = Caller("admin")
ROTATION = "spec.certificateRotateStrategy.selfSigned"
CONFIGURATION = "spec.configuration"
REQUIRES = "requiredDuringSchedulingIgnoredDuringExecution"
INVALID, FORBIDDEN = "FieldValueInvalid", "FieldValueForbidden"
REQUIRED, NOT_SUPPORTED = "FieldValueRequired", "FieldValueNotSupported"


def kubevirt(**spec: Any) -> Object:
    return {"metadata": {"name": "kubevirt", "namespace": "virtplane"}, "spec": spec}


def rotation(**said: Any) -> Object:
    return {"certificateRotateStrategy": {"selfSigned": said}}


def patch(kind: str, text: str) -> Object:
    patches = [{"resourceType": "Deployment", "resourceName": "virt-api", "type": kind, "patch": text}]
    return {"customizeComponents": {"patches": patches}}


def says(**configuration: Any) -> Object:
    return {"configuration": configuration}


def developer(**said: Any) -> Object:
    return says(developerConfiguration=said)


def placed(components: str, **placement: Any) -> Object:
    return {components: {"nodePlacement": placement}}


def seccomp(**profile: Any) -> Object:
    return says(seccompConfiguration={"virtualMachineInstanceProfile": profile})


def tls(version: str, *ciphers: str) -> Object:
    return says(tlsConfiguration={"minTLSVersion": version, "ciphers": list(ciphers)})


CUSTOM = f"{CONFIGURATION}.seccompConfiguration.virtualMachineInstanceProfile.customProfile"
WRONG: list[tuple[Object, str, str, str]] = [
    (
        developer(cpuAllocationRatio=-1),
        f"{CONFIGURATION}.developerConfiguration.cpuAllocationRatio",
        INVALID,
        "1 or more",
    ),
    (developer(memoryOvercommit=-1), f"{CONFIGURATION}.developerConfiguration.memoryOvercommit", INVALID, "1 or more"),
    (says(virtualMachineInstancesPerNode=-1), f"{CONFIGURATION}.virtualMachineInstancesPerNode", INVALID, "0 or more"),
    (rotation(ca={"duration": "a week"}), f"{ROTATION}.ca.duration", INVALID, "must be a duration, such as 24h"),
    (rotation(ca={"duration": "4s"}, server={"duration": "24h"}), f"{ROTATION}.ca.duration", INVALID, "at least 5s"),
    (rotation(certRotateInterval="0s"), f"{ROTATION}.certRotateInterval", INVALID, "must be at least 5s"),
    (rotation(server={"renewBefore": "-1h"}), f"{ROTATION}.server.renewBefore", INVALID, "must be at least 0s"),
    (rotation(ca={"duration": "48h", "renewBefore": "49h"}), f"{ROTATION}.ca.renewBefore", INVALID, "at most"),
    (rotation(server={"duration": "2h", "renewBefore": "3h"}), f"{ROTATION}.server.renewBefore", INVALID, "at most"),
    (rotation(server={"duration": "169h"}), f"{ROTATION}.server.duration", INVALID, '"169h": must be at most'),
    (rotation(ca={"duration": "23h30m"}), f"{ROTATION}.server.duration", INVALID, "certificate, 23h30m"),
    (rotation(caRotateInterval="23h"), f"{ROTATION}.server.duration", INVALID, "certificate, 23h"),
    (rotation(caRotateInterval="50h", ca={}), f"{ROTATION}.caRotateInterval", FORBIDDEN, "use these alone"),
    (rotation(certRotateInterval="5h", server={}), f"{ROTATION}.certRotateInterval", FORBIDDEN, "use these alone"),
    (patch("json", "{"), "spec.customizeComponents.patches[0].patch", INVALID, "must be JSON"),
    (patch("json", "{}"), "spec.customizeComponents.patches[0].patch", INVALID, "type json must be a list"),
    (patch("merge", "[]"), "spec.customizeComponents.patches[0].patch", INVALID, "type merge must be an object"),
    (patch("apply", "{}"), "spec.customizeComponents.patches[0].type", NOT_SUPPORTED, '"json", "merge", "strategic"'),
    ({"infra": {"replicas": 0}}, "spec.infra.replicas", INVALID, "must be at least 1"),
    (
        developer(featureGates=["A", "B"], disabledFeatureGates=["B"]),
        f"{CONFIGURATION}.developerConfiguration.featureGates[1]",
        FORBIDDEN,
        "B is in disabledFeatureGates as well",
    ),
    (
        {
            "configuration": {
                "virtTemplateDeployment": {"enabled": True},
                "developerConfiguration": {"disabledFeatureGates": ["Template"]},
            }
        },
        f"{CONFIGURATION}.virtTemplateDeployment.enabled",
        FORBIDDEN,
        "the feature gate Template is off",
    ),
    (
        {
            "configuration": {
                "roleAggregationStrategy": "Manual",
                "developerConfiguration": {"disabledFeatureGates": ["OptOutRoleAggregation"]},
            }
        },
        f"{CONFIGURATION}.roleAggregationStrategy",
        FORBIDDEN,
        "the feature gate OptOutRoleAggregation is off",
    ),
    (
        says(migrations={"maxDowntimeMs": 300}),
        f"{CONFIGURATION}.migrations.maxDowntimeMs",
        FORBIDDEN,
        "the feature gate MigrationDowntimeTuning is off; add it, or MigrationStallDetection",
    ),
    (
        says(additionalGuestMemoryOverheadRatio="0.99"),
        f"{CONFIGURATION}.additionalGuestMemoryOverheadRatio",
        INVALID,
        "at least 1",
    ),
    (
        says(additionalGuestMemoryOverheadRatio="much"),
        f"{CONFIGURATION}.additionalGuestMemoryOverheadRatio",
        INVALID,
        "at least 1",
    ),
    (tls("", "TLS_AES_128_GCM_SHA256"), f"{CONFIGURATION}.tlsConfiguration.ciphers", FORBIDDEN, "minTLSVersion"),
    (tls("VersionTLS13", "x"), f"{CONFIGURATION}.tlsConfiguration.ciphers", FORBIDDEN, "not to be chosen"),
    (
        tls("VersionTLS12", "TLS_RSA_WITH_AES_128_CBC_SHA", "AES128-SHA"),
        f"{CONFIGURATION}.tlsConfiguration.ciphers[1]",
        INVALID,
        '"AES128-SHA": is no cipher',
    ),
    (says(smbios={"sku": "a\nb"}), f"{CONFIGURATION}.smbios.sku", INVALID, "must be printable characters on a line"),
    (says(ovmfPath="firmware"), f"{CONFIGURATION}.ovmfPath", INVALID, "must be an absolute path"),
    (
        says(architectureConfiguration={"amd64": {"ovmfPath": "/usr/../etc"}}),
        f"{CONFIGURATION}.architectureConfiguration.amd64.ovmfPath",
        INVALID,
        "must be an absolute path",
    ),
    (
        placed("infra", nodeSelector={"zone": "no such zone"}),
        "spec.infra.nodePlacement.nodeSelector",
        INVALID,
        "no such zone",
    ),
    (
        placed("workloads", affinity={"podAffinity": {REQUIRES: [{"topologyKey": ""}]}}),
        f"spec.workloads.nodePlacement.affinity.podAffinity.{REQUIRES}[0].topologyKey",
        REQUIRED,
        "",
    ),
    (seccomp(), CUSTOM, REQUIRED, "say localhostProfile or runtimeDefaultProfile"),
]


def errors(spec: Object, *, cluster: Cluster = PLAIN) -> list[tuple[str, str, str]]:
    found = KubeVirtStrategy(cluster).validate(kubevirt(**spec), ADMIN)
    return [(each.field, each.reason, each.message) for each in found]


@pytest.mark.parametrize(("spec", "field", "reason", "message"), WRONG)
def test_what_breaks_a_rule_is_told_with_field_reason_and_way_out(
    spec: Object, field: str, reason: str, message: str
) -> None:
    ((told_field, told_reason, told_message),) = errors(spec)
    assert (told_field, told_reason) == (field, reason)
    assert message in told_message


def test_two_seccomp_profiles_are_both_refused() -> None:
    custom = {"localhostProfile": "profile.json", "runtimeDefaultProfile": True}
    fields = [field for field, _, _ in errors(seccomp(customProfile=custom))]
    assert fields == [f"{CUSTOM}.localhostProfile", f"{CUSTOM}.runtimeDefaultProfile"]


def test_all_that_is_wrong_is_told_at_once() -> None:
    assert len(errors({"infra": {"replicas": 0}, **patch("json", "{"), **rotation(ca={"duration": "x"})})) == 3


RIGHT: list[Object] = [
    {},
    rotation(ca={"duration": "48h", "renewBefore": "48h"}, server={"duration": "48h", "renewBefore": "0s"}),
    rotation(caRotateInterval="48h", caOverlapInterval="24h", certRotateInterval="24h"),
    patch("json", '[{"op": "remove", "path": "/spec"}]'),
    patch("strategic", '{"spec": {}}'),
    {"infra": {"replicas": 1}},
    developer(featureGates=["HostDisk", "NoSuchGate"], disabledFeatureGates=["Snapshot"]),
    says(virtTemplateDeployment={"enabled": True}, roleAggregationStrategy="Manual"),
    says(virtTemplateDeployment={"enabled": None}, roleAggregationStrategy="AggregateToDefault"),
    says(migrations={"maxDowntimeMs": 300}, developerConfiguration={"featureGates": ["MigrationStallDetection"]}),
    says(additionalGuestMemoryOverheadRatio="1.0"),
    tls("VersionTLS12", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"),
    tls("VersionTLS13"),
    seccomp(customProfile={"localhostProfile": "profile.json"}),
    seccomp(customProfile={"runtimeDefaultProfile": True}),
    says(seccompConfiguration={}),
    placed("infra", nodeSelector={"zone": "a"}, tolerations=[{"operator": "Exists"}]),
    says(smbios={"manufacturer": "Müller & Söhne"}, architectureConfiguration={"amd64": {"ovmfPath": "/firmware"}}),
    says(virtTemplateDeployment=None, persistentReservationConfiguration=None, vmRolloutStrategy=None),
]


@pytest.mark.parametrize("spec", RIGHT)
def test_what_keeps_the_rules_is_accepted(spec: Object) -> None:
    assert errors(spec) == []


def test_there_is_only_one() -> None:
    there_is_one = configured(cpuModel="Haswell")
    other = {**kubevirt(), "metadata": {"name": "second", "namespace": "default"}}
    (error,) = KubeVirtStrategy(there_is_one).validate(other, ADMIN)
    assert (error.field, error.reason) == ("metadata.name", FORBIDDEN)
    assert "there is a KubeVirt object already, virtplane/kubevirt" in error.message


def test_the_one_itself_is_not_in_its_own_way() -> None:
    # Storage tells that the name is taken, with the error that clients expect.
    assert errors({}, cluster=configured(cpuModel="Haswell")) == []


def changed(new: Object, old: Object) -> list[str]:
    found = KubeVirtStrategy(PLAIN).validate_update(kubevirt(**new), kubevirt(**old), ADMIN)
    return [each.field for each in found]


def test_an_update_is_judged_as_a_whole_unless_the_spec_stays() -> None:
    old = rotation(ca={"duration": "x"})
    assert changed(old, old) == []
    assert changed({**old, "imageTag": "v1"}, old) == [f"{ROTATION}.ca.duration"]


@pytest.mark.parametrize(
    "kept", [tls("VersionTLS13", "x"), seccomp(), says(migrations={"maxDowntimeMs": 300})], ids=["tls", "seccomp", "ms"]
)
def test_what_kubevirt_judges_only_when_it_changes_may_stay(kept: Object) -> None:
    assert changed({**kept, "imageTag": "v1"}, kept) == []


def guarded(phase: str = "Deployed", strategy: str = "BlockUninstallIfWorkloadsExist") -> Object:
    return {**kubevirt(uninstallStrategy=strategy), "status": {"phase": phase}}


@pytest.mark.parametrize(
    "kind",
    [
        "virtualmachines__kubevirt__io",
        "virtualmachineinstances__kubevirt__io",
        "virtualmachineinstancereplicasets__kubevirt__io",
    ],
)
def test_it_may_not_go_while_workloads_need_it(kind: str) -> None:
    strategy = KubeVirtStrategy(Cluster(Remembered(**{kind: [{"metadata": {"name": "a"}}]})))
    told = strategy.refuses_delete(guarded())
    assert told is not None
    assert "BlockUninstall" not in told
    assert "uninstallStrategy blocks it while there are VirtualMachine" in told


def test_it_may_go_where_nothing_needs_it_or_nobody_minds() -> None:
    used = Cluster(Remembered(virtualmachines__kubevirt__io=[{"metadata": {"name": "a"}}]))
    assert KubeVirtStrategy(PLAIN).refuses_delete(guarded()) is None
    assert KubeVirtStrategy(used).refuses_delete(guarded(strategy="RemoveWorkloads")) is None
    assert KubeVirtStrategy(used).refuses_delete(guarded(phase="Deploying")) is None
    assert KubeVirtStrategy(used).refuses_delete({**kubevirt(), "status": {"phase": "Deployed"}}) is None


def test_a_delete_that_is_under_way_may_be_repeated() -> None:
    used = Cluster(Remembered(virtualmachines__kubevirt__io=[{"metadata": {"name": "a"}}]))
    going = guarded()
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert KubeVirtStrategy(used).refuses_delete(going) is None


ADVICE: list[tuple[Object, str]] = [
    (developer(featureGates=["NUMA"]), "the feature gate NUMA is on for good"),
    (developer(featureGates=["HotplugVolumes"]), "the feature gate HotplugVolumes is deprecated"),
    (developer(featureGates=["Macvtap"]), "the feature gate Macvtap changes nothing: its feature no longer exists"),
    (developer(disabledFeatureGates=["Typo"]), "the feature gate Typo is not known"),
    (says(network={"defaultNetworkInterface": "slirp"}), "spec.configuration.network.defaultNetworkInterface: 'slirp'"),
    (says(architectureConfiguration={"ppc64le": {}}), "ppc64le: this architecture is no longer supported"),
    (says(network={"permitSlirpInterface": True}), "network.permitSlirpInterface is deprecated"),
    (says(machineType="q35"), "spec.configuration.machineType is deprecated; use architectureConfiguration"),
    ({"infra": {"replicas": 2}}, "spec.infra: nothing acts on it yet"),
    (tls("VersionTLS11"), "tlsConfiguration.minTLSVersion: nothing older than TLS 1.2 is spoken"),
    (tls("VersionTLS12", "TLS_RSA_WITH_AES_128_CBC_SHA"), "tlsConfiguration.ciphers: only TLS 1.3 is left"),
    (developer(clusterProfiler=True), "developerConfiguration.clusterProfiler: nothing acts on it yet"),
]


def advised(spec: Object) -> list[str]:
    return [*KubeVirtStrategy(PLAIN).warnings(kubevirt(**spec))]


@pytest.mark.parametrize(("spec", "text"), ADVICE)
def test_what_is_said_in_vain_is_accepted_with_a_warning(spec: Object, text: str) -> None:
    (warning,) = advised(spec)
    assert text in warning
    assert errors(spec) == []


def test_the_old_name_of_mediated_devices_is_told_wherever_it_stands() -> None:
    node = {"nodeSelector": {}, "mediatedDevicesTypes": []}
    said = {"mediatedDevicesTypes": [], "nodeMediatedDeviceTypes": [node]}
    told = [text for text in advised(says(mediatedDevicesConfiguration=said)) if "use mediatedDeviceTypes" in text]
    assert [text.partition(":")[0].rpartition(".")[2] for text in told] == [
        "mediatedDevicesConfiguration",
        "nodeMediatedDeviceTypes[0]",
    ]


UNUSABLE: list[tuple[Object, str]] = [
    (says(evictionStrategy="Sometimes"), "spec.evictionStrategy"),
    (says(cpuRequest="-1"), "spec.domain.resources.requests.cpu"),
    (says(emulatedMachines=["pc*"]), "spec.domain.machine.type"),
    (
        says(network={"defaultNetworkInterface": "bridge", "permitBridgeInterfaceOnPodNetwork": False}),
        "spec.domain.devices.interfaces[0].bridge",
    ),
]


@pytest.mark.parametrize(("spec", "field"), UNUSABLE)
def test_defaults_that_no_guest_can_have_are_accepted_with_a_warning(spec: Object, field: str) -> None:
    assert any(
        text.startswith(f"guests that leave {field} to this configuration are refused: ") for text in advised(spec)
    )
    assert errors(spec) == []


def test_nothing_is_warned_of_that_has_an_effect() -> None:
    said = says(
        network={"defaultNetworkInterface": "masquerade", "permitBridgeInterfaceOnPodNetwork": False},
        smbios={"family": "Virtplane"},
        memBalloonStatsPeriod=5,
        tlsConfiguration={"minTLSVersion": "VersionTLS12", "ciphers": ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"]},
        developerConfiguration={"featureGates": ["HostDisk"], "useEmulation": True, "cpuAllocationRatio": 4},
    )
    assert advised(said) == []


@given(objects("v1", "KubeVirt"), objects("v1", "KubeVirt"))
def test_whatever_its_schema_allows_can_be_judged_and_read(new: Object, old: Object) -> None:
    strategy = KubeVirtStrategy(PLAIN)
    for found in (strategy.validate(new, ADMIN), strategy.validate_update(new, old, ADMIN)):
        assert all(each.field.startswith("spec.") for each in found)
    assert all(isinstance(each, str) for each in strategy.warnings(new))
    configuration = configuration_of(new)
    settings = [name for name, value in vars(Configuration).items() if isinstance(value, property)]
    assert [getattr(configuration, name) for name in settings]
    for architecture in ("amd64", "arm64", "s390x"):
        assert configuration.machine_type(architecture)
        assert configuration.emulated_machines(architecture)


IN_FORCE = {
    "spec": {"configuration", "certificateRotateStrategy", "uninstallStrategy"},
    "spec.configuration": {
        "architectureConfiguration",
        "cpuModel",
        "cpuRequest",
        "developerConfiguration",
        "emulatedMachines",
        "evictionStrategy",
        "instancetype",
        "liveUpdateConfiguration",
        "machineType",
        "memBalloonStatsPeriod",
        "network",
        "ovmfPath",
        "persistentReservationConfiguration",
        "smbios",
        "tlsConfiguration",
        "virtualMachineInstancesPerNode",
        "virtualMachineOptions",
        "vmRolloutStrategy",
    },
    "spec.configuration.developerConfiguration": {
        "cpuAllocationRatio",
        "disabledFeatureGates",
        "featureGates",
        "memoryOvercommit",
        "useEmulation",
    },
}
"""What somebody acts on."""
NAMES = {
    "spec": "KubeVirtSpec",
    "spec.configuration": "KubeVirtConfiguration",
    "spec.configuration.developerConfiguration": "DeveloperConfiguration",
}


@pytest.mark.parametrize("path", NAMES)
def test_every_setting_has_an_effect_or_a_warning_that_it_has_none(path: str) -> None:
    definitions = CATALOGUE.definitions("kubevirt.io", "v1")
    fields = set(definitions[f"io.kubevirt.v1.{NAMES[path]}"]["properties"])
    inert = {each.rpartition(".")[2] for each in INERT if each.rpartition(".")[0] == path}
    assert inert | IN_FORCE[path] == fields
    assert not inert & IN_FORCE[path]
