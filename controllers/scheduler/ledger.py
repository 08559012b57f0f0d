"""What every node carries, kept up to date with each change, so that placing one instance does not look at all."""

from controllers.scheduler.demand import Resources, demand
from kube.configuration import Configuration
from kube.instances import is_final, node_of
from kube.objects import Object


class Ledger:
    """The sum of what the bound, unfinished instances of each node take."""

    def __init__(self, configuration: Configuration) -> None:
        """``configuration`` tells what an instance takes; another one needs another ledger."""
        self._configuration = configuration
        self._used: dict[str, Resources] = {}

    def change(self, old: Object | None, new: Object | None) -> None:
        """Account for an instance that appears, changes or disappears."""
        if old is not None and _counts(old):
            self._used[node_of(old)] = self.used(node_of(old)) - demand(old, self._configuration)
        if new is not None and _counts(new):
            self._used[node_of(new)] = self.used(node_of(new)) + demand(new, self._configuration)

    def used(self, node: str) -> Resources:
        """Return what the instances on ``node`` take."""
        return self._used.get(node, Resources())


def _counts(instance: Object) -> bool:
    return bool(node_of(instance)) and not is_final(instance)
