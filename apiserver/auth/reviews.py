"""The answers to reviews: who somebody is, and what they may do.

Source: ``k8s.io/kubernetes/pkg/registry/authorization`` and ``authentication``.
"""

from apiserver.auth.attributes import RequestInfo
from apiserver.auth.authorization import Authorizer
from apiserver.auth.owntokens import OwnTokens
from apiserver.auth.webtokens import TokenError
from apiserver.machinery import errors
from apiserver.machinery.resource import Caller, Object
from apiserver.machinery.selectors import escape_field_value

_OPERATORS = {"In": "=", "NotIn": "!="}


class Reviews:
    """Answers by the tokens and rules that this server has itself."""

    def __init__(self, authorizer: Authorizer, tokens: OwnTokens) -> None:
        self._authorizer = authorizer
        self._tokens = tokens

    def status_of(self, review: Object, caller: Caller) -> Object:
        """Return the status of a checked review that ``caller`` sends. Raises 400 for one that asks nothing."""
        spec = review.get("spec", {})
        match review["kind"]:
            case "SelfSubjectReview":
                return {"userInfo": user_info(caller)}
            case "TokenReview":
                return self._of_token(spec)
            case "SelfSubjectRulesReview":
                return self._of_rules(spec, caller)
            case "SelfSubjectAccessReview":
                return {"allowed": self._authorizer.allows(caller, _asked(spec))}
            case _:
                subject = _subject(spec)
                return {"allowed": self._authorizer.allows(subject, _asked(spec))}

    def _of_rules(self, spec: Object, caller: Caller) -> Object:
        if not spec.get("namespace"):
            raise errors.bad_request("no namespace on request")
        rules = self._authorizer.rules(caller, spec["namespace"])
        status: Object = {
            "resourceRules": [rule.policy() for rule in rules if not rule.paths],
            "nonResourceRules": [rule.policy() for rule in rules if rule.paths],
            "incomplete": False,
        }
        if caller.node is not None:
            status |= {"incomplete": True, "evaluationError": "an agent may do so only with what is bound to its node"}
        return status

    def _of_token(self, spec: Object) -> Object:
        if not spec.get("token"):
            raise errors.bad_request("token is required for TokenReview in authentication")
        try:
            found = self._tokens.authenticate(spec["token"], spec.get("audiences") or ())
        except TokenError:
            return {"authenticated": False, "user": {}, "error": "the token is not valid"}
        return {"authenticated": True, "user": user_info(found.caller), "audiences": list(found.audiences)}


def _subject(spec: Object) -> Caller:
    extra = tuple((key, tuple(values)) for key, values in (spec.get("extra") or {}).items())
    return Caller(spec.get("user", ""), frozenset(spec.get("groups") or ()), uid=spec.get("uid", ""), extra=extra)


def _asked(spec: Object) -> RequestInfo:
    of_path, asked = spec.get("nonResourceAttributes"), spec.get("resourceAttributes") or {}
    if of_path is not None:
        return RequestInfo(verb=of_path.get("verb", ""), path=of_path.get("path", ""))
    return RequestInfo(
        verb=asked.get("verb", ""),
        path="",
        group=asked.get("group", ""),
        version=asked.get("version", ""),
        # An empty one would make it a question about a path.
        resource=asked.get("resource") or "*",
        subresource=asked.get("subresource", ""),
        namespace=asked.get("namespace", ""),
        name=asked.get("name", ""),
        field_selector=_field_selector(asked.get("fieldSelector") or {}),
    )


def _field_selector(asked: Object) -> str:
    """Return a selector of fields as a query has it. What a query cannot say is left out, which asks for more.

    Source: ``k8s.io/kubernetes/pkg/registry/authorization/util.FieldSelectorAsSelector``.
    """
    terms = (
        f"{each['key']}{_OPERATORS[each['operator']]}{escape_field_value(each['values'][0])}"
        for each in asked.get("requirements") or ()
        if each["operator"] in _OPERATORS and len(each.get("values") or ()) == 1
    )
    return asked.get("rawSelector") or ",".join(terms)


def user_info(caller: Caller) -> Object:
    """Return what is known of a caller, as ``authentication.k8s.io`` writes it."""
    found: Object = {"username": caller.name, "groups": sorted(caller.groups)}
    if caller.uid:
        found["uid"] = caller.uid
    if caller.extra:
        found["extra"] = {key: list(values) for key, values in caller.extra}
    return found
