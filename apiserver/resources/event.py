"""Event: what happened to an object."""

from apiserver.machinery.resource import Column, Resource, Version
from apiserver.machinery.schema import Catalogue

COLUMNS = (
    Column(name="Last Seen", json_path=".lastTimestamp", type="date"),
    Column(name="Type", json_path=".type"),
    Column(name="Reason", json_path=".reason"),
    Column(name="Kind", json_path=".involvedObject.kind"),
    Column(name="Object", json_path=".involvedObject.name"),
    Column(name="Message", json_path=".message"),
)


def resource(catalogue: Catalogue) -> Resource:
    """Define the kind; its selectable fields are those that ``kubectl describe`` asks by."""
    return Resource(
        group="",
        kind="Event",
        plural="events",
        singular="event",
        create_on_update=True,
        short_names=("ev",),
        namespaced=True,
        propagates=False,
        versions=(Version(name="v1", schema=catalogue.schema("", "v1", "Event"), columns=COLUMNS),),
        selectable_fields=(
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "type",
        ),
    )
