"""v1alpha1 of a machine: it is ``running`` or not; of its instances, see :mod:`..virtualmachineinstance.v1alpha1`."""

from apiserver.machinery.conversion import Lossless
from apiserver.machinery.resource import Object
from apiserver.resources.virtualmachineinstance.conversions import InstanceSpoke

_SHOWN_AS_RUNNING = ("Always", "RerunOnFailure", "Once")
_TEMPLATE = InstanceSpoke("v1alpha1", "template", "spec")


class _Spoke:
    def to_hub(self, old: Object) -> Object:
        hub = _TEMPLATE.to_hub(old)
        spec = {key: value for key, value in hub["spec"].items() if key != "running"}
        return {**hub, "spec": {**spec, "runStrategy": "Always" if old["spec"]["running"] else "Halted"}}

    def from_hub(self, hub: Object) -> Object:
        old = _TEMPLATE.from_hub(hub)
        spec = {key: value for key, value in old["spec"].items() if key != "runStrategy"}
        spec.setdefault("running", hub["spec"].get("runStrategy") in _SHOWN_AS_RUNNING)
        return {**old, "spec": spec}


def _settle(hub: Object, said: Object) -> None:
    """Let a machine that uses v1's ``running`` go on using it, with what the client chose."""
    spec = hub["spec"]
    if "running" in spec and "runStrategy" in spec:
        spec["running"] = spec.pop("runStrategy") == "Always"
    _TEMPLATE.settle(hub, said)


CONVERSION = Lossless("v1alpha1", _Spoke(), _settle)
