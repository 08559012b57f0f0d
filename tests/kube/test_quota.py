"""What counts against a quota."""

from decimal import Decimal
from typing import Any

import pytest

from kube import quota as quotas
from kube.configuration import Configuration
from kube.demand import Amounts
from kube.quantity import parse
from kube.quota import CLAIMS, INSTANCES, exceeded, recorded, sources, written

Object = dict[str, Any]
GI = Decimal(2**30)
PLAIN = Configuration()


def usage(resource: str, obj: Object) -> Amounts:
    return quotas.usage(resource, obj, PLAIN)


def charged(quota: Object, resource: str, obj: Object) -> Amounts:
    return quotas.charged(quota, resource, obj, PLAIN)


def growth(quota: Object, new: Object, old: Object | None) -> Amounts:
    return quotas.growth(quota, CLAIMS, new, old, PLAIN)


def quota(*names: str, **spec: Any) -> Object:
    return {"spec": {"hard": dict.fromkeys(names, "10"), **spec}}


def instance(phase: str = "Running", **spec: Any) -> Object:
    domain = {"memory": {"guest": "1Gi"}, **spec.pop("domain", {})}
    return {"spec": {"domain": domain, **spec}, "status": {"phase": phase}}


def claim(size: str = "1Gi", **spec: Any) -> Object:
    return {"spec": {"resources": {"requests": {"storage": size}}, **spec}}


def test_every_object_counts_as_one_of_its_kind() -> None:
    assert usage("things.example.org", {}) == {"count/things.example.org": 1}
    assert usage("configmaps", {}) == {"count/configmaps": 1, "configmaps": 1}


def test_a_guest_counts_under_the_names_that_pods_count_under() -> None:
    assert usage(INSTANCES, instance()) == {
        f"count/{INSTANCES}": 1,
        "cpu": Decimal("0.1"),
        "requests.cpu": Decimal("0.1"),
        "limits.cpu": 1,
        "memory": GI,
        "requests.memory": GI,
        "limits.memory": GI,
    }


@pytest.mark.parametrize("cpus", ["1e30", "1e999", f"{'9' * 40}.5"])
def test_any_quantity_of_cpus_can_be_counted(cpus: str) -> None:
    asked = instance(domain={"resources": {"limits": {"cpu": cpus}, "requests": {"cpu": cpus}}})
    assert usage(INSTANCES, asked)["limits.cpu"] == parse(cpus)
    assert written(usage(INSTANCES, asked))["requests.cpu"]


def test_a_guest_counts_as_the_configuration_shares_nodes_among_guests() -> None:
    shared = Configuration({"developerConfiguration": {"cpuAllocationRatio": 3, "memoryOvercommit": 150}})
    used = quotas.usage(INSTANCES, instance(), shared)
    assert (used["cpu"], used["limits.cpu"]) == (Decimal("0.334"), 1)
    assert (used["memory"], used["limits.memory"]) == (715827883, GI)


def test_a_guest_that_has_ended_counts_as_an_object_only() -> None:
    assert usage(INSTANCES, instance("Succeeded")) == usage(INSTANCES, instance("Failed")) == {f"count/{INSTANCES}": 1}


def test_huge_pages_are_counted_in_the_place_of_memory() -> None:
    used = usage(INSTANCES, instance(domain={"memory": {"guest": "1Gi", "hugepages": {"pageSize": "2Mi"}}}))
    assert used["hugepages-2Mi"] == used["requests.hugepages-2Mi"] == GI
    assert not used.keys() & {"memory", "requests.memory", "limits.memory"}


def test_devices_of_the_host_are_counted_by_their_name() -> None:
    devices = {"gpus": [{"deviceName": "a.org/gpu"}, {"deviceName": "a.org/gpu"}, {"name": "claimed"}]}
    devices["hostDevices"] = [{"deviceName": "a.org/nic"}]
    used = usage(INSTANCES, instance(domain={"devices": devices}))
    assert (used["requests.a.org/gpu"], used["requests.a.org/nic"]) == (2, 1)


