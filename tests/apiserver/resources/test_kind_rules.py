"""The rules of the kinds beside machines and instances: each with an object that breaks it, and what is told."""

import re
from typing import Any

import pytest

from apiserver.machinery.resource import Object
from apiserver.resources import resources
from tests.apiserver.resources.examples import (
    ABSENT,
    EXAMPLES,
    FORBIDDEN,
    INVALID,
    KINDS,
    REQUIRED,
    UNSUPPORTED,
    USER,
    edited,
)
from tests.apiserver.resources.generated import CATALOGUE, Generator
from tests.apiserver.resources.surroundings import configured

DISK = {"resources": {"requests": {"storage": "1Gi"}}}
CLAIM = {"accessModes": ["ReadWriteOnce"], **DISK}
POPULATED = {**DISK, "dataSourceRef": {"kind": "PersistentVolumeClaim", "name": "a", "namespace": "b"}}
VDDK = {"url": "https://h", "uuid": "u", "backingFile": "f", "thumbprint": "t", "secretRef": "s"}
IMAGEIO = {"url": "https://h", "diskId": "d", "secretRef": "s"}
IMAGE = {"url": "docker://a"}
SNAPSHOT, RESTORE = "VirtualMachineSnapshot", "VirtualMachineRestore"
CLONE, EXPORT = "VirtualMachineClone", "VirtualMachineExport"
POOL, MACHINE = "VirtualMachinePool", "spec.virtualMachineTemplate"
SIZE_KIND, CLUSTER_SIZE = "VirtualMachineInstancetype", "VirtualMachineClusterInstancetype"
PREFERENCE, CLUSTER_PREFERENCE = "VirtualMachinePreference", "VirtualMachineClusterPreference"
POLICY, OPTIONS = "MigrationPolicy", "spec.experimental"
TOPOLOGY = "spec.cpu"
SIZE = "spec.storage.resources.requests.storage"

