"""The rules of the kinds beside machines and instances: each with an object that breaks it, and what is told."""

import re
from typing import Any

import pytest

from apiserver.machinery.cloning import clone
from apiserver.machinery.resource import Caller, Object, Resource
from apiserver.resources import resources
from tests.apiserver.resources.generated import CATALOGUE, Generator
from tests.apiserver.resources.surroundings import Remembered, configured

USER = Caller("jane")
INVALID, REQUIRED, FORBIDDEN = "FieldValueInvalid", "FieldValueRequired", "FieldValueForbidden"
UNSUPPORTED = "FieldValueNotSupported"
ABSENT = object()
"""Takes a field away."""

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


def served(**objects: list[Object]) -> dict[str, Resource]:
    """The kinds as they are while ``objects`` are stored."""
    return {resource.kind: resource for resource in resources(CATALOGUE, Remembered(**objects))}


KINDS = served()
EXAMPLES = {
    kind: each.hub.schema.document["example"] for kind, each in KINDS.items() if each.group.endswith(".kubevirt.io")
}


def edited(kind: str, edits: Object) -> Object:
    """The example of a kind with the values at these paths, such as ``spec.source.kind``."""
    obj = clone({**EXAMPLES[kind], "metadata": {"namespace": "default", **EXAMPLES[kind]["metadata"]}})
    for path, value in edits.items():
        *ahead, last = path.split(".")
        at: Any = obj
        for part in ahead:
            at = at.setdefault(part, {})
        if value is ABSENT:
            del at[last]
        else:
            at[last] = clone(value)
    KINDS[kind].hub.schema.apply_defaults(obj)
    return obj


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


@pytest.mark.parametrize(
    ("status", "refused"), [(ABSENT, True), (None, True), ({"complete": False}, True), ({"complete": True}, False)]
)
def test_a_machine_is_restored_once_at_a_time(status: Any, refused: bool) -> None:
    other = edited(RESTORE, {"metadata.name": "other"} if status is ABSENT else {"status": status})
    strategy = served(virtualmachinerestores__snapshot__kubevirt__io=[other])[RESTORE].strategy
    found = [each.field for each in strategy.validate(edited(RESTORE, {}), USER)]
    assert found == (["spec.target"] if refused else [])
    elsewhere = edited(RESTORE, {"spec.target.name": "db"})
    assert list(strategy.validate(elsewhere, USER)) == []


TPM = {"devices": {"tpm": {"persistent": True}}}
NO_TPM = {"devices": {"tpm": {"persistent": True, "enabled": False}}}
EFI = {"devices": {}, "firmware": {"bootloader": {"efi": {"persistent": True}}}}


@pytest.mark.parametrize(
    ("domain", "target", "refused"),
    [
        (TPM, None, True),
        (EFI, {"uid": "another", "name": "web"}, True),
        (TPM, {"uid": "source", "name": "web"}, False),
        (NO_TPM, None, False),
        ({"devices": {}}, None, False),
    ],
)
def test_what_a_guest_keeps_in_its_machine_is_restored_to_that_machine_only(
    domain: Object, target: Object | None, refused: bool
) -> None:
    status = {"sourceUID": "source", "virtualMachineSnapshotContentName": "content"}
    machine = {"spec": {"template": {"spec": {"domain": domain}}}}
    content = {
        "metadata": {"name": "content", "namespace": "default"},
        "spec": {"source": {"virtualMachine": machine}},
    }
    strategy = served(
        virtualmachines__kubevirt__io=[] if target is None else [{"metadata": {**target, "namespace": "default"}}],
        virtualmachinesnapshots__snapshot__kubevirt__io=[edited(SNAPSHOT, {"status": status})],
        virtualmachinesnapshotcontents__snapshot__kubevirt__io=[content],
    )[RESTORE].strategy
    assert [each.field for each in strategy.validate(edited(RESTORE, {}), USER)] == (["spec.target"] if refused else [])


@pytest.mark.parametrize("target", [ABSENT, {"kind": "VirtualMachine", "name": ""}])
def test_a_clone_without_a_name_is_called_after_its_source(target: Any) -> None:
    new = edited(CLONE, {"spec.target": target})
    KINDS[CLONE].strategy.prepare_for_create(new, USER)
    assert new["spec"]["target"]["kind"] == "VirtualMachine"
    assert re.fullmatch("clone-web-[a-z0-9]{5}", new["spec"]["target"]["name"])


