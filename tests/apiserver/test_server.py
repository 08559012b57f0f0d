"""The whole server, driven by the real kubectl."""

from collections.abc import Awaitable, Callable

Kubectl = Callable[..., Awaitable[str]]

CONFIG_MAP = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: green}
"""

SECRET = """
apiVersion: v1
kind: Secret
metadata: {name: s}
stringData: {a: b}
"""


async def test_kubectl_applies_changes_reads_and_deletes(kubectl: Kubectl) -> None:
    assert "configmap/settings created" in await kubectl("apply", "-f", "-", given=CONFIG_MAP)
    assert "unchanged" in await kubectl("apply", "-f", "-", given=CONFIG_MAP)
    table = await kubectl("get", "cm", "-A")
    assert table.split()[:4] == ["NAMESPACE", "NAME", "DATA", "AGE"]
    assert "settings" in table
    await kubectl("label", "configmap", "settings", "a=b")
    assert "settings" in await kubectl("get", "cm", "-l", "a=b", "-o", "name")
    assert "green" in await kubectl("get", "cm", "settings", "-o", "jsonpath={.data.colour}")
    await kubectl("delete", "cm", "settings")
    assert "NotFound" in await kubectl("get", "cm", "settings", fails=True)


async def test_kubectl_explains_from_the_schema(kubectl: Kubectl) -> None:
    assert "Text values." in await kubectl("explain", "configmap.data")


async def test_kubectl_lists_what_is_served(kubectl: Kubectl) -> None:
    listed = await kubectl("api-resources", "-o", "name")
    assert {"configmaps", "namespaces", "nodes", "leases.coordination.k8s.io"} <= set(listed.split())


async def test_an_unknown_field_is_refused_at_apply(kubectl: Kubectl) -> None:
    typo = CONFIG_MAP.replace("\ndata:", "\ndta:")
    assert 'unknown field "dta"' in await kubectl("apply", "-f", "-", given=typo, fails=True)


async def test_the_namespaces_that_clients_count_on_are_there(kubectl: Kubectl) -> None:
    names = (await kubectl("get", "ns", "-o", "name")).split()
    assert {"namespace/default", "namespace/kube-system", "namespace/kube-node-lease"} <= set(names)


async def test_an_object_without_a_name_is_refused_before_its_kind_looks_at_it(kubectl: Kubectl) -> None:
    answer = await kubectl("create", "--raw", "/api/v1/namespaces", "-f", "-", given='{"metadata":{}}', fails=True)
    assert "metadata.name: Required value" in answer


async def test_secrets_come_back_encoded(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", "-", given=SECRET)
    assert await kubectl("get", "secret", "s", "-o", "jsonpath={.data.a} {.type}") == "Yg== Opaque"


async def test_kubectl_creates_the_kinds_that_it_sends_as_protobuf(kubectl: Kubectl) -> None:
    assert "namespace/x created" in await kubectl("create", "namespace", "x")
    assert "secret/s created" in await kubectl("create", "secret", "generic", "s", "-n", "x", "--from-literal=a=b")
    assert "configmap/c created" in await kubectl("create", "configmap", "c", "-n", "x", "--from-literal=a=b")
    assert await kubectl("get", "ns", "x", "-o", "jsonpath={.status.phase}") == "Active"
    assert await kubectl("get", "secret", "s", "-n", "x", "-o", "jsonpath={.data.a} {.type}") == "Yg== Opaque"
    assert await kubectl("get", "cm", "c", "-n", "x", "-o", "jsonpath={.data}") == '{"a":"b"}'
    assert 'namespace "x" deleted' in await kubectl("delete", "namespace", "x", "--wait=false")
    assert await kubectl("get", "ns", "x", "-o", "jsonpath={.status.phase}") == "Terminating"
