"""What the cluster says of callers: whose a token is, and what somebody may.

Source: ``k8s.io/apiserver/plugin/pkg/authenticator/token/webhook`` and ``plugin/pkg/authorizer/webhook``. Where the
cluster does not answer, kube-apiserver says that the token is wrong (401), or that it has failed itself (500). Here it
is 503 with ``Retry-After``, as for all that nobody can know at the moment: clients try again.
"""

import asyncio
import hashlib

import orjson
import structlog

from apiserver.auth.answers import Answers
from apiserver.auth.attributes import RequestInfo
from apiserver.auth.authorization import allowed_to_all, is_anonymous, is_discovery
from apiserver.auth.identities import told
from apiserver.auth.noderestriction import BoundTo, node_may
from apiserver.auth.webtokens import TokenError
from apiserver.machinery import errors
from apiserver.machinery.resource import Caller, Object
from client.api import Client
from client.errors import ApiError
from client.kinds import SUBJECT_ACCESS_REVIEW, TOKEN_REVIEW, Kind

log = structlog.get_logger(__name__)

REVIEW_SECONDS = 10.0
"""How long the cluster may take to answer, however often it is asked."""
PAUSES = (0.1, 0.3, 1.0)
"""How many seconds to wait before it is asked again where it gave no answer: connections break, servers restart."""
_DISCOVERY = RequestInfo(verb="get", path="/apis")


class TokenReviews:
    """Asks the cluster whose bearer tokens are (see :class:`apiserver.auth.authentication.TokenOwners`)."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._answers: Answers[Object] = Answers()

    async def owner(self, token: str) -> Caller:
        """Return whose ``token`` is. Raises TokenError for nobody's, and 503 when the cluster does not answer."""
        if not token.isascii():
            raise TokenError("not a token")

        async def ask() -> Object:
            return await _reviewed(self._client, TOKEN_REVIEW, {"token": token})

        # The token itself is kept nowhere.
        status = await self._answers.of(_digest(token.encode()), ask)
        user = status.get("user") or {}
        if not status.get("authenticated") or not user.get("username"):
            raise TokenError(status.get("error") or "the cluster does not know it")
        extra = tuple((key, tuple(values)) for key, values in sorted((user.get("extra") or {}).items()))
        return told(user["username"], user.get("groups") or (), uid=user.get("uid", ""), extra=extra)

    def known_owner(self, _token: str) -> Caller | None:
        """Return None: it is for the cluster to say."""
        return None


class AccessReviews:
    """Asks the cluster what callers may; agents are held to their nodes besides, which the cluster cannot do.

    See :class:`apiserver.auth.authorization.Authorization`.
    """

    def __init__(self, client: Client, bound_to: BoundTo) -> None:
        self._client = client
        self._bound_to = bound_to
        self._answers: Answers[bool] = Answers()

    async def allowed(self, caller: Caller, asked: RequestInfo) -> bool:
        """Return True when ``caller`` may make the request. Raises 503 when the cluster does not answer."""
        if allowed_to_all(caller, asked):
            return True
        if is_anonymous(caller):
            if not is_discovery(asked):
                return False
            asked = _DISCOVERY  # whatever path nobody in particular thinks of, it is one question
        if caller.node is not None and asked.is_resource and not node_may(caller.node, asked, self._bound_to):
            return False
        spec = _question(caller, asked)

        async def ask() -> bool:
            status = await _reviewed(self._client, SUBJECT_ACCESS_REVIEW, spec)
            return status.get("allowed") is True and status.get("denied") is not True

        # Selectors can be long; what is remembered is not.
        return await self._answers.of(_digest(orjson.dumps(spec)), ask)

    def known_to_allow(self, caller: Caller, asked: RequestInfo) -> bool:
        """Return True for what needs no rule; the rest is for the cluster to say."""
        return allowed_to_all(caller, asked)


def _digest(question: bytes) -> bytes:
    return hashlib.sha256(question).digest()


def _question(caller: Caller, asked: RequestInfo) -> Object:
    spec: Object = {"user": caller.name, "groups": sorted(caller.groups), "uid": caller.uid}
    if caller.extra:
        spec["extra"] = {key: list(values) for key, values in caller.extra}
    if not asked.is_resource:
        return spec | {"nonResourceAttributes": {"path": asked.path, "verb": asked.verb}}
    attributes: Object = {
        "namespace": asked.namespace,
        "verb": asked.verb,
        "group": asked.group,
        "version": asked.version,
        "resource": asked.resource,
        "subresource": asked.subresource,
        "name": asked.object_name,
    }
    if asked.field_selector and not asked.name:
        attributes["fieldSelector"] = {"rawSelector": asked.field_selector}
    return spec | {"resourceAttributes": attributes}


async def _reviewed(client: Client, kind: Kind, spec: Object) -> Object:
    """Return the status that the cluster gives to a review. Raises 503 when it gives none in time."""
    review = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {}, "spec": spec}
    try:
        async with asyncio.timeout(REVIEW_SECONDS):
            return (await _answered(client, kind, review)).get("status") or {}
    except (ApiError, TimeoutError) as error:
        log.warning("the cluster does not answer a review", kind=kind.kind, why=str(error) or "no answer in time")
        raise errors.unavailable("the cluster cannot be asked about the request at the moment") from error


async def _answered(client: Client, kind: Kind, review: Object) -> Object:
    for pause in PAUSES:
        try:
            return await client.create(kind, review)
        except ApiError as error:
            if not (error.unreachable or error.code == 429 or error.code >= 500):
                raise
        await asyncio.sleep(pause)
    return await client.create(kind, review)
