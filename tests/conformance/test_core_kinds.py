"""The kinds that any client of a cluster expects: their own rules, as kube-apiserver has them."""

from typing import Any

import pytest

from tests.conformance.api import NAMESPACE, Answer, Api, Kind, Object
from tests.conformance.databases import sqlite_only

database_url = sqlite_only

RBAC = "rbac.authorization.k8s.io"
ACCOUNT = Kind("ServiceAccount", "", "v1", "serviceaccounts", "default")
CLAIM = Kind("PersistentVolumeClaim", "", "v1", "persistentvolumeclaims", "default")
VOLUME = Kind("PersistentVolume", "", "v1", "persistentvolumes")
POD = Kind("Pod", "", "v1", "pods", "default")
QUOTA = Kind("ResourceQuota", "", "v1", "resourcequotas", "default")
LIMITS = Kind("LimitRange", "", "v1", "limitranges", "default")
STORAGE_CLASS = Kind("StorageClass", "storage.k8s.io", "v1", "storageclasses")
PRIORITY_CLASS = Kind("PriorityClass", "scheduling.k8s.io", "v1", "priorityclasses")
TEMPLATE = Kind("PodTemplate", "", "v1", "podtemplates", "default")
REVISION = Kind("ControllerRevision", "apps", "v1", "controllerrevisions", "default")
ROLE = Kind("Role", RBAC, "v1", "roles", "default")
CLUSTER_ROLE = Kind("ClusterRole", RBAC, "v1", "clusterroles")
BINDING = Kind("RoleBinding", RBAC, "v1", "rolebindings", "default")
CLUSTER_BINDING = Kind("ClusterRoleBinding", RBAC, "v1", "clusterrolebindings")

RULE = {"verbs": ["get"], "apiGroups": [""], "resources": ["configmaps"]}
ROLE_REF = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "system:view"}
USER = {"apiGroup": RBAC, "kind": "User", "name": "jane"}
VALID: dict[Kind, Object] = {
    ACCOUNT: {"secrets": [{"name": "a"}]},
    CLAIM: {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}},
    VOLUME: {
        "spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/srv"}},
    },
    QUOTA: {"spec": {"hard": {"pods": "2", "requests.cpu": "1500m", "count/virtualmachines.kubevirt.io": "3"}}},
    LIMITS: {"spec": {"limits": [{"type": "Container", "min": {"cpu": "1"}, "max": {"cpu": "2"}}]}},
    STORAGE_CLASS: {"provisioner": "example.org/disks", "parameters": {"a": "b"}},
    PRIORITY_CLASS: {"value": 7},
    REVISION: {"revision": 1, "data": {"any": ["thing"]}},
    TEMPLATE: {"template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "tty": True}]}}},
    ROLE: {"rules": [RULE]},
    CLUSTER_ROLE: {"rules": [RULE, {"verbs": ["get"], "nonResourceURLs": ["/healthz"]}]},
    BINDING: {"roleRef": ROLE_REF, "subjects": [USER]},
    CLUSTER_BINDING: {"roleRef": ROLE_REF, "subjects": [USER]},
}


KINDS = pytest.mark.parametrize("kind", VALID, ids=lambda kind: kind.kind)


def obj(kind: Kind, name: str = "one", **content: Any) -> Object:
    return {**kind.manifest(name), **(content or VALID[kind])}


async def create(api: Api, kind: Kind, name: str = "one", **content: Any) -> Answer:
    return await api.call("POST", kind.path, obj(kind, name, **content))


async def patch(api: Api, kind: Kind, change: Object) -> Answer:
    return await api.call("PATCH", f"{kind.path}/one", change, content_type="application/merge-patch+json")


def fields(answer: Answer) -> list[str]:
    assert answer.code == 422, answer.body
    return [each["field"] for each in answer.body["details"]["causes"]]


