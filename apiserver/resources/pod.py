"""Pod: there are none; it is served for those who look for them, as ``kubectl describe node`` and ``drain`` do."""

from apiserver.machinery.resource import Column, Object, Resource, Strategy, Version
from apiserver.machinery.schema import Catalogue
from apiserver.resources.rules import AGE


def _statuses(pod: Object) -> list[Object]:
    return pod.get("status", {}).get("containerStatuses") or []


COLUMNS = (
    Column(
        name="Ready", value=lambda pod: f"{sum(bool(s.get('ready')) for s in _statuses(pod))}/{len(_statuses(pod))}"
    ),
    Column(name="Status", json_path=".status.phase"),
    Column(name="Restarts", value=lambda pod: str(sum(each.get("restartCount", 0) for each in _statuses(pod)))),
    AGE,
    Column(name="IP", json_path=".status.podIP", priority=1),
    Column(name="Node", json_path=".spec.nodeName", priority=1),
)


class PodStrategy(Strategy):
    """Nothing here runs containers, and a pod that nobody runs would be a promise not kept."""

    def refuses_create(self) -> str | None:
        """Say what there is instead."""
        return "this server runs virtual machines and no containers; create a VirtualMachine of kubevirt.io/v1 instead"


def resource(catalogue: Catalogue) -> Resource:
    """Define the kind; its selectable fields are those that ``kubectl`` and Kubernetes' clients ask by."""
    return Resource(
        group="",
        kind="Pod",
        plural="pods",
        singular="pod",
        short_names=("po",),
        categories=("all",),
        namespaced=True,
        versions=(Version(name="v1", schema=catalogue.schema("", "v1", "Pod"), columns=COLUMNS),),
        strategy=PodStrategy(),
        has_status=True,
        selectable_fields=(
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ),
    )
