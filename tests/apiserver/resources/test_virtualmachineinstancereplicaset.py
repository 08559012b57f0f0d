"""The instances of a set are judged before the first is made."""

from typing import Any

import pytest

from apiserver.machinery.resource import Caller
from apiserver.resources.virtualmachineinstancereplicaset import VirtualMachineInstanceReplicaSetStrategy
from tests.apiserver.resources.surroundings import PLAIN
from tests.apiserver.resources.virtualmachineinstance.validation.specs import edited

Object = dict[str, Any]

USER = Caller("jane")
RULES = VirtualMachineInstanceReplicaSetStrategy(PLAIN)


def replica_set(edits: Object | None = None, *, labels: Object | None = None, **spec: Any) -> Object:
    template = {"metadata": {"labels": {"app": "web"} if labels is None else labels}, "spec": edited(edits or {})}
    return {"spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template, **spec}}


REFUSED = [
    (replica_set(labels={"app": "db"}), "spec.selector", "does not match the labels"),
    (replica_set(labels={"app": "web", "a b": ""}), "spec.template.metadata.labels", "alphanumeric"),
    (replica_set(selector={"matchExpressions": [{"key": "app", "operator": "Is"}]}), "spec.selector", "Is"),
    (replica_set(replicas=-1), "spec.replicas", "0 or more"),
    (replica_set({"domain.cpu.threads": -1}), "spec.template.spec.domain.cpu.threads", "at least 1"),
    (replica_set({"hostname": "_"}), "spec.template.spec.hostname", "RFC 1123"),
]


@pytest.mark.parametrize(("new", "field", "part"), REFUSED)
def test_a_set_that_cannot_be_is_refused(new: Object, field: str, part: str) -> None:
    (found,) = RULES.validate(new, USER)
    assert found.field == field
    assert part in found.message


def test_a_set_that_can_be_is_accepted() -> None:
    for new in (replica_set(), replica_set(replicas=0), replica_set(labels={"app": "web", "b": "c"})):
        assert list(RULES.validate(new, USER)) == []
        assert list(RULES.warnings(new)) == []


def test_a_template_stored_under_older_rules_can_be_scaled_but_not_changed() -> None:
    wrong = {"hostname": "_"}
    old = replica_set(wrong)
    assert list(RULES.validate_update(replica_set(wrong, replicas=3), old, USER)) == []
    changed = replica_set({**wrong, "subdomain": "a"})
    assert [each.field for each in RULES.validate_update(changed, old, USER)] == ["spec.template.spec.hostname"]


def test_why_no_guest_will_start_is_told_at_once() -> None:
    (told,) = RULES.warnings(replica_set({"domain.memory": {}}))
    assert told.startswith("spec.template.spec.domain.memory.guest: ")
    assert told.endswith("no guest can start from this")
