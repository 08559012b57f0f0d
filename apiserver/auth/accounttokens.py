"""Tokens of ServiceAccounts: made on request, good for some time, and for as long as the account is there.

Source: ``k8s.io/kubernetes/pkg/serviceaccount`` (claims and their validation).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apiserver.auth.identities import account_caller, account_name
from apiserver.auth.webtokens import REMEMBERED, Claims, Signer, TokenError
from apiserver.machinery.resource import Caller, Object, Remembered
from kube.metadata import is_terminating
from kube.names import new_uuid

ISSUER = "https://kubernetes.default.svc"
"""Who has made a token, and for whom one is that says nothing else: this server."""
ACCOUNTS, SECRETS = "serviceaccounts", "secrets"
_OWN = "kubernetes.io"
"""The claim that tells the account, and what the token is bound to."""
_CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"


@dataclass(frozen=True, slots=True)
class Authenticated:
    """Whose a token is, and for whom it is among those who were asked about."""

    caller: Caller
    audiences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Vouched:
    """A token for this server that was judged."""

    claims: Claims
    authenticated: Authenticated
    seen: tuple[int, int]
    """Of which revisions the accounts and Secrets were that vouched for it."""


class AccountTokens:
    """Makes and reads tokens of ServiceAccounts."""

    def __init__(self, signer: Signer, stored: Remembered, now: Callable[[], float] = time.time) -> None:
        """``now`` tells the seconds since 1970."""
        self.signer = signer
        self._stored = stored
        self._now = now
        self._vouched: dict[str, _Vouched] = {}
        """By the identity of the token."""

    def issue(self, account: Object, audiences: Sequence[str], seconds: int, secret: Object | None) -> tuple[str, int]:
        """Return a token of ``account``, bound to ``secret`` where there is one, and the second when it expires."""
        metadata, now = account["metadata"], int(self._now())
        own: Claims = {"namespace": metadata["namespace"], "serviceaccount": _identity(account)}
        if secret is not None:
            own["secret"] = _identity(secret)
        claims: Claims = {
            "aud": list(audiences) or [ISSUER],
            "exp": now + seconds,
            "iat": now,
            "iss": ISSUER,
            "jti": new_uuid(),
            _OWN: own,
            "nbf": now,
            "sub": account_name(metadata["namespace"], metadata["name"]),
        }
        return self.signer.sign(claims), now + seconds

    def authenticate(self, token: str, audiences: Sequence[str] = ()) -> Authenticated:
        """Return whose a token is, which must be for one of ``audiences``, or of this server. Raises TokenError."""
        claims = self.signer.read(token)
        expires, begins, now = claims.get("exp"), claims.get("nbf"), self._now()
        if not isinstance(expires, int) or not isinstance(begins, int) or not begins <= now < expires:
            raise TokenError("expired, or not yet valid")
        if audiences:
            return self._judged(claims, audiences)
        seen = self._stored.revision(ACCOUNTS), self._stored.revision(SECRETS)
        known = self._vouched.get(identity := str(claims.get("jti")))
        if known is None or known.claims is not claims or known.seen != seen:
            known = _Vouched(claims, self._judged(claims, (ISSUER,)), seen)
            if len(self._vouched) >= REMEMBERED:
                self._vouched.clear()
            self._vouched[identity] = known
        return known.authenticated

    def _judged(self, claims: Claims, audiences: Sequence[str]) -> Authenticated:
        """Return the same for the claims of a token that has not expired."""
        if claims.get("iss") != ISSUER:
            raise TokenError("made by another")
        meant = claims.get("aud")
        found = tuple(each for each in audiences if isinstance(meant, list) and each in meant)
        if not found:
            raise TokenError("for somebody else")
        return Authenticated(self._caller(claims), found)

    def configuration(self, key_set: str) -> Object:
        """Return what OpenID Connect's discovery tells of the issuer, whose keys are at the URL ``key_set``."""
        return {
            "issuer": ISSUER,
            "jwks_uri": key_set,
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        }

    def _caller(self, claims: Claims) -> Caller:
        own = claims.get(_OWN)
        if not isinstance(own, dict) or not isinstance(own.get("serviceaccount"), dict):
            raise TokenError("not of a ServiceAccount")
        namespace, account = str(own.get("namespace")), own["serviceaccount"]
        if claims.get("sub") != account_name(namespace, str(account.get("name"))):
            raise TokenError("of nobody in particular")
        self._require(ACCOUNTS, namespace, account)
        if own.get("secret") is not None:
            self._require(SECRETS, namespace, own["secret"])
        extra = ((_CREDENTIAL_ID, (f"JTI={claims.get('jti')}",)),)
        return account_caller(namespace, account["name"], uid=account["uid"], extra=extra)

    def _require(self, kind: str, namespace: str, claimed: Mapping[str, Any]) -> None:
        """Raise TokenError unless the very object is there that the token was made for."""
        found = self._stored.one(kind, namespace, str(claimed.get("name")))
        if found is None or found["metadata"]["uid"] != claimed.get("uid") or is_terminating(found):
            raise TokenError(f"what it is bound to among {kind} is gone")


def _identity(obj: Object) -> Object:
    return {"name": obj["metadata"]["name"], "uid": obj["metadata"]["uid"]}