def test_a_pool_keeps_its_selector() -> None:
    new = edited(POOL, {"spec.selector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}})
    found = list(KINDS[POOL].strategy.validate_update(new, edited(POOL, {}), USER))
    assert [(each.field, each.reason) for each in found] == [("spec.selector", INVALID)]


def test_a_template_that_was_stored_under_older_rules_may_stay() -> None:
    old = edited(POOL, {f"{MACHINE}.spec.runStrategy": "Sometimes"})
    assert list(KINDS[POOL].strategy.validate_update({**old, "metadata": {}}, old, USER)) == []
    changed = edited(POOL, {f"{MACHINE}.spec.runStrategy": "Sometime"})
    found = list(KINDS[POOL].strategy.validate_update(changed, old, USER))
    assert [each.field for each in found] == [f"{MACHINE}.spec.runStrategy"]


def test_what_a_pools_machines_should_no_longer_use_is_warned_of() -> None:
    power = {f"{MACHINE}.spec.runStrategy": ABSENT, f"{MACHINE}.spec.running": True}
    (warning,) = KINDS[POOL].strategy.warnings(edited(POOL, power))
    assert warning.startswith(f"{MACHINE}.spec.running is deprecated")


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


ALL_GATES = ["MigrationStallDetection", "MigrationDowntimeTuning"]
FACTORS = [
    ("ewmaAlpha", "0", "at least 0.001 and at most 1"),
    ("ewmaAlpha", "1100m", "at least 0.001 and at most 1"),
    ("ewmaAlpha", "0.0005", "three decimals"),
    ("precopyPossibleFactor", "0.9", "at least 1"),
    ("patienceWindowDecayFactor", "2", "at least 0 and at most 1"),
    ("completionTimeoutFactor", "-1", "greater than or equal to 0"),
    ("completionTimeoutFactor", "twice", "not a quantity"),
]


def with_gates(kind: str, gates: list[str]) -> Any:
    stored = configured(developerConfiguration={"featureGates": gates}).stored
    return {each.kind: each for each in resources(CATALOGUE, stored)}[kind].strategy


@pytest.mark.parametrize(("field", "value", "message"), FACTORS)
def test_a_factor_of_the_stall_detector_is_in_its_range(field: str, value: str, message: str) -> None:
    strategy = with_gates(POLICY, ALL_GATES)
    (error,) = strategy.validate(edited(POLICY, {f"{OPTIONS}.stallDetector": {field: value}}), USER)
    assert (error.field, error.reason) == (f"{OPTIONS}.stallDetector.{field}", INVALID)
    assert message in error.message


@pytest.mark.parametrize("value", ["1", "0.125", "1e0"])
def test_a_factor_with_up_to_three_decimals_is_fine(value: str) -> None:
    policy = edited(POLICY, {f"{OPTIONS}.stallDetector": {"ewmaAlpha": value, "completionTimeoutFactor": "1e200"}})
    assert list(with_gates(POLICY, ALL_GATES).validate(policy, USER)) == []


def test_detecting_stalls_and_tuning_the_downtime_exclude_each_other() -> None:
    both = edited(POLICY, {f"{OPTIONS}.stallDetector": {}, f"{OPTIONS}.downtimeTuning": {}})
    assert [each.field for each in with_gates(POLICY, ALL_GATES).validate(both, USER)] == [OPTIONS]


@pytest.mark.parametrize("gate", ALL_GATES)
def test_either_gate_lets_the_downtime_be_chosen(gate: str) -> None:
    assert list(with_gates(POLICY, [gate]).validate(edited(POLICY, {"spec.maxDowntimeMs": 500}), USER)) == []


def test_what_was_behind_a_gate_that_is_off_by_now_may_stay_but_not_change() -> None:
    old = edited(POLICY, {"spec.maxDowntimeMs": 500, f"{OPTIONS}.downtimeTuning": {"steps": 3}})
    strategy = KINDS[POLICY].strategy
    assert list(strategy.validate_update(old, old, USER)) == []
    new = edited(POLICY, {"spec.maxDowntimeMs": 600, f"{OPTIONS}.downtimeTuning": {"steps": 4}})
    found = [each.field for each in strategy.validate_update(new, old, USER)]
    assert found == ["spec.maxDowntimeMs", f"{OPTIONS}.downtimeTuning"]


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
