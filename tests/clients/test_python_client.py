"""What people do with the official Python client: typed calls, custom objects, the dynamic client and watches."""

import base64
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import urllib3
import yaml
from kubernetes import client, config, dynamic, watch
from kubernetes.client import ApiClient, ApiException, CoreV1Api, CustomObjectsApi
from kubernetes.dynamic.exceptions import ConflictError

from tests.clients.conftest import Serve
from tests.server import Server

JSON_PATCH, MERGE_PATCH = "application/json-patch+json", "application/merge-patch+json"
STRATEGIC_PATCH, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"
MACHINES = ("kubevirt.io", "v1", "default", "virtualmachines")
MACHINE = yaml.safe_load((Path(__file__).parents[2] / "examples/vm-busybox.yaml").read_text())
NAMES = ("a", "b", "c", "d", "e")


def connected(server: Server) -> ApiClient:
    return config.new_client_from_config(config_file=str(server.kubeconfig("admin")))


@pytest.fixture
def api(server: Server) -> Iterator[ApiClient]:
    with connected(server) as api:
        yield api


@pytest.fixture
def core(api: ApiClient) -> CoreV1Api:
    return CoreV1Api(api)


@pytest.fixture
def custom(api: ApiClient) -> CustomObjectsApi:
    return CustomObjectsApi(api)


@pytest.fixture
def machines(api: ApiClient, tmp_path: Path) -> Any:
    """Virtual machines as the dynamic client discovers them."""
    found = dynamic.DynamicClient(api, cache_file=str(tmp_path / "discovered.json"))
    return found.resources.get(api_version="kubevirt.io/v1", kind="VirtualMachine")


def config_map(name: str, data: dict[str, str] | None = None, **metadata: Any) -> client.V1ConfigMap:
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name, **metadata), data=data)


def code_of(call: Callable[..., Any], *arguments: Any, **more: Any) -> int | None:
    with pytest.raises(ApiException) as refused:
        call(*arguments, **more)
    return refused.value.status


def test_an_object_lives_from_create_to_delete(core: CoreV1Api) -> None:
    made = core.create_namespaced_config_map("default", config_map("one", {"a": "1"}))
    assert code_of(core.create_namespaced_config_map, "default", config_map("one")) == 409
    core.patch_namespaced_config_map("one", "default", {"data": {"b": "2"}})
    assert code_of(core.replace_namespaced_config_map, "one", "default", made) == 409
    current = core.read_namespaced_config_map("one", "default")
    assert (current.data, current.metadata.uid) == ({"a": "1", "b": "2"}, made.metadata.uid)
    current.data = {"c": "3"}
    assert core.replace_namespaced_config_map("one", "default", current).data == {"c": "3"}
    gone: Any = core.delete_namespaced_config_map("one", "default")
    assert (gone["status"], gone["details"]["uid"]) == ("Success", made.metadata.uid)
    assert code_of(core.read_namespaced_config_map, "one", "default") == 404


def test_every_type_of_patch_does_what_it_does_in_kubernetes(core: CoreV1Api) -> None:
    core.create_namespaced_config_map("default", config_map("one", {"a": "1"}, finalizers=["test.io/x"]))

    def patched(body: Any, content_type: str) -> client.V1ConfigMap:
        return core.patch_namespaced_config_map("one", "default", body, _content_type=content_type)

    assert patched([{"op": "add", "path": "/data/b", "value": "2"}], JSON_PATCH).data == {"a": "1", "b": "2"}
    assert patched({"data": {"a": None}}, MERGE_PATCH).data == {"b": "2"}
    finalizers = {"metadata": {"finalizers": ["test.io/y"]}}
    assert sorted(patched(finalizers, STRATEGIC_PATCH).metadata.finalizers) == ["test.io/x", "test.io/y"]
    assert patched(finalizers, MERGE_PATCH).metadata.finalizers == ["test.io/y"]
    assert code_of(patched, {"data": {"a": None}}, "application/json") == 415


