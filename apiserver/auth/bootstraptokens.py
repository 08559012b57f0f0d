"""Callers that come with a bootstrap token, which its Secret vouches for.

Source: ``k8s.io/kubernetes/plugin/pkg/auth/authenticator/token/bootstrap``.
"""

import hmac
from collections.abc import Callable, Sequence
from datetime import datetime

from apiserver.auth.accounttokens import ISSUER, Authenticated
from apiserver.auth.identities import known
from apiserver.auth.webtokens import TokenError
from apiserver.machinery.resource import Stored
from kube.bootstraptokens import FORM, NAMESPACE, USER_PREFIX, read_token, secret_half, secret_name
from kube.timestamps import utc_now


class BootstrapTokens:
    """Reads bootstrap tokens."""

    def __init__(self, stored: Stored, now: Callable[[], datetime] = utc_now) -> None:
        self._stored = stored
        self._now = now

    def authenticate(self, token: str, audiences: Sequence[str] = ()) -> Authenticated:
        """Return whose a token is, which is for this server alone. Raises TokenError."""
        if (form := FORM.fullmatch(token)) is None:
            raise TokenError("not a bootstrap token")
        token_id, given = form.groups()
        secret = self._stored.one("secrets", NAMESPACE, secret_name(token_id))
        kept = b"" if secret is None else secret_half(secret)
        if not hmac.compare_digest(kept, given.encode()) or secret is None:
            raise TokenError("no such bootstrap token")
        found = read_token(secret)
        if found is None or not found.authenticates or found.expired(self._now()):
            raise TokenError("a bootstrap token that has expired, or is for something else")
        if audiences and ISSUER not in audiences:
            raise TokenError("for somebody else")
        return Authenticated(known(f"{USER_PREFIX}{token_id}", found.groups), (ISSUER,))
