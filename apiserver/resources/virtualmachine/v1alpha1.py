"""v1alpha1 of a machine: it is ``running`` or not; of its instances, see :mod:`..virtualmachineinstance.v1alpha1`."""

from apiserver.machinery.conversion import Lossless
from apiserver.machinery.resource import Object
from apiserver.resources.virtualmachine import v1beta1
from apiserver.resources.virtualmachineinstance import v1alpha1 as instance

_SHOWN_AS_RUNNING = ("Always", "RerunOnFailure", "Once")


class _Spoke:
    def to_hub(self, old: Object) -> Object:
        spec = {key: value for key, value in old["spec"].items() if key != "running"}
        spec["runStrategy"] = "Always" if old["spec"]["running"] else "Halted"
        metadata, template = instance.to_hub(old, spec["template"]["spec"])
        spec["template"] = {**spec["template"], "spec": template}
        return {**old, "apiVersion": "kubevirt.io/v1", "metadata": metadata, "spec": spec}

    def from_hub(self, hub: Object) -> Object:
        spec = {key: value for key, value in hub["spec"].items() if key != "runStrategy"}
        spec.setdefault("running", hub["spec"].get("runStrategy") in _SHOWN_AS_RUNNING)
        metadata, template = instance.from_hub(hub, spec["template"]["spec"])
        spec["template"] = {**spec["template"], "spec": template}
        return {**hub, "apiVersion": "kubevirt.io/v1alpha1", "metadata": metadata, "spec": spec}


def _settle(hub: Object, said: Object) -> None:
    """Let a machine that uses v1's ``running`` go on using it, with what the client chose."""
    spec = hub["spec"]
    if "running" in spec and "runStrategy" in spec:
        spec["running"] = spec.pop("runStrategy") == "Always"
    v1beta1.settle(hub, said)


CONVERSION = Lossless("v1alpha1", _Spoke(), _settle)
