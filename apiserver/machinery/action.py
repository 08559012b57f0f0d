"""What can be done with an object, or in a namespace, beyond reading and writing it.

An action has a path like a subresource's, in a group of its own, and stores nothing by itself. Most answer with an
object; some become a stream of bytes between the client and the agent of a node.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from apiserver.machinery.resource import Caller, Object, Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request for an action. Its objects are in the hub version, and those of the server must not be changed."""

    caller: Caller
    namespace: str
    target: Object = field(default_factory=dict)
    """The stored object that it is about; empty for what is done in a namespace."""
    body: Object = field(default_factory=dict)
    """What the client sent, checked against its schema; empty where nothing is to be sent."""
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    """The parameters of a stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where the agent of a node does what is asked for."""

    node: str
    """The node's name, which the agent's certificate must have."""
    address: str
    port: int
    path: str
    query: Mapping[str, str] = field(default_factory=dict[str, str])


Handler = Callable[[Call], Awaitable[Object]]
"""Does it, and returns the object to answer with, in the hub version. Raises StatusError."""
Locator = Callable[[Call], Endpoint]
"""Says where a stream goes. Raises StatusError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One action that the server offers."""

    group: str
    versions: tuple[str, ...]
    """The preferred one first. They differ in nothing but their names."""
    resource: str
    """The plural of the objects that it is about, or what it is called where it is about a namespace."""
    subresource: str = ""
    """What it is called where it is about an object."""
    verb: str
    """How it is asked for, as authorization has it: ``get``, ``create`` or ``update``."""
    target: Resource | None = None
    """The kind of the objects that it is about."""

    @property
    def whole_resource(self) -> str:
        """The action as roles and discovery name it."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectAction(Action):
    """An action that answers with an object."""

    takes: Resource | None = None
    """The kind that is sent, in any version that is served."""
    returns: Resource
    """The kind that is answered with: in the version of what was sent, where that is the same kind, or else the hub."""
    handler: Handler
    announced: bool = False
    """True when discovery tells its verb and the kind that it takes, as of Kubernetes' own; of others only the name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamAction(Action):
    """An action that becomes a stream of bytes, both ways, until one side ends it."""

    parameters: tuple[str, ...] = ()
    """What may be given in the query."""
    locator: Locator
