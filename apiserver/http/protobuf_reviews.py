"""What typed Go clients send to ask who somebody is and what they may do.

Field numbers and optionality are those of ``generated.proto`` in k8s.io/api. Statuses are for the server to say.
"""

from collections.abc import Mapping

from apiserver.http.protobuf_messages import EXTRA, METADATA
from apiserver.http.protobuf_wire import Fields, Read, count, each, nested, string, text

_REQUIREMENT: Fields = {1: ("key", string), 2: ("operator", string), 3: ("values", each(string))}
_SELECTOR = nested({1: ("rawSelector", text), 2: ("requirements", each(nested(_REQUIREMENT)))})
_RESOURCE: Fields = {
    1: ("namespace", text),
    2: ("verb", text),
    3: ("group", text),
    4: ("version", text),
    5: ("resource", text),
    6: ("subresource", text),
    7: ("name", text),
    8: ("fieldSelector", _SELECTOR),
    9: ("labelSelector", _SELECTOR),
}
_SELF_ACCESS: Fields = {
    1: ("resourceAttributes", nested(_RESOURCE)),
    2: ("nonResourceAttributes", nested({1: ("path", text), 2: ("verb", text)})),
}
_ACCESS: Fields = {
    **_SELF_ACCESS,
    3: ("user", text),
    4: ("groups", each(string)),
    5: ("extra", EXTRA),
    6: ("uid", text),
}


def _review(spec: Read) -> Fields:
    return {1: ("metadata", METADATA), 2: ("spec", spec)}


REVIEWS: Mapping[str, Fields] = {
    "LocalSubjectAccessReview": _review(nested(_ACCESS)),
    "SelfSubjectAccessReview": _review(nested(_SELF_ACCESS)),
    "SelfSubjectReview": {1: ("metadata", METADATA)},
    "SelfSubjectRulesReview": _review(nested({1: ("namespace", text)})),
    "SubjectAccessReview": _review(nested(_ACCESS)),
    "TokenRequest": _review(
        nested(
            {
                1: ("audiences", each(string)),
                3: (
                    "boundObjectRef",
                    nested({1: ("kind", text), 2: ("apiVersion", text), 3: ("name", text), 4: ("uid", text)}),
                ),
                4: ("expirationSeconds", count),
            }
        )
    ),
    "TokenReview": _review(nested({1: ("token", text), 2: ("audiences", each(string))})),
}
"""By kind."""