def test_namespaces_are_made_listed_and_labelled(core: CoreV1Api) -> None:
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name="team", labels={"of": "us"})))
    assert core.read_namespace("team").status.phase == "Active"
    core.patch_namespace("team", {"metadata": {"labels": {"more": "yes"}}})
    selected = core.list_namespace(label_selector="of=us,more").items
    assert [each.metadata.name for each in selected] == ["team"]
    core.create_namespaced_config_map("team", config_map("inside"))
    everywhere = core.list_config_map_for_all_namespaces(field_selector="metadata.namespace=team").items
    assert "inside" in [each.metadata.name for each in everywhere]


def test_secrets_take_plain_text_and_give_bytes(core: CoreV1Api) -> None:
    metadata = client.V1ObjectMeta(name="key")
    secret = client.V1Secret(metadata=metadata, string_data={"password": "ü"}, type="Opaque")
    made = core.create_namespaced_secret("default", secret)
    assert base64.b64decode(made.data["password"]).decode() == "ü"
    assert made.string_data is None
    fixed = core.patch_namespaced_secret("key", "default", {"immutable": True})
    assert fixed.immutable
    assert code_of(core.patch_namespaced_secret, "key", "default", {"stringData": {"password": "x"}}) == 422


def test_nodes_report_their_status_and_are_cordoned(core: CoreV1Api) -> None:
    core.create_node(client.V1Node(metadata=client.V1ObjectMeta(name="one")))
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    core.patch_node_status("one", ready)
    core.patch_node("one", {"spec": {"unschedulable": True}})
    (node,) = core.list_node().items
    assert ([each.type for each in node.status.conditions], node.spec.unschedulable) == (["Ready"], True)
    assert core.list_pod_for_all_namespaces().items == []


def test_pages_of_a_list_are_one_snapshot(core: CoreV1Api) -> None:
    for name in NAMES:
        core.create_namespaced_config_map("default", config_map(name, labels={"of": "us"}))
    first = core.list_namespaced_config_map("default", label_selector="of=us", limit=2)
    core.delete_namespaced_config_map("e", "default")
    core.create_namespaced_config_map("default", config_map("f", labels={"of": "us"}))
    found, page = [*first.items], first
    while page.metadata._continue:
        page = core.list_namespaced_config_map(
            "default", label_selector="of=us", limit=2, _continue=page.metadata._continue
        )
        found.extend(page.items)
    assert [each.metadata.name for each in found] == [*NAMES]
    assert page.metadata.resource_version == first.metadata.resource_version


def test_machines_are_custom_objects(custom: CustomObjectsApi) -> None:
    made: Any = custom.create_namespaced_custom_object(*MACHINES, MACHINE)
    assert made["metadata"]["generation"] == 1
    halted = {"spec": {"runStrategy": "Halted"}}
    changed: Any = custom.patch_namespaced_custom_object(*MACHINES, "busybox", halted, _content_type=MERGE_PATCH)
    assert (changed["spec"]["runStrategy"], changed["metadata"]["generation"]) == ("Halted", 2)
    stale = {**MACHINE, "metadata": made["metadata"]}
    assert code_of(custom.replace_namespaced_custom_object, *MACHINES, "busybox", stale) == 409
    group, version, _, plural = MACHINES
    (listed,) = custom.list_cluster_custom_object(group, version, plural)["items"]
    assert listed == custom.get_namespaced_custom_object(*MACHINES, "busybox")
    strategic = custom.patch_namespaced_custom_object
    assert code_of(strategic, *MACHINES, "busybox", halted, _content_type=STRATEGIC_PATCH) == 415
    custom.delete_namespaced_custom_object(*MACHINES, "busybox")
    assert code_of(custom.get_namespaced_custom_object, *MACHINES, "busybox") == 404


def test_the_dynamic_client_finds_a_kind_and_drives_it(machines: Any) -> None:
    assert (machines.name, machines.namespaced, "vm" in machines.short_names) == ("virtualmachines", True, True)
    made = machines.create(body=MACHINE, namespace="default")
    strategies = [{"op": "replace", "path": "/spec/runStrategy", "value": "Manual"}]
    manual = machines.patch(name="busybox", namespace="default", body=strategies, content_type=JSON_PATCH)
    assert (manual.spec.runStrategy, manual.metadata.uid) == ("Manual", made.metadata.uid)
    halted = machines.patch(
        name="busybox", namespace="default", body={"spec": {"runStrategy": "Halted"}}, content_type=MERGE_PATCH
    )
    halted.spec.runStrategy = "Always"
    assert machines.replace(body=halted.to_dict(), namespace="default").spec.runStrategy == "Always"
    with pytest.raises(ConflictError):
        machines.replace(body=made.to_dict(), namespace="default")
    assert [each.metadata.name for each in machines.get(namespace="default").items] == ["busybox"]
    machines.delete(name="busybox", namespace="default")
    assert machines.get(namespace="default").items == []