CASES: list[tuple[str, Object, str, str, str]] = [
    ("DataVolume", {"spec.storage": ABSENT}, "spec.storage", REQUIRED, "here or in pvc"),
    ("DataVolume", {"spec.pvc": CLAIM}, "spec.pvc", FORBIDDEN, "exclude each other"),
    ("DataVolume", {"spec.storage": {}}, SIZE, REQUIRED, "such as 10Gi"),
    ("DataVolume", {"spec.storage.resources.requests.storage": "1k"}, SIZE, INVALID, "at least 1Mi"),
    ("DataVolume", {"spec.storage.resources.requests.storage": "big"}, SIZE, INVALID, "not a quantity"),
    (
        "DataVolume",
        {"spec.storage": ABSENT, "spec.pvc": DISK},
        "spec.pvc.accessModes",
        INVALID,
        "exactly one access mode",
    ),
    ("DataVolume", {"spec.source": ABSENT}, "spec.source", REQUIRED, "or in sourceRef"),
    ("DataVolume", {"spec.source": {}}, "spec.source", INVALID, "exactly one source"),
    ("DataVolume", {"spec.source.blank": {}}, "spec.source", INVALID, "exactly one source"),
    (
        "DataVolume",
        {"spec.sourceRef": {"kind": "DataSource", "name": "a"}},
        "spec.sourceRef",
        FORBIDDEN,
        "exclude each other",
    ),
    (
        "DataVolume",
        {"spec.source": ABSENT, "spec.sourceRef": {"kind": "Pod", "name": "a"}},
        "spec.sourceRef.kind",
        UNSUPPORTED,
        "DataSource",
    ),
    (
        "DataVolume",
        {"spec.source": ABSENT, "spec.sourceRef": {"kind": "DataSource", "name": ""}},
        "spec.sourceRef.name",
        REQUIRED,
        "",
    ),
    (
        "DataVolume",
        {"spec.storage.dataSource": {"kind": "PersistentVolumeClaim", "name": "a"}},
        "spec.source",
        FORBIDDEN,
        "names a data source already",
    ),
    (
        "DataVolume",
        {"spec.source": ABSENT, "spec.storage": POPULATED},
        "spec.storage.dataSourceRef.namespace",
        INVALID,
        "other namespaces",
    ),
    ("DataVolume", {"spec.source.http.url": "ftp://a"}, "spec.source.http.url", INVALID, "must begin with"),
    ("DataVolume", {"spec.source": {"http": {"url": ""}}}, "spec.source.http.url", INVALID, "must begin with"),
    (
        "DataVolume",
        {"spec.source": {"blank": {}}, "spec.contentType": "archive"},
        "spec.source.blank",
        FORBIDDEN,
        "has content",
    ),
    (
        "DataVolume",
        {"spec.source": {"registry": IMAGE}, "spec.contentType": "archive"},
        "spec.source.registry",
        FORBIDDEN,
        "no archive",
    ),
    ("DataVolume", {"spec.source": {"registry": {}}}, "spec.source.registry", INVALID, "either url or imageStream"),
    (
        "DataVolume",
        {"spec.source": {"registry": {"url": "a/b"}}},
        "spec.source.registry.url",
        INVALID,
        "docker:// or oci-archive://",
    ),
    (
        "DataVolume",
        {"spec.source": {"registry": {**IMAGE, "pullMethod": "me"}}},
        "spec.source.registry.pullMethod",
        UNSUPPORTED,
        "node",
    ),
    (
        "DataVolume",
        {"spec.source": {"registry": {"imageStream": "a"}}},
        "spec.source.registry.pullMethod",
        INVALID,
        "must be node",
    ),
    ("DataVolume", {"spec.source": {"pvc": {"namespace": "", "name": "a"}}}, "spec.source.pvc.namespace", REQUIRED, ""),
    (
        "DataVolume",
        {"spec.source": {"snapshot": {"namespace": "a", "name": ""}}},
        "spec.source.snapshot.name",
        REQUIRED,
        "",
    ),
    (
        "DataVolume",
        {"spec.source": {"vddk": {**VDDK, "thumbprint": ""}}},
        "spec.source.vddk.thumbprint",
        REQUIRED,
        "",
    ),
    ("DataVolume", {"spec.source": {"imageio": IMAGEIO}}, "spec.source.imageio.certConfigMap", REQUIRED, "authorities"),
    (
        "DataSource",
        {"spec.source.snapshot": {"namespace": "a", "name": "b"}},
        "spec.source",
        FORBIDDEN,
        "pvc, snapshot",
    ),
    ("DataSource", {"spec.source.pvc.name": ""}, "spec.source.pvc.name", REQUIRED, ""),
    (SNAPSHOT, {"spec.source.apiGroup": ABSENT}, "spec.source.apiGroup", REQUIRED, "kubevirt.io"),
    (SNAPSHOT, {"spec.source.apiGroup": "apps"}, "spec.source.apiGroup", INVALID, "is kubevirt.io"),
    (SNAPSHOT, {"spec.source.kind": "Pod"}, "spec.source.kind", UNSUPPORTED, "VirtualMachine"),
    (SNAPSHOT, {"spec.source.name": ""}, "spec.source.name", REQUIRED, ""),
    (SNAPSHOT, {"spec.failureDeadline": "soon"}, "spec.failureDeadline", INVALID, "such as 24h"),
    (SNAPSHOT, {"spec.failureDeadline": "-5m"}, "spec.failureDeadline", INVALID, "not be negative"),
    (RESTORE, {"spec.target.apiGroup": ""}, "spec.target.apiGroup", REQUIRED, "kubevirt.io"),
    (RESTORE, {"spec.target.kind": "VirtualMachineInstance"}, "spec.target.kind", UNSUPPORTED, "VirtualMachine"),
    (RESTORE, {"spec.target.name": ""}, "spec.target.name", REQUIRED, ""),
    (RESTORE, {"spec.volumeRestorePolicy": "Any"}, "spec.volumeRestorePolicy", UNSUPPORTED, "InPlace"),
    (RESTORE, {"spec.volumeOwnershipPolicy": "Any"}, "spec.volumeOwnershipPolicy", UNSUPPORTED, "Vm"),
    (
        RESTORE,
        {"spec.volumeRestoreOverrides": [{"restoreName": "a"}]},
        "spec.volumeRestoreOverrides[0].volumeName",
        REQUIRED,
        "",
    ),
    (
        RESTORE,
        {"spec.volumeRestoreOverrides": [{"volumeName": "a", "labels": {}}]},
        "spec.volumeRestoreOverrides[0]",
        REQUIRED,
        "at least one of restoreName",
    ),
    (RESTORE, {"spec.patches": ["{"]}, "spec.patches[0]", INVALID, "is not JSON"),
    (RESTORE, {"spec.patches": ['{"op": "test"}']}, "spec.patches[0]", INVALID, "with op and path"),
    (RESTORE, {"spec.patches": ['["/spec/a"]']}, "spec.patches[0]", INVALID, "with op and path"),
    (RESTORE, {"spec.patches": ['{"path": "/spec/a"}']}, "spec.patches[0]", INVALID, "with op and path"),
    (
        RESTORE,
        {"spec.patches": ['{"op": "add", "path": "/spec/a", "value": 1}', '{"op": "remove", "path": "/status"}']},
        "spec.patches[1]",
        INVALID,
        "must begin with one of /spec/",
    ),
    (CLONE, {"spec.source.kind": "Pod"}, "spec.source.kind", UNSUPPORTED, "VirtualMachineSnapshot"),
    (CLONE, {"spec.source.apiGroup": ""}, "spec.source.apiGroup", REQUIRED, "kubevirt.io"),
    (CLONE, {"spec.source.name": ""}, "spec.source.name", REQUIRED, ""),
    (CLONE, {"spec.target.kind": "VirtualMachineSnapshot"}, "spec.target.kind", UNSUPPORTED, "VirtualMachine"),
    (CLONE, {"spec.target.name": "web"}, "spec.target.name", INVALID, "name of the source"),
    (CLONE, {"spec.labelFilters": ["a", "!"]}, "spec.labelFilters[1]", INVALID, "must name a key"),
    (CLONE, {"spec.annotationFilters": [""]}, "spec.annotationFilters[0]", INVALID, "must name a key"),
    (CLONE, {"spec.annotationFilters": ["a!b"]}, "spec.annotationFilters[0]", INVALID, "at its beginning"),
    (CLONE, {"spec.template.labelFilters": ["a*b"]}, "spec.template.labelFilters[0]", INVALID, "at its end"),
    (CLONE, {"spec.template.annotationFilters": ["*a"]}, "spec.template.annotationFilters[0]", INVALID, "at its end"),
    (CLONE, {"spec.newMacAddresses.default": "02:00"}, "spec.newMacAddresses[default]", INVALID, "six pairs"),
    (CLONE, {"spec.patches": ["{}", "no"]}, "spec.patches[1]", INVALID, "is not JSON"),
    (EXPORT, {"spec.source.kind": "Pod"}, "spec.source.kind", UNSUPPORTED, "PersistentVolumeClaim"),
    (EXPORT, {"spec.source.apiGroup": ABSENT}, "spec.source.apiGroup", REQUIRED, "kubevirt.io"),
    (EXPORT, {"spec.source.kind": "PersistentVolumeClaim"}, "spec.source.apiGroup", INVALID, "is empty"),
    (EXPORT, {"spec.source.kind": "VirtualMachineSnapshot"}, "spec.source.apiGroup", INVALID, "snapshot.kubevirt.io"),
    (EXPORT, {"spec.source.kind": "VirtualMachineBackup"}, "spec.source.apiGroup", INVALID, "backup.kubevirt.io"),
    (
        EXPORT,
        {"spec.source.kind": "VirtualMachineTemplate", "spec.source.apiGroup": "template.kubevirt.io"},
        "spec.source.kind",
        FORBIDDEN,
        "OCIExport",
    ),
    (EXPORT, {"spec.source.name": ""}, "spec.source.name", REQUIRED, ""),
    (EXPORT, {"spec.ttlDuration": "1d"}, "spec.ttlDuration", INVALID, ""),
    (POOL, {"spec.selector": {"matchLabels": {"app": "db"}}}, "spec.selector", INVALID, "does not match the labels"),
    (POOL, {"spec.selector": {"matchLabels": {"a b": "c"}}}, "spec.selector", INVALID, "invalid label key"),
    (POOL, {"spec.maxUnavailable": 0}, "spec.maxUnavailable", INVALID, "at least 1"),
    (POOL, {"spec.maxUnavailable": "2"}, "spec.maxUnavailable", INVALID, "from 1% to 100%"),
    (POOL, {"spec.maxUnavailable": "101%"}, "spec.maxUnavailable", INVALID, "from 1% to 100%"),
    (POOL, {"spec.maxUnavailable": "0%"}, "spec.maxUnavailable", INVALID, "from 1% to 100%"),
    (POOL, {"spec.maxUnavailable": "-1%"}, "spec.maxUnavailable", INVALID, "from 1% to 100%"),
    (POOL, {"spec.scaleInStrategy": {"proactive": {}, "unmanaged": {}}}, "spec.scaleInStrategy", INVALID, "only one"),
    (POOL, {"spec.updateStrategy": {"proactive": {}, "unmanaged": {}}}, "spec.updateStrategy", INVALID, "only one"),
    (
        POOL,
        {"spec.autohealing.minFailingToStartDuration": "5"},
        "spec.autohealing.minFailingToStartDuration",
        INVALID,
        "a duration",
    ),
    (POOL, {f"{MACHINE}.spec": ABSENT}, f"{MACHINE}.spec", REQUIRED, ""),
    (POOL, {f"{MACHINE}.metadata.labels.role": "a b"}, f"{MACHINE}.metadata.labels", INVALID, "a valid label"),
    (POOL, {f"{MACHINE}.metadata.annotations": {"a b": ""}}, f"{MACHINE}.metadata.annotations", INVALID, "name part"),
    (POOL, {f"{MACHINE}.spec.runStrategy": "Sometimes"}, f"{MACHINE}.spec.runStrategy", UNSUPPORTED, "Always"),
    (
        POOL,
        {f"{MACHINE}.spec.template.spec.domain.memory.guest": "0"},
        f"{MACHINE}.spec.template.spec.domain.memory.guest",
        INVALID,
        "at least 1Mi",
    ),
    (SIZE_KIND, {"spec.memory.guest": "much"}, "spec.memory.guest", INVALID, "not a quantity"),
    (CLUSTER_SIZE, {"spec.memory.maxGuest": "-1Gi"}, "spec.memory.maxGuest", INVALID, "greater than or equal to 0"),
    (
        CLUSTER_SIZE,
        {"spec.memory.hugepages": {"pageSize": "2Mi"}},
        "spec.memory.overcommitPercent",
        INVALID,
        "remove either",
    ),
    (
        PREFERENCE,
        {f"{TOPOLOGY}.preferredCPUTopology": "towers"},
        f"{TOPOLOGY}.preferredCPUTopology",
        UNSUPPORTED,
        "any",
    ),
    (
        CLUSTER_PREFERENCE,
        {f"{TOPOLOGY}.spreadOptions.across": "Towers"},
        f"{TOPOLOGY}.spreadOptions.across",
        UNSUPPORTED,
        "SocketsCores",
    ),
    (
        CLUSTER_PREFERENCE,
        {f"{TOPOLOGY}.spreadOptions.ratio": 4},
        f"{TOPOLOGY}.spreadOptions.ratio",
        INVALID,
        "2 threads",
    ),
    (
        PREFERENCE,
        {
            TOPOLOGY: {"preferredCPUTopology": "preferSpread", "spreadOptions": {"across": "CoresThreads"}},
            "spec.preferSpreadSocketToCoreRatio": 3,
        },
        f"{TOPOLOGY}.spreadOptions.ratio",
        INVALID,
        "2 threads",
    ),
    (PREFERENCE, {"spec.requirements.memory.guest": ""}, "spec.requirements.memory.guest", INVALID, "not a quantity"),
    (POLICY, {"spec.completionTimeoutPerGiB": -1}, "spec.completionTimeoutPerGiB", INVALID, "not be negative"),
    (POLICY, {"spec.bandwidthPerMigration": "-1Mi"}, "spec.bandwidthPerMigration", INVALID, "or equal to 0"),
    (POLICY, {"spec.maxDowntimeMs": 500}, "spec.maxDowntimeMs", FORBIDDEN, "MigrationStallDetection"),
    (POLICY, {f"{OPTIONS}.stallDetector": {}}, f"{OPTIONS}.stallDetector", FORBIDDEN, "MigrationStallDetection"),
    (POLICY, {f"{OPTIONS}.downtimeTuning": {}}, f"{OPTIONS}.downtimeTuning", FORBIDDEN, "MigrationDowntimeTuning"),
]


