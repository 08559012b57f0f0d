"""What an agent may create only for its own node.

Source: Kubernetes' NodeRestriction admission. Everything but a new object's name is authorized by the URL.
"""

from collections.abc import Iterable

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Caller, Object, Strategy


class OwnNodeStrategy(Strategy):
    """An object that has the name of a node, and that no other node's agent makes."""

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield an error when an agent gives the object another name than its node's."""
        if caller.node is not None and new["metadata"]["name"] != caller.node:
            yield FieldError.forbidden("metadata.name", f"the agent of {caller.node} may only use the name of its node")
