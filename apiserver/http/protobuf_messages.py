"""The messages that objects of many kinds have in common.

Field numbers and optionality are those of ``generated.proto`` in k8s.io/api and k8s.io/apimachinery.
"""

from apiserver.http.protobuf_wire import (
    Fields,
    Read,
    count,
    each,
    flag,
    mapping,
    moment,
    nested,
    number,
    raw,
    read_fields,
    string,
    text,
)

_OWNER_REFERENCE: Fields = {
    1: ("kind", text),
    3: ("name", text),
    4: ("uid", text),
    5: ("apiVersion", text),
    6: ("controller", flag),
    7: ("blockOwnerDeletion", flag),
}
METADATA: Read = nested(
    {
        1: ("name", text),
        2: ("generateName", text),
        3: ("namespace", text),
        5: ("uid", text),
        6: ("resourceVersion", text),
        7: ("generation", number),
        8: ("creationTimestamp", moment),
        9: ("deletionTimestamp", moment),
        10: ("deletionGracePeriodSeconds", count),
        11: ("labels", mapping(string)),
        12: ("annotations", mapping(string)),
        13: ("ownerReferences", each(nested(_OWNER_REFERENCE))),
        14: ("finalizers", each(string)),
    }
)
AMOUNTS = mapping(lambda values: read_fields({1: ("string", string)}, raw(values)).get("string", "0"))
"""Quantities, each a message of one text."""
EXTRA = mapping(lambda values: read_fields({1: ("items", each(string))}, raw(values)).get("items", []))
"""What else is known of a user."""
OBJECT_REFERENCE: Fields = {
    1: ("kind", text),
    2: ("namespace", text),
    3: ("name", text),
    4: ("uid", text),
    5: ("apiVersion", text),
    6: ("resourceVersion", text),
    7: ("fieldPath", text),
}