def test_appliers_share_a_machine_and_learn_whose_field_they_want(machines: Any) -> None:
    def applied(manager: str, content: dict[str, Any], **how: Any) -> Any:
        kind = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": {"name": "busybox"}}
        return machines.server_side_apply(body={**kind, **content}, namespace="default", field_manager=manager, **how)

    applied("deployer", {"spec": MACHINE["spec"]})
    applied("labeller", {"metadata": {"name": "busybox", "labels": {"of": "us"}}})
    stopping = {"spec": {"runStrategy": "Halted"}}
    with pytest.raises(ConflictError) as refused:
        applied("operator", stopping)
    told = json.loads(refused.value.body)
    assert 'conflict with "deployer"' in told["message"]
    assert [each["field"] for each in told["details"]["causes"]] == [".spec.runStrategy"]
    stopped = applied("operator", stopping, force_conflicts=True)
    assert (stopped.spec.runStrategy, dict(stopped.metadata.labels)) == ("Halted", {"of": "us"})
    managers = [(each.manager, each.operation) for each in stopped.metadata.managedFields]
    assert sorted(managers) == [("deployer", "Apply"), ("labeller", "Apply"), ("operator", "Apply")]
    assert applied("labeller", {}).metadata.labels is None


def test_a_watch_starts_with_what_there_is(machines: Any) -> None:
    machines.create(body=MACHINE, namespace="default")
    watcher = watch.Watch()
    seen = []
    for event in machines.watch(
        namespace="default",
        send_initial_events=True,
        allow_watch_bookmarks=True,
        resource_version_match="NotOlderThan",
        timeout=20,
        watcher=watcher,
    ):
        seen.append(event["type"])
        if event["type"] == "BOOKMARK":
            assert event["object"].metadata.annotations["k8s.io/initial-events-end"] == "true"
            machines.delete(name="busybox", namespace="default")
        elif event["type"] == "DELETED":
            watcher.stop()
    assert seen == ["ADDED", "BOOKMARK", "DELETED"]


def watched(server: Server, revision: str, enough: int) -> tuple[list[tuple[str, str]], str]:
    """Watch configmaps until the server is gone or ``enough`` was seen; return what, and the last revision."""
    watcher, seen = watch.Watch(), []
    with connected(server) as api:
        changes = watcher.stream(CoreV1Api(api).list_namespaced_config_map, "default", resource_version=revision)
        try:
            for event in changes:
                seen.append((event["type"], event["object"].metadata.name))
                if len(seen) == enough:
                    watcher.stop()
        except urllib3.exceptions.HTTPError:
            pass  # it reconnected when the server ended the watch, and nobody was there
    return seen, watcher.resource_version


def test_a_watch_goes_on_after_the_server_was_restarted(serve: Serve) -> None:
    with ThreadPoolExecutor(1) as thread:
        with serve() as server, connected(server) as api:
            core = CoreV1Api(api)
            start = core.list_namespaced_config_map("default").metadata.resource_version
            watching = thread.submit(watched, server, start, 1000)
            core.create_namespaced_config_map("default", config_map("a"))
            core.patch_namespaced_config_map("a", "default", {"data": {"k": "v"}})
        before, revision = watching.result()
    with serve(port=server.port) as server, connected(server) as api:
        core = CoreV1Api(api)
        core.create_namespaced_config_map("default", config_map("b"))
        core.delete_namespaced_config_map("a", "default")
        after, _ = watched(server, revision, 4 - len(before))
    assert before + after == [("ADDED", "a"), ("MODIFIED", "a"), ("ADDED", "b"), ("DELETED", "a")]
