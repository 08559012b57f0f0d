"""Paths and methods, read as authorization reads them."""

import pytest

from apiserver.http.requestinfo import parse

CASES = [
    ("GET", "/api/v1/namespaces", {}, ("list", "", "namespaces", "", "", "")),
    ("GET", "/api/v1/namespaces/default", {}, ("get", "", "namespaces", "", "", "default")),
    ("PUT", "/api/v1/namespaces/default/status", {}, ("update", "", "namespaces", "status", "", "default")),
    ("GET", "/api/v1/namespaces/default/configmaps", {}, ("list", "", "configmaps", "", "default", "")),
    ("DELETE", "/api/v1/namespaces/a/configmaps", {}, ("deletecollection", "", "configmaps", "", "a", "")),
    ("GET", "/api/v1/configmaps", {"watch": "true"}, ("watch", "", "configmaps", "", "", "")),
    ("GET", "/api/v1/configmaps", {"watch": ""}, ("watch", "", "configmaps", "", "", "")),
    ("GET", "/api/v1/configmaps", {"watch": "False"}, ("list", "", "configmaps", "", "", "")),
    ("DELETE", "/api/v1/namespaces/a/configmaps", {"watch": "1"}, ("deletecollection", "", "configmaps", "", "a", "")),
    ("GET", "/api/v1/namespaces/a/configmaps/b", {"watch": "1"}, ("get", "", "configmaps", "", "a", "b")),
    ("GET", "/api/v1/watch/configmaps", {}, ("watch", "", "configmaps", "", "", "")),
    ("GET", "/api/v1/watch/namespaces/a/configmaps/b", {}, ("watch", "", "configmaps", "", "a", "b")),
    (
        "PATCH",
        "/apis/kubevirt.io/v1/namespaces/a/virtualmachines/b/status",
        {},
        ("patch", "kubevirt.io", "virtualmachines", "status", "a", "b"),
    ),
    (
        "POST",
        "/apis/kubevirt.io/v1/namespaces/a/virtualmachines",
        {},
        ("create", "kubevirt.io", "virtualmachines", "", "a", ""),
    ),
    (
        "GET",
        "/apis/subresources.kubevirt.io/v1/namespaces/a/virtualmachines/b/expand-spec",
        {},
        ("get", "subresources.kubevirt.io", "virtualmachines", "expand-spec", "a", "b"),
    ),
    (
        "PUT",
        "/apis/subresources.kubevirt.io/v1/namespaces/a/expand-vm-spec",
        {},
        ("update", "subresources.kubevirt.io", "expand-vm-spec", "", "a", ""),
    ),
    (
        "GET",
        "/apis/subresources.kubevirt.io/v1/namespaces/a/virtualmachineinstances/b/portforward/22/tcp",
        {},
        ("get", "subresources.kubevirt.io", "virtualmachineinstances", "portforward", "a", "b"),
    ),
    ("GET", "/api/v1/namespaces/a/secrets/b/c/d", {}, ("get", "", "secrets", "c", "a", "b")),
]


@pytest.mark.parametrize(("method", "path", "query", "expected"), CASES)
def test_a_path_says_what_is_asked(method: str, path: str, query: dict[str, str], expected: tuple[str, ...]) -> None:
    info = parse(method, path, query)
    assert (info.verb, info.group, info.resource, info.subresource, info.namespace, info.name) == expected


@pytest.mark.parametrize(
    ("method", "path", "selector", "name"),
    [
        ("GET", "configmaps", "metadata.name=b", "b"),
        ("GET", "configmaps", "status.phase=Running,metadata.name==b", "b"),
        ("GET", "watch/configmaps", "metadata.name=b", "b"),
        ("DELETE", "configmaps", "metadata.name=b", "b"),
        ("GET", "configmaps", "metadata.name!=b", ""),
        ("GET", "configmaps", "metadata.name=b/c", ""),
        ("GET", "configmaps", "metadata.name", ""),
        ("POST", "configmaps", "metadata.name=b", ""),
        ("GET", "configmaps/a", "metadata.name=b", "a"),
    ],
)
def test_a_selector_that_demands_a_name_names_the_object(method: str, path: str, selector: str, name: str) -> None:
    info = parse(method, f"/api/v1/{path}", {"fieldSelector": selector})
    assert info.object_name == name


@pytest.mark.parametrize("path", ["/", "/api", "/apis", "/apis/kubevirt.io", "/apis/kubevirt.io/v1", "/healthz"])
def test_documents_are_no_resources(path: str) -> None:
    assert not parse("GET", path, {}).is_resource
