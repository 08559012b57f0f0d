"""How the system asks whether a guest lives and is ready."""

from collections.abc import Iterator

from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Object

PROBES = ("readinessProbe", "livenessProbe")
HANDLERS = ("httpGet", "tcpSocket", "exec", "guestAgentPing")
BY_NETWORK = ("httpGet", "tcpSocket")


def handlers(spec: Object, path: str) -> Iterator[FieldError]:
    """A probe asks in exactly one way."""
    for name in PROBES:
        if name not in spec:
            continue
        given = [handler for handler in HANDLERS if handler in spec[name]]
        if not given:
            yield FieldError.required(f"{path}.{name}", f"say how to ask: {', '.join(HANDLERS)}")
        elif len(given) > 1:
            yield FieldError.forbidden(f"{path}.{name}", f"{' and '.join(given)} exclude each other; remove one")


def ways(spec: Object, path: str) -> Iterator[FieldError]:
    """A guest is asked by network only where it is on the pod network."""
    if any("pod" in network for network in spec.get("networks", ())) or _gets_pod_network(spec):
        return
    for name in PROBES:
        for handler in BY_NETWORK:
            if handler in spec.get(name, {}):
                detail = "needs an interface on the pod network; add one, or use exec or guestAgentPing"
                yield FieldError.forbidden(f"{path}.{name}.{handler}", detail)


def _gets_pod_network(spec: Object) -> bool:
    """Return True where defaults still add the pod network: to a guest that names neither networks nor interfaces."""
    devices = spec["domain"]["devices"]
    named = spec.get("networks") or devices.get("interfaces")
    return not named and devices.get("autoattachPodInterface", True)


RULES = (handlers, ways)