@KINDS
async def test_what_is_created_is_what_is_read_and_a_table_shows_it(api: Api, kind: Kind) -> None:
    created = await create(api, kind)
    assert created.code == 201, created.body
    assert {**VALID[kind], **created.body}.keys() >= VALID[kind].keys()
    assert await api.get(kind, "one") == created.body
    accept = {"Accept": "application/json;as=Table;g=meta.k8s.io;v=v1"}
    async with api.session.get(kind.path, headers=accept) as answer:
        table = await answer.json()
    names = [each["name"] for each in table["columnDefinitions"]]
    assert names[0] == "Name"
    row = next(each["cells"] for each in table["rows"] if each["cells"][0] == "one")
    assert len(row) == len(names)


@KINDS
async def test_a_watch_as_a_table_survives_bookmarks(api: Api, kind: Kind) -> None:
    await create(api, kind)
    accept = {"Accept": "application/json;as=Table;g=meta.k8s.io;v=v1"}
    query = {
        "watch": "true",
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
        "timeoutSeconds": "1",
    }
    async with api.session.get(kind.path, params=query, headers=accept) as answer:
        told = (await answer.read()).decode()
    assert '"ADDED"' in told
    assert '"BOOKMARK"' in told
    assert '"ERROR"' not in told


REFUSED: list[tuple[Kind, Object, list[str]]] = [
    (CLAIM, {"spec": {}}, ["spec.accessModes", "spec.resources.requests.storage"]),
    (
        CLAIM,
        {"spec": {"accessModes": ["ReadWriteOncePod", "ReadWriteMany"], "resources": {"requests": {"storage": "0"}}}},
        ["spec.accessModes", "spec.resources.requests.storage"],
    ),
    (CLAIM, {"spec": {"accessModes": ["Often"]}}, ["spec.accessModes[0]"]),
    (VOLUME, {"spec": {}}, ["spec.accessModes", "spec.capacity", "spec"]),
    (
        VOLUME,
        {"spec": {**VALID[VOLUME]["spec"], "nfs": {"server": "a", "path": "/"}, "storageClassName": "A"}},
        ["spec.nfs", "spec.storageClassName"],
    ),
    (
        QUOTA,
        {"spec": {"hard": {"pods": "1.5", "cpus": "-1"}}},
        ["spec.hard[cpus]", "spec.hard[pods]", "spec.hard[cpus]"],
    ),
    (QUOTA, {"spec": {"scopes": ["BestEffort", "NotBestEffort", "Some"]}}, ["spec.scopes", "spec.scopes"]),
    (QUOTA, {"spec": {"hard": {"secrets": "1"}, "scopes": ["NotBestEffort"]}}, ["spec.hard"]),
    (
        QUOTA,
        {
            "spec": {
                "hard": {
                    "persistentvolumeclaims": "1",
                    "requests.hugepages-2Mi": "1Gi",
                    "count/virtualmachineinstances.kubevirt.io": "1",
                },
                "scopeSelector": {"matchExpressions": [{"scopeName": "Terminating", "operator": "DoesNotExist"}]},
            }
        },
        ["spec.hard", "spec.scopeSelector.matchExpressions.operator"],
    ),
    (
        LIMITS,
        {"spec": {"limits": [{"type": "Pod", "default": {"cpu": "1"}}, {"type": "Pod", "min": {"cpu": "x"}}]}},
        ["spec.limits[0].default", "spec.limits[1].type", "spec.limits[1].min[cpu]"],
    ),
    (
        LIMITS,
        {"spec": {"limits": [{"type": "Container", "min": {"cpu": "3"}, "max": {"cpu": "2"}}]}},
        # The defaults follow from the maximum.
        ["spec.limits[0].min[cpu]"] * 3,
    ),
    (STORAGE_CLASS, {"provisioner": "a b"}, ["provisioner"]),
    (STORAGE_CLASS, {"provisioner": "a", "reclaimPolicy": "Recycle"}, ["reclaimPolicy"]),
    (PRIORITY_CLASS, {"value": 1_000_000_001}, ["value"]),
    (REVISION, {"revision": -1}, ["data", "revision"]),
    (ROLE, {"rules": [{"verbs": [], "nonResourceURLs": ["/x"]}]}, ["rules[0].verbs", "rules[0].nonResourceURLs"]),
    (CLUSTER_ROLE, {"rules": [{"verbs": ["get"]}]}, ["rules[0].apiGroups", "rules[0].resources"]),
    (CLUSTER_ROLE, {"aggregationRule": {}}, ["aggregationRule.clusterRoleSelectors"]),
    (
        CLUSTER_BINDING,
        {"roleRef": {"kind": "Role", "name": "a/b"}, "subjects": [{"kind": "ServiceAccount", "name": "a"}]},
        ["roleRef.kind", "roleRef.name", "subjects[0].namespace"],
    ),
    (
        BINDING,
        {"roleRef": ROLE_REF, "subjects": [{"kind": "Robot", "name": "a"}, {"kind": "User", "name": ""}]},
        ["subjects[0].kind", "subjects[1].name"],
    ),
]


