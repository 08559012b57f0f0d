"""The configuration as it is now, for controllers and agents: a change of the KubeVirt object takes effect at once."""

from collections.abc import Callable

from client.informer import Informer
from kube.configuration import Configuration, configuration_of, governing
from kube.objects import Object


class LiveConfiguration:
    """What the oldest KubeVirt object says at this moment; all defaults while there is none."""

    def __init__(self, kubevirts: Informer) -> None:
        """``kubevirts`` holds all objects of the kind, and is run by somebody else."""
        self._kubevirts = kubevirts
        self._read: tuple[Object | None, Configuration] = (None, Configuration())

    @property
    def now(self) -> Configuration:
        """The present configuration; the same object until something changes."""
        found = governing(self._kubevirts.all())
        if found is not self._read[0]:
            self._read = (found, configuration_of(found))
        return self._read[1]

    async def known(self) -> None:
        """Wait until the configuration is known, so that no default is taken for it."""
        await self._kubevirts.synced.wait()

    def add_handler(self, handler: Callable[[], None]) -> None:
        """Tell ``handler`` whenever the configuration, or anything else about a KubeVirt object, has changed."""
        self._kubevirts.add_handler(lambda _old, _new: handler())
