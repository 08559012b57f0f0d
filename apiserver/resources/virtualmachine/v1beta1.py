"""v1beta1 of a machine differs from v1 only in what its instances are made from."""

from apiserver.machinery.conversion import Lossless
from apiserver.machinery.resource import Object
from apiserver.resources.virtualmachineinstance.bindings import settle_interfaces
from apiserver.resources.virtualmachineinstance.v1beta1 import spec_from_hub, spec_to_hub


class _Spoke:
    def to_hub(self, old: Object) -> Object:
        spec = old["spec"]
        template = {**spec["template"], "spec": spec_to_hub(spec["template"]["spec"])}
        return {**old, "apiVersion": "kubevirt.io/v1", "spec": {**spec, "template": template}}

    def from_hub(self, hub: Object) -> Object:
        spec = hub["spec"]
        template = {**spec["template"], "spec": spec_from_hub(spec["template"]["spec"])}
        return {**hub, "apiVersion": "kubevirt.io/v1beta1", "spec": {**spec, "template": template}}


def settle(hub: Object, said: Object) -> None:
    """Let an interface have one way to reach its network, the client's."""
    settle_interfaces(hub["spec"]["template"]["spec"], said["spec"]["template"]["spec"])


CONVERSION = Lossless("v1beta1", _Spoke(), settle)
