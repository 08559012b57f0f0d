"""PodTemplate: what Pods would look like. It is kept for those who store one; Kubernetes too only keeps it."""

from collections.abc import Iterable
from typing import Any

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Caller, Column, Object, Resource, Strategy, Version
from apiserver.machinery.schema import Catalogue


def _containers(template: Object) -> list[Any]:
    return template.get("template", {}).get("spec", {}).get("containers") or []


def _labels(template: Object) -> str:
    labels = template.get("template", {}).get("metadata", {}).get("labels") or {}
    return ",".join(f"{key}={labels[key]}" for key in sorted(labels)) or "<none>"


COLUMNS = (
    Column(name="Containers", value=lambda each: ",".join(c["name"] for c in _containers(each))),
    Column(name="Images", value=lambda each: ",".join(c.get("image", "") for c in _containers(each))),
    Column(name="Pod Labels", value=_labels),
)


class PodTemplateStrategy(Strategy):
    """A template of at least one container; the rest of its spec is for whoever makes Pods of it to judge."""

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield an error when there is no container."""
        if not _containers(new):
            yield FieldError.required("template.spec.containers", "")


def resource(catalogue: Catalogue) -> Resource:
    """Define the kind."""
    return Resource(
        group="",
        kind="PodTemplate",
        plural="podtemplates",
        singular="podtemplate",
        namespaced=True,
        versions=(Version(name="v1", schema=catalogue.schema("", "v1", "PodTemplate"), columns=COLUMNS),),
        strategy=PodTemplateStrategy(),
        returns_deleted=True,
    )
