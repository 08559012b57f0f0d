"""The approver: gathers what is known about a request of a node agent, asks whether it is fine, and writes that."""

from collections.abc import Iterable, Iterator
from datetime import datetime

import structlog

from certs.authority import issued_at, subject
from certs.objects import kept_in
from certs.purposes import AGENT
from certs.requests import CLIENT_SIGNER, certificate_end
from client.errors import if_found
from client.kinds import CERTIFICATE_SIGNING_REQUEST, CONFIG_MAP, NODE, SECRET, SUBJECT_ACCESS_REVIEW
from client.workqueue import WorkQueue
from controllers.context import Context
from controllers.csrapproving.decide import Approve, Known, Leave, decide, is_pending, node_of
from kube.bootstraptokens import NAMESPACE as TOKENS_NAMESPACE
from kube.bootstraptokens import USED_ANNOTATION, BootstrapToken, read_token, secret_name, token_id_of
from kube.conditions import get_condition, is_true, set_condition
from kube.installation import NAMESPACE
from kube.objects import Object
from kube.revocation import CONFIG_MAP as REVOKED_NODES
from kube.revocation import revoked_at
from kube.timestamps import from_time
from kube.users import NODE_PREFIX, NODES_GROUP

APPROVAL_NEEDED = "ApprovalNeeded"
"""The condition of a request that somebody has to decide about; its message says why."""
BY_NODE = "requested-node"
"""The index of requests by the node that they are for."""

log = structlog.get_logger(__name__)


class ApprovingController:
    """Watches requests for certificates."""

    def __init__(self, context: Context, *, joining: bool) -> None:
        """``joining`` is False where no host joins by a token: then there is nothing to know of who asks."""
        self._context = context
        self._joining = joining
        self._client = context.client
        self._requests = context.informers[CERTIFICATE_SIGNING_REQUEST]
        # One at a time: what the one is given counts for the next.
        self._queue: WorkQueue[str] = WorkQueue("csrapproving", self.reconcile, workers=1)
        self._requests.add_handler(lambda old, new: self._queue.add((new or old or {})["metadata"]["name"]))

    async def run(self) -> None:
        """Approve until cancelled, once the requests are known."""
        await self._requests.synced.wait()
        await self._queue.run()

    async def reconcile(self, name: str) -> None:
        """Approve one request, or say why somebody has to."""
        csr = self._requests.get(name)
        if csr is None or not is_pending(csr):
            return
        node = node_of(csr)
        known = await self._known(csr, node) if node and self._joining else Known()
        match decide(csr, known, self._context.now()):
            case Approve(why, uses_up):
                if uses_up is not None:
                    await self._use_up(uses_up, csr)
                await self._write(csr, "Approved", "AutoApproved", why)
                log.info("request approved", name=name, requestor=csr["spec"].get("username"))
            case Leave(why):
                await self._leave(csr, why)

    async def _known(self, csr: Object, node: str) -> Known:
        """Return what is known; read afresh, for a revocation counts from the moment it is written."""
        revoked = revoked_at(await if_found(self._client.get(CONFIG_MAP, REVOKED_NODES, NAMESPACE)), node)
        return Known(
            token=await self._token(csr),
            allowed=await self._is_allowed(csr),
            node_exists=await if_found(self._client.get(NODE, node)) is not None,
            given=(*self._given(csr, node), *await self._own(node)),
            revoked=revoked,
        )

    async def _token(self, csr: Object) -> BootstrapToken | None:
        token_id = token_id_of(csr["spec"].get("username", ""))
        if token_id is None:
            return None
        secret = await if_found(self._client.get(SECRET, secret_name(token_id), TOKENS_NAMESPACE))
        return None if secret is None else read_token(secret)

    async def _is_allowed(self, csr: Object) -> bool:
        """Ask whether the requestor's requests for new nodes are approved, as Kubernetes' approver does."""
        spec = csr["spec"]
        asked = {
            "group": CERTIFICATE_SIGNING_REQUEST.group,
            "version": "*",
            "resource": CERTIFICATE_SIGNING_REQUEST.plural,
            "subresource": "nodeclient",
            "verb": "create",
        }
        who = {"user": spec.get("username", ""), "groups": spec.get("groups") or []}
        who |= {key: spec[key] for key in ("uid", "extra") if spec.get(key)}
        review: Object = {"metadata": {}, "spec": {**who, "resourceAttributes": asked}}
        answer = await self._client.create(SUBJECT_ACCESS_REVIEW, review)
        return bool(answer["status"]["allowed"])

    def _given(self, csr: Object, node: str) -> Iterator[datetime]:
        """Yield when others asked for certificates of ``node`` that they have, or will have."""
        for each in self._requests.by_index(BY_NODE, node):
            if each["metadata"]["uid"] == csr["metadata"]["uid"] or each["spec"]["signerName"] != CLIENT_SIGNER:
                continue
            conditions = each.get("status", {}).get("conditions") or ()
            end = certificate_end(each)
            over = end is not None and self._context.now() >= end
            if is_true(conditions, "Approved") and not is_true(conditions, "Failed") and not over:
                yield from_time(each["metadata"]["creationTimestamp"])

    async def _own(self, node: str) -> Iterable[datetime]:
        """Return when the server's own host was given its certificate, if that is for ``node``."""
        kept = kept_in(await if_found(self._client.get(SECRET, AGENT.secret, NAMESPACE)), leaf=True)
        own = kept is not None and kept.pair.certificate.subject == subject(f"{NODE_PREFIX}{node}", [NODES_GROUP])
        return [issued_at(kept.pair.certificate)] if kept is not None and own else []

    async def _use_up(self, token: BootstrapToken, csr: Object) -> None:
        """Note on the token that it has been used; a conflict when it has changed meanwhile."""
        metadata = {"resourceVersion": token.version, "annotations": {USED_ANNOTATION: csr["metadata"]["uid"]}}
        await self._client.patch(SECRET, secret_name(token.token_id), TOKENS_NAMESPACE, {"metadata": metadata})

    async def _leave(self, csr: Object, why: str) -> None:
        before = get_condition(csr.get("status", {}).get("conditions") or (), APPROVAL_NEEDED)
        if before is None or before["message"] != why:
            self._context.events.warning(csr, APPROVAL_NEEDED, why)
            await self._write(csr, APPROVAL_NEEDED, "NotVouchedFor", why)

    async def _write(self, csr: Object, condition: str, reason: str, message: str) -> None:
        new = {"type": condition, "status": "True", "reason": reason, "message": message}
        conditions = set_condition(csr.get("status", {}).get("conditions") or (), new, self._context.now())
        patch: Object = {
            "metadata": {"resourceVersion": csr["metadata"]["resourceVersion"]},
            "status": {"conditions": conditions},
        }
        name = csr["metadata"]["name"]
        written = await self._client.patch(CERTIFICATE_SIGNING_REQUEST, name, None, patch, subresource="approval")
        self._requests.observe(written)