@pytest.mark.parametrize(("kind", "content", "found"), REFUSED, ids=[f"{each[0].kind}-{each[2]}" for each in REFUSED])
async def test_what_cannot_be_is_refused_with_every_reason(
    api: Api, kind: Kind, content: Object, found: list[str]
) -> None:
    assert sorted(fields(await create(api, kind, **content))) == sorted(found)


FIXED: list[tuple[Kind, Object, list[str]]] = [
    (CLAIM, {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}, ["spec"]),
    (CLAIM, {"spec": {"accessModes": ["ReadWriteMany"]}}, ["spec"]),
    (VOLUME, {"spec": {"hostPath": {"path": "/other"}}}, ["spec.persistentvolumesource"]),
    (VOLUME, {"spec": {"volumeMode": "Block"}}, ["spec.volumeMode"]),
    (
        QUOTA,
        {"spec": {"hard": {"count/virtualmachines.kubevirt.io": None}, "scopes": ["NotTerminating"]}},
        ["spec.scopes"],
    ),
    (STORAGE_CLASS, {"parameters": {"a": "c"}}, ["parameters"]),
    (STORAGE_CLASS, {"reclaimPolicy": "Retain"}, ["reclaimPolicy"]),
    (PRIORITY_CLASS, {"value": 8}, ["value"]),
    (PRIORITY_CLASS, {"preemptionPolicy": "Never"}, ["preemptionPolicy"]),
    (REVISION, {"data": {"any": "thing"}}, ["data"]),
    (BINDING, {"roleRef": {"name": "other"}}, ["roleRef"]),
    (CLUSTER_BINDING, {"roleRef": {"name": "other"}}, ["roleRef"]),
]


@pytest.mark.parametrize(("kind", "change", "found"), FIXED, ids=[f"{each[0].kind}-{each[1]}" for each in FIXED])
async def test_what_is_fixed_does_not_change(api: Api, kind: Kind, change: Object, found: list[str]) -> None:
    await create(api, kind)
    assert fields(await patch(api, kind, change)) == found


async def test_a_claim_is_bound_once_then_grows_and_never_shrinks_below_what_it_has(api: Api) -> None:
    created = await create(api, CLAIM)
    assert created.body["spec"]["volumeMode"] == "Filesystem"
    assert created.body["status"] == {"phase": "Pending"}
    assert (await patch(api, CLAIM, {"spec": {"volumeName": "v"}})).code == 200
    assert fields(await patch(api, CLAIM, {"spec": {"volumeName": "w"}})) == ["spec"]
    status = {"status": {"phase": "Bound", "capacity": {"storage": "2Gi"}, "accessModes": ["ReadWriteOnce"]}}
    path = f"{CLAIM.path}/one/status"
    assert (await api.call("PATCH", path, status, content_type="application/merge-patch+json")).code == 200
    assert (await patch(api, CLAIM, {"spec": {"resources": {"requests": {"storage": "3Gi"}}}})).code == 200
    less = await patch(api, CLAIM, {"spec": {"resources": {"requests": {"storage": "1Gi"}}}})
    assert fields(less) == ["spec.resources.requests.storage"]


