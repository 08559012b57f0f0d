"""The configuration as it is now, for controllers and agents: a change of the KubeVirt object takes effect at once."""

from collections.abc import Callable

from client.informer import Informer
from kube.configuration import Configuration, Latest


class LiveConfiguration:
    """What the oldest KubeVirt object says at this moment; all defaults while there is none."""

    def __init__(self, kubevirts: Informer) -> None:
        """``kubevirts`` holds all objects of the kind, and is run by somebody else."""
        self._kubevirts = kubevirts
        self._latest = Latest()

    @property
    def now(self) -> Configuration:
        """The present configuration; the same object until something changes."""
        return self._latest.of(self._kubevirts.all())

    async def known(self) -> None:
        """Wait until the configuration is known, so that no default is taken for it."""
        await self._kubevirts.synced.wait()

    def add_handler(self, handler: Callable[[], None]) -> None:
        """Tell ``handler`` whenever the configuration, or anything else about a KubeVirt object, has changed."""
        self._kubevirts.add_handler(lambda _old, _new: handler())
