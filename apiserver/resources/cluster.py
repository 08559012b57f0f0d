"""What the rules of one kind may know of the rest: the other objects, and the configuration that they add up to."""

from apiserver.machinery.resource import Object, Stored
from kube.configuration import Configuration, configuration_of, governing

KUBEVIRTS = "kubevirts.kubevirt.io"


class Cluster:
    """The objects that this server remembers, and the settings of the KubeVirt object among them."""

    def __init__(self, stored: Stored) -> None:
        self.stored = stored
        self._read: tuple[Object | None, Configuration] = (None, Configuration())

    @property
    def configuration(self) -> Configuration:
        """The configuration as it is now: that of the oldest KubeVirt object, or all defaults when there is none."""
        found = governing(self.stored.all(KUBEVIRTS))
        if found is not self._read[0]:
            self._read = (found, configuration_of(found))
        return self._read[1]
