"""Who may approve requests for certificates, and who may sign them: verbs of their own on signers, by name.

Source: ``k8s.io/kubernetes/plugin/pkg/admission/certificates/util.go``. The name ``example.com/*`` stands for all
signers of a domain.
"""

from apiserver.auth.attributes import RequestInfo
from apiserver.auth.authorization import Authorizer
from apiserver.machinery.resource import Caller

_GROUP, _RESOURCE = "certificates.k8s.io", "signers"


class Signers:
    """Asks the authorizer about signers."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def may_use(self, caller: Caller, verb: str, signer: str) -> bool:
        """Return True when ``caller`` may ``approve``, or ``sign``, for ``signer``."""
        domain = signer.partition("/")[0]
        return any(
            self._authorizer.allows(
                caller, RequestInfo(verb=verb, path="", group=_GROUP, version="*", resource=_RESOURCE, name=name)
            )
            for name in (signer, f"{domain}/*")
        )
