"""What the rules of one kind may know of the rest: the other objects, and the configuration that they add up to."""

from apiserver.machinery.resource import Stored
from kube.configuration import KUBEVIRTS, Configuration, Latest


class Cluster:
    """The objects that this server remembers, and the settings of the KubeVirt object among them."""

    def __init__(self, stored: Stored) -> None:
        self.stored = stored
        self._latest = Latest()

    @property
    def configuration(self) -> Configuration:
        """The configuration as it is now: that of the oldest KubeVirt object, or all defaults when there is none."""
        return self._latest.of(self.stored.all(KUBEVIRTS))
