"""What ``deploy/`` says, held against kustomize, against Pod Security's restricted standard and against the code."""

import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import orjson
import pytest
import yaml

import deploy
from apiserver.auth import policy
from apiserver.resources import actions, resources
from certs.names import service_names
from kube.installation import NAMESPACE, SERVICE
from kube.nodes import SCHEDULABLE_LABEL
from nodeagent.registration import ACCELERATION_LABEL
from tests.apiserver.resources.generated import CATALOGUE
from tests.apiserver.resources.surroundings import Remembered
from tests.kubectl import RECENT
from virtplane.kubernetes.manifests import ManifestError, build, installation
from virtplane.membercertificates import RIGHTS
from virtplane.settings import ENVIRONMENT_PREFIX, Settings

RBAC = {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"}
OF_THE_CLUSTER = {"system:auth-delegator", "extension-apiserver-authentication-reader"}
"""Roles that every cluster has."""
AGENT = "virtplane-agent"


def named(obj: dict[str, Any]) -> tuple[str, str, str]:
    return obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def of_kind(kind: str, overlay: str = "sqlite") -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in installation(overlay) if each["kind"] == kind}


def workloads(overlay: str, **how: Any) -> Iterator[dict[str, Any]]:
    return (each for each in installation(overlay, **how) if each["kind"] in {"Deployment", "DaemonSet"})


@pytest.mark.parametrize("overlay", deploy.OVERLAYS)
def test_kustomize_makes_the_same(overlay: str) -> None:
    command = [RECENT, "kustomize", str(deploy.DIRECTORY / "overlays" / overlay)]
    made = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert sorted(installation(overlay), key=named) == sorted(yaml.safe_load_all(made), key=named)


def test_a_field_of_kustomize_that_is_not_understood_is_told(tmp_path: Any) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: []\nnamePrefix: my-\n")
    with pytest.raises(ManifestError, match="namePrefix is not understood"):
        build(tmp_path)


def test_without_data_volumes_there_is_nothing_of_that_group() -> None:
    assert not [each for each in installation("sqlite", data_volumes=False) if "cdi" in each["metadata"]["name"]]


def test_the_image_is_of_this_version_or_as_asked_for() -> None:
    def images(**how: str) -> set[str]:
        pods = [each["spec"]["template"]["spec"] for each in workloads("sqlite", **how)]
        return {container["image"] for pod in pods for container in pod["containers"]}

    assert images() == {f"virtplane:{version('virtplane')}"}
    assert images(image="registry.example/virtplane@sha256:0") == {"registry.example/virtplane@sha256:0"}


