"""The bearer tokens that this server itself vouches for: of ServiceAccounts, and for joining."""

from collections.abc import Sequence

from apiserver.auth.accounttokens import AccountTokens, Authenticated
from apiserver.auth.bootstraptokens import BootstrapTokens
from apiserver.auth.webtokens import TokenError
from apiserver.machinery.resource import Caller
from kube.bootstraptokens import FORM


class OwnTokens:
    """Reads tokens of both kinds."""

    def __init__(self, accounts: AccountTokens, bootstrap: BootstrapTokens) -> None:
        self._accounts = accounts
        self._bootstrap = bootstrap

    def authenticate(self, token: str, audiences: Sequence[str] = ()) -> Authenticated:
        """Return whose a token is that is for one of ``audiences``, or for this server. Raises TokenError."""
        kind = self._bootstrap if FORM.fullmatch(token) else self._accounts
        return kind.authenticate(token, audiences)

    async def owner(self, token: str) -> Caller:
        """Return whose a token is that is for this server. Raises TokenError."""
        return self.authenticate(token).caller

    def known_owner(self, token: str) -> Caller | None:
        """Return the same, or None for nobody's: there is nobody to ask."""
        try:
            return self.authenticate(token).caller
        except TokenError:
            return None
