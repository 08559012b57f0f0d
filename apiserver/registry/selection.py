"""Selectors put together, and what of them storage can answer by where an object lies."""

from apiserver.machinery.resource import Resource
from apiserver.machinery.selectors import FieldSelector, LabelSelector
from apiserver.registry.codec import hub_object
from apiserver.storage.contract import Selection, Selects

NAME, NAMESPACE = "metadata.name", "metadata.namespace"


def select(resource: Resource, namespace: str, labels: LabelSelector, fields: FieldSelector) -> Selection:
    """Return what both selectors agree to in ``namespace``, or everywhere when it is empty.

    A name or a namespace that must be is found without asking every object
    (``k8s.io/apiserver/pkg/storage.SelectionPredicate.MatchesSingle``).
    """
    name = fields.required(NAME)
    within = namespace or (fields.required(NAMESPACE) if resource.namespaced else "")
    others = FieldSelector(tuple(each for each in fields.requirements if not (each.equal and each.path == NAME)))
    if len(fields.requirements) - len(others.requirements) > 1:  # two names: nothing has both
        others = fields
    return Selection(namespace=within, name=name, selects=_both(labels, others))


def _both(labels: LabelSelector, fields: FieldSelector) -> Selects | None:
    if labels.requirements and fields.requirements:
        return lambda record: labels.matches(hub_object(record)) and fields.matches(hub_object(record))
    if labels.requirements or fields.requirements:
        matches = labels.matches if labels.requirements else fields.matches
        return lambda record: matches(hub_object(record))
    return None


def is_whole(selection: Selection) -> bool:
    """Return True when no selector leaves anything out."""
    return selection.name is None and selection.selects is None