async def test_an_account_names_secrets_of_its_own_namespace_only(api: Api) -> None:
    created = await create(api, ACCOUNT, secrets=[{"name": "a", "namespace": "other", "kind": "Secret"}])
    assert created.body["secrets"] == [{"name": "a"}]


@pytest.mark.parametrize(
    ("kind", "code"), [(kind, 201 if kind.group == RBAC or kind is LIMITS else 404) for kind in VALID], ids=str
)
async def test_a_put_creates_only_where_kubernetes_has_it_so(api: Api, kind: Kind, code: int) -> None:
    assert (await api.call("PUT", f"{kind.path}/one", obj(kind))).code == code


async def test_there_are_no_pods_and_nobody_makes_one(api: Api) -> None:
    query = {"fieldSelector": "spec.nodeName=one,status.phase!=Succeeded,status.phase!=Failed"}
    listed = await api.call("GET", "/api/v1/pods", **query)
    assert (listed.code, listed.body["kind"], listed.body["items"]) == (200, "PodList", [])
    refused = await create(api, POD, spec={"containers": [{"name": "a", "image": "b"}]})
    assert (refused.code, refused.body["reason"]) == (403, "Forbidden")
    assert 'pods "one" is forbidden: this server runs virtual machines' in refused.body["message"]


@pytest.mark.parametrize("kind", [ROLE, CLUSTER_ROLE, BINDING, CLUSTER_BINDING], ids=lambda kind: kind.kind)
async def test_roles_and_bindings_have_names_that_others_may_not(api: Api, kind: Kind) -> None:
    created = await create(api, kind, "system:one")
    assert created.code == 201, created.body
    assert "Warning" not in created.headers
    assert fields(await create(api, kind, "a%b")) == ["metadata.name"]
    assert (await create(api, ACCOUNT, "system:one", secrets=[])).code == 422


async def test_a_binding_completes_the_groups_that_are_left_out(api: Api) -> None:
    subjects = [{"kind": "User", "name": "a"}, {"kind": "ServiceAccount", "name": "b", "namespace": "default"}]
    created = await create(api, BINDING, roleRef={"kind": "Role", "name": "r"}, subjects=subjects)
    assert created.body["roleRef"]["apiGroup"] == RBAC
    assert created.body["subjects"] == [{**subjects[0], "apiGroup": RBAC}, subjects[1]]


async def test_the_systems_priorities_are_there_and_are_nobody_elses(api: Api) -> None:
    listed = await api.call("GET", PRIORITY_CLASS.path)
    values = {each["metadata"]["name"]: each["value"] for each in listed.body["items"]}
    assert values == {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
    assert fields(await create(api, PRIORITY_CLASS, "system-mine")) == ["metadata.name"]
    assert (await api.delete(PRIORITY_CLASS, "system-node-critical")).code == 403


async def test_the_namespaces_of_every_cluster_are_there_and_their_names_have_no_dots(api: Api) -> None:
    names = {each["metadata"]["name"] for each in (await api.call("GET", NAMESPACE.path)).body["items"]}
    assert names >= {"default", "kube-system", "kube-public", "kube-node-lease", "virtplane"}
    dotted = await api.call("POST", NAMESPACE.path, NAMESPACE.manifest("a.b"))
    assert fields(dotted) == ["metadata.name"]


async def test_component_statuses_are_not_served(api: Api) -> None:
    assert (await api.call("GET", "/api/v1/componentstatuses")).code == 404


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"data": {"a b": "x"}}, ["data[a b]"]),
        ({"data": {"..": "x"}}, ["data[..]"]),
        ({"data": {"a": "x"}, "binaryData": {"a": "eA=="}}, ["data[a]"]),
        ({"binaryData": {"a": "?"}}, ["binaryData[a]"]),
    ],
    ids=["space", "parent", "twice", "no base64"],
)
async def test_a_config_map_has_names_of_files(api: Api, content: Object, found: list[str]) -> None:
    kind = Kind("ConfigMap", "", "v1", "configmaps", "default")
    assert fields(await create(api, kind, **content)) == found


