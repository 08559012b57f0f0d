"""The signer of node agents' certificates: checks an approved request once more, and issues what it asks for.

Source: ``k8s.io/kubernetes/pkg/controller/certificates/signer``. A certificate counts from when it was asked for, so
that what was asked before a node was revoked is worth nothing, however late it is signed.
"""

import base64
from datetime import timedelta

import structlog
from cryptography.hazmat.primitives.serialization import Encoding

from certs.authority import Life, sign_client, sign_server
from certs.objects import CONSUMERS, statements, trust_in
from certs.pair import Pair
from certs.purposes import AGENTS, STREAMS, Purpose
from certs.requests import CLIENT_SIGNER, SERVING_SIGNER, SIGNERS, AgentRequest, RequestError, agent_request
from client.errors import if_found
from client.kinds import CERTIFICATE_SIGNING_REQUEST, CONFIG_MAP, KUBEVIRT, SECRET, Kind
from client.workqueue import WorkQueue
from controllers.context import Context
from kube.certificates import Strategy
from kube.conditions import is_true, set_condition
from kube.configuration import governing
from kube.installation import NAMESPACE
from kube.objects import Object
from kube.timestamps import from_time
from kube.users import NODE_PREFIX, NODES_GROUP

PURPOSES = {CLIENT_SIGNER: AGENTS, SERVING_SIGNER: STREAMS}
"""Whose authority signs for which signer."""
WAIT_SECONDS = 0.5
"""How soon to look again whether everybody trusts an authority that is new."""
WORKERS = 2

log = structlog.get_logger(__name__)


class SigningController:
    """Watches requests for certificates."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client = context.client
        self._requests = context.informers[CERTIFICATE_SIGNING_REQUEST]
        self._kubevirts = context.informers[KUBEVIRT]
        self._queue: WorkQueue[str] = WorkQueue("csrsigning", self.reconcile, workers=WORKERS)
        self._requests.add_handler(lambda old, new: self._queue.add((new or old or {})["metadata"]["name"]))

    async def run(self) -> None:
        """Sign until cancelled, once the requests are known."""
        for informer in (self._requests, self._kubevirts):
            await informer.synced.wait()
        await self._queue.run()

    async def reconcile(self, name: str) -> float | None:
        """Sign one request, or say why that cannot be. Returns the seconds until an authority may sign."""
        csr = self._requests.get(name)
        if csr is None or not _is_to_be_signed(csr):
            return None
        try:
            asked = agent_request(csr["spec"])
        except RequestError as wrong:
            await self._fail(csr, str(wrong))
            return None
        authority = await self._authority(PURPOSES[asked.signer])
        if authority is None:
            return WAIT_SECONDS
        await self._write(csr, {"certificate": _issue(authority, asked, self._life(csr))})
        log.info("request signed", name=name, node=asked.node)
        return None

    async def _authority(self, purpose: Purpose) -> Pair | None:
        """Return the authority for ``purpose``, once everybody trusts it who verifies agents, which are servers."""
        secret, bundle = await self._read(SECRET, purpose.authority), await self._read(CONFIG_MAP, purpose.authority)
        said = statements(await self._read(CONFIG_MAP, CONSUMERS))
        secrets = {} if secret is None else {purpose.authority: secret}
        config_maps = {} if bundle is None else {purpose.authority: bundle}
        trust = trust_in(purpose, secrets, config_maps, said)
        if trust.authority is None or trust.lagging(self._context.now()):
            return None
        return trust.authority.pair

    def _life(self, csr: Object) -> Life:
        lives = Strategy.of(governing(self._kubevirts.all())).server.duration
        if (asked := csr["spec"].get("expirationSeconds")) is not None:
            lives = min(lives, timedelta(seconds=asked))
        begin = from_time(csr["metadata"]["creationTimestamp"])
        return Life(begin, self._context.now() + lives - begin)

    async def _fail(self, csr: Object, why: str) -> None:
        new = {"type": "Failed", "status": "True", "reason": "SignerValidationFailure", "message": why}
        before = csr.get("status", {}).get("conditions") or ()
        await self._write(csr, {"conditions": set_condition(before, new, self._context.now())})

    async def _write(self, csr: Object, status: Object) -> None:
        patch = {"metadata": {"resourceVersion": csr["metadata"]["resourceVersion"]}, "status": status}
        name = csr["metadata"]["name"]
        self._requests.observe(
            await self._client.patch(CERTIFICATE_SIGNING_REQUEST, name, None, patch, subresource="status")
        )

    async def _read(self, kind: Kind, name: str) -> Object | None:
        return await if_found(self._client.get(kind, name, NAMESPACE))


def _is_to_be_signed(csr: Object) -> bool:
    status = csr.get("status", {})
    conditions = status.get("conditions") or ()
    return (
        csr["spec"]["signerName"] in SIGNERS
        and is_true(conditions, "Approved")
        and not is_true(conditions, "Failed")
        and not status.get("certificate")
    )


def _issue(authority: Pair, asked: AgentRequest, life: Life) -> str:
    user = f"{NODE_PREFIX}{asked.node}"
    if asked.signer == SERVING_SIGNER:
        issued = sign_server(authority, asked.key, user, [asked.node], life)
    else:
        issued = sign_client(authority, asked.key, user, [NODES_GROUP], life)
    return base64.b64encode(issued.public_bytes(Encoding.PEM)).decode()