@pytest.mark.parametrize("overlay", deploy.OVERLAYS)
def test_every_pod_is_restricted_but_the_agents_which_command_libvirt(overlay: str) -> None:
    for workload in workloads(overlay):
        pod = workload["spec"]["template"]["spec"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"]
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert container["resources"]["limits"]["memory"]
            if workload["metadata"]["name"] == AGENT:
                continue
            assert pod["securityContext"]["runAsNonRoot"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert pod.keys().isdisjoint({"hostNetwork", "hostPID", "hostIPC"})
            assert not [each for each in pod["volumes"] if "hostPath" in each]


@pytest.mark.parametrize("overlay", deploy.OVERLAYS)
def test_every_setting_of_a_container_is_one_with_a_value_that_it_takes(overlay: str) -> None:
    given = {
        "status.podIP": "10.0.0.1",
        "status.hostIP": "10.0.0.2",
        "spec.nodeName": "node-1",
        "url": "postgresql://user@host/name",
    }
    for workload in workloads(overlay):
        (container,) = workload["spec"]["template"]["spec"]["containers"]
        environment: dict[str, str] = {}
        for each in container["env"]:
            source = each.get("valueFrom", {})
            wanted = source.get("fieldRef", {}).get("fieldPath") or source.get("secretKeyRef", {}).get("key")
            environment[each["name"]] = each["value"] if "value" in each else given[wanted]
        settings = Settings.load({}, environment)
        assert settings.in_kubernetes
        assert {name.removeprefix(ENVIRONMENT_PREFIX).lower() for name in environment} <= settings.shown().keys()


@pytest.mark.parametrize("overlay", deploy.OVERLAYS)
def test_what_selects_pods_selects_some(overlay: str) -> None:
    pods = [each["spec"]["template"]["metadata"]["labels"] for each in workloads(overlay)]
    selectors = [each["spec"]["selector"]["matchLabels"] for each in workloads(overlay)]
    selectors += [each["spec"]["selector"] for each in of_kind("Service", overlay).values()]
    selectors += [each["spec"]["selector"]["matchLabels"] for each in of_kind("PodDisruptionBudget", overlay).values()]
    policies = of_kind("NetworkPolicy", overlay).values()
    selectors += [each["spec"]["podSelector"].get("matchLabels", {}) for each in policies]
    for selector in selectors:
        assert any(selector.items() <= labels.items() for labels in pods), selector


@pytest.mark.parametrize("overlay", deploy.OVERLAYS)
def test_roles_accounts_and_storage_that_are_named_are_there(overlay: str) -> None:
    objects = {named(each): each for each in installation(overlay)}
    for (kind, namespace, _), each in objects.items():
        if kind.endswith("RoleBinding"):
            reference = each["roleRef"]
            home = namespace if reference["kind"] == "Role" else ""
            assert (reference["kind"], home, reference["name"]) in objects or reference["name"] in OF_THE_CLUSTER
            accounts = [subject for subject in each["subjects"] if subject["kind"] == "ServiceAccount"]
            assert all(("ServiceAccount", one["namespace"], one["name"]) in objects for one in accounts)
        if kind in {"Deployment", "DaemonSet"}:
            pod = each["spec"]["template"]["spec"]
            assert ("ServiceAccount", namespace, pod["serviceAccountName"]) in objects
            assert ("PriorityClass", "", pod["priorityClassName"]) in objects
            claims = [
                one["persistentVolumeClaim"]["claimName"] for one in pod["volumes"] if "persistentVolumeClaim" in one
            ]
            assert all(("PersistentVolumeClaim", namespace, claim) in objects for claim in claims)


def test_a_service_leads_to_the_port_that_the_server_opens_and_the_network_lets_in() -> None:
    (container,) = of_kind("Deployment")["virtplane-api"]["spec"]["template"]["spec"]["containers"]
    (port,) = container["ports"]
    (led,) = of_kind("Service")["virtplane-api"]["spec"]["ports"]
    (let_in,) = of_kind("NetworkPolicy")["virtplane-api"]["spec"]["ingress"]
    environment = {each["name"]: each.get("value") for each in container["env"]}
    assert led["targetPort"] == port["name"]
    assert [each["port"] for each in let_in["ports"]] == [port["containerPort"]] == [int(environment["VIRTPLANE_PORT"])]


def test_the_certificate_of_the_server_is_for_its_service() -> None:
    service = of_kind("Service")[SERVICE]["metadata"]
    assert f"{service['name']}.{service['namespace']}.svc" in service_names(SERVICE, NAMESPACE)


def test_the_server_may_do_in_its_namespace_what_its_certificates_take() -> None:
    role = of_kind("Role")["virtplane-api"]
    given = {
        (verb, each, name)
        for rule in role["rules"]
        for verb in rule["verbs"]
        for each in rule["resources"]
        for name in rule.get("resourceNames", [""])
    }
    assert role["metadata"]["namespace"] == NAMESPACE
    assert given == {(each.verb, each.resource, each.name) for each in RIGHTS}


def test_each_group_and_version_that_is_served_has_its_api_service_and_no_other() -> None:
    stored = Remembered()
    served = resources(CATALOGUE, stored)
    there = {(each.group, one.name): place for each in served for place, one in enumerate(each.versions)}
    there |= {
        (each.group, name): place
        for each in actions(served, stored, CATALOGUE, lambda *_: {})
        for place, name in enumerate(each.versions)
    }
    ours = {at: place for at, place in there.items() if at[0].endswith("kubevirt.io")}
    specs = {name: each["spec"] for name, each in of_kind("APIService").items()}
    assert specs.keys() == {f"{name}.{group}" for group, name in ours}
    assert all(spec["service"] == {"name": "virtplane-api", "namespace": "virtplane"} for spec in specs.values())
    assert all(spec.keys().isdisjoint({"caBundle", "insecureSkipTLSVerify"}) for spec in specs.values())
    for group in {group for group, _ in ours}:
        preferred = sorted((place, name) for (other, name), place in ours.items() if other == group)
        priorities = [specs[f"{name}.{group}"]["versionPriority"] for _, name in preferred]
        assert priorities == sorted(priorities, reverse=True)


def test_the_controllers_write_to_no_api_services_but_ours() -> None:
    rules = of_kind("ClusterRole")["virtplane-controllers"]["rules"]
    (named,) = [
        each["resourceNames"] for each in rules if each["resources"] == ["apiservices"] and "patch" in each["verbs"]
    ]
    assert sorted(named) == sorted(of_kind("APIService"))


def test_agents_set_the_labels_that_they_may_and_no_others() -> None:
    spec = of_kind("ValidatingAdmissionPolicy")[AGENT]["spec"]
    said = {each["name"]: each["expression"] for each in spec["variables"]}
    assert orjson.loads(said["ours"]) == [SCHEDULABLE_LABEL, ACCELERATION_LABEL]


def test_users_have_the_same_roles_as_with_a_standalone_server() -> None:
    def told(roles: Any) -> dict[str, Any]:
        return {
            each["metadata"]["name"]: (
                each["rules"],
                {key: value for key, value in each["metadata"].get("labels", {}).items() if "/aggregate-to-" in key},
            )
            for each in roles
            if "kubevirt.io" in each["metadata"]["name"]
        }

    def given(bindings: Any) -> dict[str, Any]:
        return {each["metadata"]["name"]: (each["roleRef"], each["subjects"]) for each in bindings}

    assert told(of_kind("ClusterRole").values()) == told(policy.CLUSTER_ROLES)
    ours = [each for each in of_kind("ClusterRoleBinding").values() if "kubevirt.io" in each["metadata"]["name"]]
    theirs = [each for each in policy.CLUSTER_ROLE_BINDINGS if "kubevirt.io" in each["metadata"]["name"]]
    assert given(ours) == given(theirs)