async def test_an_immutable_config_map_stays_as_it_is(api: Api) -> None:
    kind = Kind("ConfigMap", "", "v1", "configmaps", "default")
    await create(api, kind, data={"a": "x"}, immutable=True)
    assert fields(await patch(api, kind, {"data": {"a": "y"}})) == ["data"]
    assert fields(await patch(api, kind, {"immutable": False})) == ["immutable"]
    assert (await patch(api, kind, {"metadata": {"labels": {"a": "b"}}})).code == 200


async def test_a_secret_has_what_its_type_needs(api: Api) -> None:
    kind = Kind("Secret", "", "v1", "secrets", "default")
    lacking = await create(api, kind, type="kubernetes.io/tls", stringData={"tls.crt": "a"})
    assert fields(lacking) == ["data[tls.key]"]
    whole = await create(api, kind, type="kubernetes.io/tls", stringData={"tls.crt": "a", "tls.key": "b"})
    assert whole.code == 201


EVENT = Kind("Event", "", "v1", "events", "default")
NEW_EVENT = Kind("Event", "events.k8s.io", "v1", "events", "default")
HAPPENED: Object = {
    "eventTime": "2026-01-01T00:00:00.000001Z",
    "type": "Normal",
    "reason": "Started",
    "action": "Start",
    "note": "It runs.",
    "regarding": {"kind": "VirtualMachine", "namespace": "default", "name": "vm"},
    "reportingController": "example.org/controller",
    "reportingInstance": "one",
}


async def test_an_event_of_either_group_is_an_event_of_both(api: Api) -> None:
    newer = await create(api, NEW_EVENT, **HAPPENED)
    assert newer.code == 201, newer.body
    assert newer.body["apiVersion"] == "events.k8s.io/v1"
    older = await api.get(EVENT, "one")
    assert older is not None
    assert (older["apiVersion"], older["message"], older["metadata"]["uid"]) == (
        "v1",
        "It runs.",
        newer.body["metadata"]["uid"],
    )
    assert older["involvedObject"] == HAPPENED["regarding"]
    assert older["reportingComponent"] == HAPPENED["reportingController"]
    reference = {"kind": "Node", "name": "n", "namespace": "default"}
    assert (await create(api, EVENT, "two", involvedObject=reference, message="m", count=2)).code == 201
    shown = await api.get(NEW_EVENT, "two")
    assert shown is not None
    assert (shown["regarding"], shown["note"], shown["deprecatedCount"]) == (reference, "m", 2)
    for kind in (EVENT, NEW_EVENT):
        listed = await api.call("GET", kind.path)
        assert listed.body["apiVersion"] == kind.api_version
        assert {each["apiVersion"] for each in listed.body["items"]} == {kind.api_version}
    assert (await api.delete(EVENT, "one")).code == 200
    assert await api.get(NEW_EVENT, "one") is None


async def test_events_are_selected_by_the_names_of_their_group(api: Api) -> None:
    await create(api, NEW_EVENT, **HAPPENED)
    await create(api, EVENT, "two", involvedObject={"kind": "Node", "name": "n", "namespace": "default"})
    for kind, field in ((EVENT, "involvedObject.kind"), (NEW_EVENT, "regarding.kind")):
        listed = await api.call("GET", kind.path, fieldSelector=f"{field}=VirtualMachine")
        assert [each["metadata"]["name"] for each in listed.body["items"]] == ["one"]
    refused = await api.call("GET", NEW_EVENT.path, fieldSelector="involvedObject.kind=Node")
    assert refused.code == 400


