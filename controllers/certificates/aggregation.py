"""The APIServices that lead to our server: kube-apiserver knows it by the bundle that each of them holds.

They are consumers of the server's authority like others, only that somebody has to write what they trust.
"""

import base64
from collections.abc import Callable
from datetime import datetime, timedelta

from cryptography import x509

from certs.objects import pem
from certs.trust import Report, fingerprint
from client.api import Client
from client.informer import Informer
from client.kinds import API_SERVICE
from client.store import key_of
from kube.installation import NAMESPACE
from kube.objects import Object

CONSUMER = "kube-apiserver"
"""What all of them are called together."""
SETTLING = timedelta(seconds=3)
"""How long replicas of kube-apiserver may take to use what was written: nobody says when they do."""


class Aggregation:
    """Keeps the bundles of the APIServices."""

    def __init__(self, client: Client, changed: Callable[[], None], now: Callable[[], datetime]) -> None:
        """``changed()`` is called whenever there may be something to do."""
        self._client = client
        self._now = now
        self._services = Informer(client, API_SERVICE)
        self._services.add_handler(self._note)
        self._services.add_handler(lambda _old, _new: changed())
        self._since: dict[str, datetime] = {}
        self.run, self.synced = self._services.run, self._services.synced

    async def follow(self, bundle: tuple[x509.Certificate, ...], seconds: float) -> float:
        """Let all of them hold ``bundle``, unless there is none. Raises ApiError.

        Returns the seconds after which to look again: ``seconds``, or sooner when what was written is in use then.
        """
        encoded = base64.b64encode(pem(bundle)).decode()
        for service in self._ours() if bundle else ():
            if service["spec"].get("caBundle") != encoded:
                patch = {"spec": {"caBundle": encoded}}
                self._services.observe(await self._client.patch(API_SERVICE, service["metadata"]["name"], None, patch))
        ends = [self._since[each["metadata"]["name"]] + SETTLING for each in self._ours() if self._is_new(each)]
        return min([seconds, *((each - self._now()).total_seconds() for each in ends)])

    def report(self) -> dict[str, Report]:
        """Return what all of them trust, by the name of the one consumer that they are; nothing while that is new."""
        ours = self._ours()
        trusted = [frozenset() if self._is_new(each) else _trusted_by(each) for each in ours]
        return {CONSUMER: Report(self._now(), frozenset.intersection(*trusted), {})} if ours else {}

    def _ours(self) -> list[Object]:
        return [
            each for each in self._services.all() if (each["spec"].get("service") or {}).get("namespace") == NAMESPACE
        ]

    def _is_new(self, service: Object) -> bool:
        return self._now() < self._since[service["metadata"]["name"]] + SETTLING

    def _note(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            self._since.pop(key_of(old or {}).name, None)
        elif old is None or old["spec"].get("caBundle") != new["spec"].get("caBundle"):
            self._since[key_of(new).name] = self._now()


def _trusted_by(service: Object) -> frozenset[str]:
    try:
        held = x509.load_pem_x509_certificates(base64.b64decode(service["spec"].get("caBundle") or ""))
    except ValueError:
        return frozenset()
    return frozenset(map(fingerprint, held))
