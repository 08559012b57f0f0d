"""Who asked is what the server knows; nothing of it changes but by approval and by signing.

Source: ``k8s.io/kubernetes/pkg/registry/certificates/certificates/strategy.go``, and the admission plugins of
``plugin/pkg/admission/certificates`` (approval, signing, subjectrestriction).
"""

from collections.abc import Callable, Iterable

from apiserver.machinery.cloning import clone
from apiserver.machinery.errors import FieldError
from apiserver.machinery.resource import Caller, Object, Strategy
from apiserver.resources.certificatesigningrequest.signers import CLIENT_SIGNER
from apiserver.resources.certificatesigningrequest.validation import (
    DECISIONS,
    change_errors,
    condition_of,
    spec_errors,
    status_errors,
)
from certs.pem import PemError, organizations, read_request
from kube.timestamps import to_time, utc_now
from kube.users import MASTERS_GROUP

GROUP = "certificates.k8s.io"
PLURAL = "certificatesigningrequests"

_OF_THE_CALLER = ("username", "uid", "groups", "extra")
_SIGNERS_VERBS = {"approval": "approve", "status": "sign"}
MayUseSigner = Callable[[Caller, str, str], bool]
"""Tells whether the caller may ``approve``, or ``sign``, for the signer of this name."""


class CertificateSigningRequestStrategy(Strategy):
    """A request for a certificate."""

    def __init__(self, may: MayUseSigner) -> None:
        self._may = may

    def prepare_for_create(self, new: Object, caller: Caller) -> None:
        """Write down who asks, whatever was sent. Nothing is approved yet."""
        asked = {key: value for key, value in new["spec"].items() if key not in _OF_THE_CALLER}
        extra = {key: list(values) for key, values in caller.extra}
        told = dict(zip(_OF_THE_CALLER, (caller.name, caller.uid, sorted(caller.groups), extra), strict=True))
        new["spec"] = asked | {key: value for key, value in told.items() if value}
        new["status"] = {}

    def prepare_for_update(self, new: Object, old: Object, caller: Caller) -> None:
        """Put back the spec."""
        new["spec"] = clone(old["spec"])

    def prepare_for_status_update(self, new: Object, old: Object, caller: Caller) -> None:
        """Keep the decision, which is for the approval to make."""
        status, before = new["status"], old.get("status", {})
        conditions = [
            clone(condition_of(before, each["type"])) or each if each["type"] in DECISIONS else each
            for each in status.get("conditions") or ()
        ]
        there = {each["type"] for each in conditions}
        decided = [condition_of(before, name) for name in DECISIONS if name not in there]
        _set_conditions(status, [*(clone(each) for each in decided if each), *conditions], before)

    def prepare_for_approval(self, new: Object, old: Object, caller: Caller) -> None:
        """Take the conditions and nothing else."""
        before = old.get("status", {})
        asked = new["status"].get("conditions") or []
        new["status"] = {key: clone(value) for key, value in before.items() if key != "conditions"}
        _set_conditions(new["status"], asked, before)

    def validate(self, new: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with the request."""
        return spec_errors(new["spec"])

    def validate_update(self, new: Object, old: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with the status, and a decision that is not made by approval."""
        status, before = new.get("status", {}), old.get("status", {})
        yield from status_errors(status)
        yield from change_errors(status, before, fixed=DECISIONS, signs=True)

    def validate_approval(self, new: Object, old: Object, caller: Caller) -> Iterable[FieldError]:
        """Yield everything wrong with the conditions, and a decision that is taken back."""
        yield from status_errors(new["status"])
        yield from change_errors(new["status"], old.get("status", {}), fixed=(), signs=False)

    def refuses_write(self, new: Object, old: Object | None) -> str | None:
        """Let nobody become an administrator by a certificate (CertificateSubjectRestriction)."""
        spec = new["spec"]
        if old is None and spec["signerName"] == CLIENT_SIGNER and MASTERS_GROUP in _groups(spec["request"]):
            return f"use of {CLIENT_SIGNER} signer with {MASTERS_GROUP} group is not allowed"
        return None

    def refuses_subresource(self, subresource: str, new: Object, old: Object, caller: Caller) -> str | None:
        """Let approve, deny and sign only who may (CertificateApproval, CertificateSigning)."""
        if subresource == "status" and new.get("status", {}) == old.get("status", {}):
            return None
        verb, signer = _SIGNERS_VERBS[subresource], old["spec"]["signerName"]
        if self._may(caller, verb, signer):
            return None
        return f'user not permitted to {verb} requests with signerName "{signer}"'


def _groups(request: str) -> frozenset[str]:
    try:
        return organizations(read_request(request))
    except PemError:  # refused by then
        return frozenset()


def _set_conditions(status: Object, conditions: list[Object], before: Object) -> None:
    """Set the conditions of a status, and the times that nobody has sent."""
    now = to_time(utc_now())
    for each in conditions:
        each["lastUpdateTime"] = each.get("lastUpdateTime") or now
        old = condition_of(before, each["type"]) or {}
        since = old.get("lastTransitionTime") if old.get("status") == each["status"] else None
        each["lastTransitionTime"] = each.get("lastTransitionTime") or since or now
    status.pop("conditions", None)
    if conditions:
        status["conditions"] = conditions