@pytest.mark.parametrize("kind", EXAMPLES)
def test_nothing_is_wrong_with_an_example(kind: str) -> None:
    assert list(KINDS[kind].strategy.validate(edited(kind, {}), USER)) == []


@pytest.mark.parametrize(("kind", "edits", "field", "reason", "message"), CASES)
def test_what_breaks_a_rule_is_told_with_its_field(
    kind: str, edits: Object, field: str, reason: str, message: str
) -> None:
    obj = edited(kind, edits)
    assert KINDS[kind].hub.schema.validate(obj) == []
    found = list(KINDS[kind].strategy.validate(obj, USER))
    assert [(each.field, each.reason) for each in found] == [(field, reason)]
    assert message in found[0].message


FIXED: list[tuple[str, Object]] = [
    ("DataVolume", {"spec.storage.resources.requests.storage": "2Gi"}),
    (SNAPSHOT, {"spec.deletionPolicy": "Retain"}),
    (RESTORE, {"spec.targetReadinessPolicy": "StopTarget"}),
    (CLONE, {"spec.newSMBiosSerial": "1"}),
    (EXPORT, {"spec.ttlDuration": "3h"}),
]
FREE: list[tuple[str, Object]] = [
    (POOL, {"spec.replicas": 5, "spec.maxUnavailable": "25%"}),
    ("DataVolume", {"metadata.labels": {"a": "b"}}),
    ("DataSource", {"spec.source": {"snapshot": {"namespace": "a", "name": "b"}}}),
]


