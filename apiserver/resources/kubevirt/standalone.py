"""The KubeVirt object that a server with nobody to configure it begins with."""

from apiserver.machinery.resource import Object
from kube.installation import NAMESPACE

NAME = "kubevirt"


def standalone_object() -> Object:
    """Return the choices for a single host, all written out, to be created.

    They are those that KubeVirt leaves to its administrator and that make a difference here: guests reach the world
    through their host, as no bridge leads anywhere, and files of the host can be disks, below the directories that the
    agent's settings name.
    """
    configuration = {
        "developerConfiguration": {"featureGates": ["HostDisk"]},
        "network": {"defaultNetworkInterface": "masquerade"},
    }
    return {"metadata": {"name": NAME, "namespace": NAMESPACE}, "spec": {"configuration": configuration}}