async def test_an_event_of_the_newer_group_says_all_and_then_only_goes_on(api: Api) -> None:
    refused = await create(api, NEW_EVENT, regarding={"namespace": "other"}, deprecatedCount=1)
    required = {"eventTime", "type", "reportingController", "reportingInstance", "action", "reason"}
    assert set(fields(refused)) == required | {"deprecatedCount", "regarding.namespace"}
    await create(api, NEW_EVENT, **HAPPENED)
    series = {"series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:01.000000Z"}}
    assert (await patch(api, NEW_EVENT, series)).body["series"]["count"] == 2
    assert fields(await patch(api, NEW_EVENT, {"note": "Or does it?"})) == ["note"]


async def test_an_event_can_be_applied_and_then_changed_by_the_other_group(api: Api) -> None:
    path, body = f"{NEW_EVENT.path}/one", obj(NEW_EVENT, **HAPPENED)
    for code in (201, 200):
        applied = await api.call("PATCH", path, body, content_type="application/apply-patch+yaml", fieldManager="a")
        assert applied.code == code, applied.body
    entry = applied.body["metadata"]["managedFields"][0]
    assert (entry["apiVersion"], entry["operation"]) == ("events.k8s.io/v1", "Apply")
    assert "f:note" in entry["fieldsV1"]
    labelled = await patch(api, EVENT, {"metadata": {"labels": {"a": "b"}}})
    assert labelled.code == 200, labelled.body


async def test_a_namespace_without_finalizers_can_still_be_changed(api: Api) -> None:
    bare = await api.create(NAMESPACE, "bare")
    bare.pop("spec")
    freed = await api.call("PUT", f"{NAMESPACE.path}/bare/finalize", bare)
    assert (freed.code, freed.body.get("spec", {}).get("finalizers")) == (200, None)
    labels = await api.patch(NAMESPACE, "bare", {"metadata": {"labels": {"of": "us"}}})
    assert labels["metadata"]["labels"]["of"] == "us"


RETURNED = {ACCOUNT, CLAIM, VOLUME, QUOTA, STORAGE_CLASS, TEMPLATE}
"""Kinds whose deletion answers with what is deleted (``ReturnDeletedObject`` of their stores)."""


@KINDS
async def test_a_deletion_answers_as_each_kind_does(api: Api, kind: Kind) -> None:
    await api.call("POST", kind.path, obj(kind))
    answer = await api.delete(kind, "one")
    assert (answer.code, answer.body["kind"]) == (200, kind.kind if kind in RETURNED else "Status")


@pytest.mark.parametrize(
    ("kind", "content", "path", "written"),
    [
        (CLAIM, {"resources": {"requests": {"storage": "1024Mi"}}}, ("resources", "requests", "storage"), "1Gi"),
        (VOLUME, {"capacity": {"storage": "0.5Gi"}}, ("capacity", "storage"), "512Mi"),
        (QUOTA, {"hard": {"requests.cpu": "1500m", "cpu": "2000m"}}, ("hard", "cpu"), "2"),
        (LIMITS, {"limits": [{"type": "Container", "max": {"cpu": "0.5"}}]}, ("limits", 0, "max", "cpu"), "500m"),
    ],
    ids=lambda each: each.kind if isinstance(each, Kind) else "",
)
async def test_amounts_are_written_as_kubernetes_writes_them(
    api: Api, kind: Kind, content: Object, path: tuple[str | int, ...], written: str
) -> None:
    answer = await api.call("POST", kind.path, obj(kind, spec={**VALID[kind]["spec"], **content}))
    assert answer.code == 201
    found = answer.body["spec"]
    for part in path:
        found = found[part]
    assert found == written