@pytest.mark.parametrize(("kind", "edits"), FIXED)
def test_a_spec_that_is_acted_on_once_cannot_be_changed(kind: str, edits: Object) -> None:
    found = list(KINDS[kind].strategy.validate_update(edited(kind, edits), edited(kind, {}), USER))
    assert [(each.field, each.reason) for each in found] == [("spec", INVALID)]
    assert "immutable" in found[0].message


ONCE = {kind for kind, _ in FIXED}


@pytest.mark.parametrize(
    ("kind", "edits", "field", "reason", "message"), [case for case in CASES if case[0] not in ONCE]
)
def test_a_change_that_breaks_a_rule_is_told_as_well(
    kind: str, edits: Object, field: str, reason: str, message: str
) -> None:
    found = list(KINDS[kind].strategy.validate_update(edited(kind, edits), edited(kind, {}), USER))
    assert (field, reason) in [(each.field, each.reason) for each in found]
    assert any(message in each.message for each in found)


@pytest.mark.parametrize(("kind", "edits"), FREE)
def test_what_is_not_fixed_can_be_changed(kind: str, edits: Object) -> None:
    assert list(KINDS[kind].strategy.validate_update(edited(kind, edits), edited(kind, {}), USER)) == []


def test_a_warm_migration_goes_on_by_naming_its_next_checkpoint() -> None:
    first, second = ({"previous": "", "current": "a"}, {"previous": "a", "current": "b"})
    old = edited("DataVolume", {"spec.source": {"vddk": VDDK}, "spec.checkpoints": [first]})
    new = {**old, "spec": {**old["spec"], "checkpoints": [first, second], "finalCheckpoint": True}}
    strategy = KINDS["DataVolume"].strategy
    assert list(strategy.validate_update(new, old, USER)) == []
    other = {**new, "spec": {**new["spec"], "preallocation": True}}
    assert [each.field for each in strategy.validate_update(other, old, USER)] == ["spec"]


