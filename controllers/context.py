"""What every controller is given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from client.api import Client
from client.configuration import LiveConfiguration
from client.events import EventRecorder
from client.informer import Informer
from client.kinds import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Shared by all controllers of a process."""

    client: Client
    informers: Mapping[Kind, Informer]
    configuration: LiveConfiguration
    events: EventRecorder
    now: Callable[[], datetime]
