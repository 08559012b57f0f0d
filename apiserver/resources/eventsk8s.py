"""Event of ``events.k8s.io``: the same objects as the core group's Events, with newer names for their fields.

Source: ``k8s.io/kubernetes/pkg/apis/events/v1`` for the names, ``…/pkg/apis/core/validation.ValidateEventCreate`` for
the rules, which are stricter here than in the core group. Fields applied by this group have their owner until somebody
writes by the core group, which knows the versions of no other.
"""

from collections.abc import Iterable, Iterator, Mapping

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Caller, Column, Object, Resource, Strategy, Version
from apiserver.machinery.schema import Catalogue
from apiserver.resources import event
from apiserver.resources.rules import immutable
from kube.names import key_problem

NEWER = {
    "involvedObject": "regarding",
    "message": "note",
    "reportingComponent": "reportingController",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
}
"""What is called otherwise in the core group: the name here by the name there."""
OLDER = {newer: older for older, newer in NEWER.items()}
TYPES = ("Normal", "Warning")
_DEPRECATED = ("firstTimestamp", "lastTimestamp", "count", "source")
_FIXED = ("involvedObject", "reason", "reportingComponent", "reportingInstance", "action", "message", "related", "type")
_LONGEST = {"reportingInstance": 128, "action": 128, "reason": 128}
_LONGEST_NOTE = 1024
SELECTABLE = {
    **{f"regarding.{each}": f"involvedObject.{each}" for each in ("kind", "namespace", "name", "uid", "apiVersion")},
    "regarding.resourceVersion": "involvedObject.resourceVersion",
    "regarding.fieldPath": "involvedObject.fieldPath",
    "reportingController": "reportingComponent",
}
COLUMNS = tuple(
    Column(name=each.name, json_path=path, type=each.type)
    for each, path in zip(
        event.COLUMNS,
        (".deprecatedLastTimestamp", ".type", ".reason", ".regarding.kind", ".regarding.name", ".note"),
        strict=True,
    )
)


class _Names:
    """Converts by giving fields their other names (:class:`~apiserver.machinery.resource.Conversion`)."""

    def to_hub(self, old: Object, current: Object | None = None) -> Object:
        """Return an Event of the core group."""
        return _renamed(old, OLDER)

    def from_hub(self, hub: Object) -> Object:
        """Return an Event of this group."""
        return _renamed(hub, NEWER)


def _renamed(obj: Object, names: Mapping[str, str]) -> Object:
    return {names.get(field, field): value for field, value in obj.items()}


class EventStrategy(Strategy):
    """Says when, who, what and why; afterwards only the series grows."""

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield what is missing, too long, or only for old clients. Fields have their names in this group."""
        if not new.get("eventTime"):
            yield FieldError.required("eventTime")
        if new.get("type") not in TYPES:
            yield FieldError.invalid("type", new.get("type", ""), f"has invalid value: {new.get('type', '')}")
        if not (reporter := new.get("reportingComponent")):
            yield FieldError.required("reportingController")
        elif problem := key_problem(reporter):
            yield FieldError.invalid("reportingController", reporter, problem)
        yield from _text_errors(new)
        for field in _DEPRECATED:
            if new.get(field):
                yield FieldError.invalid(NEWER[field], new[field], "needs to be unset")
        about = new.get("involvedObject", {}).get("namespace", "") or "default"
        if new["metadata"]["namespace"] != about:
            detail = "does not match event.namespace"
            yield FieldError.invalid("regarding.namespace", new.get("involvedObject", {}).get("namespace", ""), detail)

    def validate_update(self, new: Object, old: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield changes of anything but the series."""
        renamed, before = _renamed(new, NEWER), _renamed(old, NEWER)
        fields = [NEWER.get(each, each) for each in (*_FIXED, *_DEPRECATED)]
        yield from immutable(renamed, before, [*fields, "eventTime"])


def _text_errors(new: Object) -> Iterator[FieldError]:
    for field, longest in _LONGEST.items():
        if not new.get(field):
            yield FieldError.required(field)
        elif len(new[field]) > longest:
            yield FieldError.invalid(field, new[field], f"can have at most {longest} characters")
    if len(new.get("message", "")) > _LONGEST_NOTE:
        yield FieldError.invalid("note", "", f"can have at most {_LONGEST_NOTE} characters")


def resource(catalogue: Catalogue) -> Resource:
    """Define the kind."""
    group = "events.k8s.io"
    schema = catalogue.schema(group, "v1", "Event")
    return Resource(
        group=group,
        kind="Event",
        plural="events",
        singular="event",
        short_names=("ev",),
        namespaced=True,
        propagates=False,
        create_on_update=True,
        stored_as=event.resource(catalogue),
        versions=(Version(name="v1", schema=schema, conversion=_Names(), columns=COLUMNS),),
        strategy=EventStrategy(),
        selectable_fields=("reason", "type"),
        selectable_as=SELECTABLE,
    )