GATED = {SNAPSHOT: "Snapshot", RESTORE: "Snapshot", CLONE: "Snapshot"}


@pytest.mark.parametrize("kind", GATED)
def test_a_kind_whose_gate_is_off_is_refused(kind: str) -> None:
    off = configured(developerConfiguration={"disabledFeatureGates": [GATED[kind]]})
    known = {each.kind: each for each in resources(CATALOGUE, off.stored)}
    found = list(known[kind].strategy.validate(edited(kind, {}), USER))
    assert [(each.field, each.reason) for each in found] == [("spec", FORBIDDEN)]
    assert GATED[kind] in found[0].message


@pytest.mark.parametrize("target", [ABSENT, {"kind": "VirtualMachine", "name": ""}])
def test_a_clone_without_a_name_is_called_after_its_source(target: Any) -> None:
    new = edited(CLONE, {"spec.target": target})
    KINDS[CLONE].strategy.prepare_for_create(new, USER)
    assert new["spec"]["target"]["kind"] == "VirtualMachine"
    assert re.fullmatch("clone-web-[a-z0-9]{5}", new["spec"]["target"]["name"])


WARNED: list[tuple[str, Object, str]] = [
    (SIZE_KIND, {"spec.launchSecurity": {"sev": {}}}, "spec.launchSecurity is deprecated"),
    (PREFERENCE, {f"{TOPOLOGY}.preferredCPUTopology": "preferCores"}, "use cores"),
    (PREFERENCE, {"spec.firmware": {"preferredUseEfi": True}}, "use spec.firmware.preferredEfi"),
    (PREFERENCE, {"spec.firmware": {"preferredUseSecureBoot": True}}, "use spec.firmware.preferredEfi"),
    (PREFERENCE, {"spec.preferSpreadSocketToCoreRatio": 3}, "use spec.cpu.spreadOptions.ratio"),
]


@pytest.mark.parametrize(("kind", "edits", "text"), WARNED)
def test_what_is_deprecated_is_accepted_with_a_warning(kind: str, edits: Object, text: str) -> None:
    strategy = KINDS[kind].strategy
    assert list(strategy.warnings(edited(kind, {}))) == []
    obj = edited(kind, edits)
    assert list(strategy.validate(obj, USER)) == []
    (warning,) = strategy.warnings(obj)
    assert text in warning


@pytest.mark.parametrize("kind", EXAMPLES)
def test_the_rules_can_judge_whatever_the_schema_allows(kind: str) -> None:
    resource = KINDS[kind]
    generator = Generator(resource.hub.name, resource.group)
    old: Object = {}
    for seed in range(300):
        new = generator.object(kind, seed)
        new["metadata"]["namespace"] = "default"
        resource.hub.schema.apply_defaults(new)
        resource.strategy.prepare_for_create(new, USER)
        wrong = list(resource.strategy.validate(new, USER))
        assert all(each.field and each.message for each in wrong)
        assert wrong or all(resource.strategy.warnings(new))
        if old:
            assert all(each.field for each in resource.strategy.validate_update(new, old, USER))
        old = new