def test_a_claim_counts_in_all_and_of_its_class() -> None:
    of_class = "fast.storageclass.storage.k8s.io/"
    plain = {"count/persistentvolumeclaims": 1, CLAIMS: 1, "requests.storage": GI}
    assert usage(CLAIMS, claim()) == plain
    assert usage(CLAIMS, claim(storageClassName="fast")) == {
        **plain,
        f"{of_class}requests.storage": GI,
        f"{of_class}persistentvolumeclaims": 1,
    }


@pytest.mark.parametrize(
    ("scope", "of", "included"),
    [
        ({"scopes": ["NotTerminating", "NotBestEffort"]}, instance(), True),
        ({"scopes": ["Terminating"]}, instance(), False),
        ({"scopes": ["BestEffort"]}, instance(), False),
        ({"scopes": ["PriorityClass"]}, instance(priorityClassName="a"), True),
        ({"scopes": ["PriorityClass"]}, instance(), False),
        (("PriorityClass", "In", "a", "b"), instance(priorityClassName="b"), True),
        (("PriorityClass", "In", "a", "b"), instance(priorityClassName="c"), False),
        (("PriorityClass", "NotIn", "a"), instance(priorityClassName="c"), True),
        (("PriorityClass", "NotIn", "a"), instance(priorityClassName="a"), False),
        (("PriorityClass", "DoesNotExist"), instance(), True),
        (("PriorityClass", "DoesNotExist"), instance(priorityClassName="a"), False),
        ({"scopes": ["CrossNamespacePodAffinity"]}, instance(), False),
        (
            {"scopes": ["CrossNamespacePodAffinity"]},
            instance(
                affinity={"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"namespaces": ["b"]}]}}
            ),
            True,
        ),
    ],
)
def test_a_quota_counts_what_is_in_all_its_scopes(scope: Any, of: Object, included: bool) -> None:
    if isinstance(scope, tuple):
        name, operator, *values = scope
        term = {"scopeName": name, "operator": operator, "values": values}
        scope = {"scopeSelector": {"matchExpressions": [term]}}
    assert bool(charged(quota("cpu", **scope), INSTANCES, of)) is included


def test_a_kind_that_has_nothing_to_do_with_a_scope_is_not_in_it() -> None:
    limited = quota("cpu", "persistentvolumeclaims", scopes=["VolumeAttributesClass"])
    assert charged(limited, CLAIMS, claim(volumeAttributesClassName="gold"))
    assert not charged(limited, CLAIMS, claim())
    assert not charged(limited, INSTANCES, instance())


def test_only_what_grows_is_more() -> None:
    limited = quota("requests.storage", "persistentvolumeclaims")
    assert growth(limited, claim("2Gi"), claim()) == {"requests.storage": GI}
    assert growth(limited, claim(), claim("2Gi")) == {}
    assert growth(limited, claim(), None) == {"requests.storage": GI, "persistentvolumeclaims": 1}


def test_all_that_a_quota_limits_is_counted_also_where_there_is_nothing() -> None:
    limited = quota("configmaps", "requests.memory", "pods", "count/things.example.org", "requests.storage")
    assert sources(limited) == {"configmaps", INSTANCES, "pods", "things.example.org", CLAIMS}
    found = {"configmaps": [{}, {}], INSTANCES: [instance(), instance("Failed")]}
    assert quotas.counted(limited, found, PLAIN) == {
        **dict.fromkeys(limited["spec"]["hard"], 0),
        "configmaps": 2,
        "requests.memory": GI,
    }


def test_what_is_not_known_or_too_much_is_exceeded() -> None:
    limited = quota("cpu", "memory", "pods")
    limited["status"] = {"used": {"cpu": "9500m", "memory": "anything"}}
    used = recorded(limited)
    assert exceeded(limited, used, {"cpu": Decimal("0.5")}) == []
    assert exceeded(limited, used, {"pods": Decimal(1), "memory": Decimal(1), "cpu": Decimal("0.6")}) == [
        "cpu",
        "memory",
        "pods",
    ]


def test_amounts_are_written_in_the_units_that_people_use() -> None:
    amounts = {"requests.cpu": Decimal("0.3"), "memory": GI, "requests.storage": GI * 3, "pods": Decimal(0)}
    assert written(amounts) == {"memory": "1Gi", "pods": "0", "requests.cpu": "300m", "requests.storage": "3Gi"}
