"""Which field number is which JSON field, for the kinds that typed Go clients send to this server.

Field numbers and optionality are those of ``generated.proto`` in k8s.io/api and k8s.io/apimachinery.
"""

from collections.abc import Mapping

from apiserver.http.protobuf_wire import (
    Fields,
    Read,
    count,
    each,
    encoded,
    flag,
    mapping,
    moment,
    nested,
    number,
    raw,
    read_fields,
    string,
    text,
    true,
)

_OWNER_REFERENCE: Fields = {
    1: ("kind", text),
    3: ("name", text),
    4: ("uid", text),
    5: ("apiVersion", text),
    6: ("controller", flag),
    7: ("blockOwnerDeletion", flag),
}
_METADATA: Read = nested(
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
_CONDITION: Fields = {
    1: ("type", text),
    2: ("status", text),
    4: ("lastTransitionTime", moment),
    5: ("reason", text),
    6: ("message", text),
}
_LABEL_SELECTOR = nested(
    {
        1: ("matchLabels", mapping(string)),
        2: ("matchExpressions", each(nested({1: ("key", text), 2: ("operator", text), 3: ("values", each(string))}))),
    }
)
_AMOUNTS = mapping(lambda values: read_fields({1: ("string", string)}, raw(values)).get("string", "0"))
"""Quantities, each a message of one text."""
_OBJECT_REFERENCE: Fields = {
    1: ("kind", text),
    2: ("namespace", text),
    3: ("name", text),
    4: ("uid", text),
    5: ("apiVersion", text),
    6: ("resourceVersion", text),
    7: ("fieldPath", text),
}
_TYPED_REFERENCE: Fields = {1: ("apiGroup", string), 2: ("kind", string), 3: ("name", string), 4: ("namespace", text)}
_CLAIM_SPEC: Fields = {
    1: ("accessModes", each(string)),
    2: ("resources", nested({1: ("limits", _AMOUNTS), 2: ("requests", _AMOUNTS)})),
    3: ("volumeName", text),
    4: ("selector", _LABEL_SELECTOR),
    5: ("storageClassName", string),
    6: ("volumeMode", text),
    7: ("dataSource", nested(_TYPED_REFERENCE)),
    8: ("dataSourceRef", nested(_TYPED_REFERENCE)),
    9: ("volumeAttributesClassName", string),
}
_QUOTA_TERM: Fields = {1: ("scopeName", text), 2: ("operator", text), 3: ("values", each(string))}
_QUOTA_SPEC: Fields = {
    1: ("hard", _AMOUNTS),
    2: ("scopes", each(string)),
    3: ("scopeSelector", nested({1: ("matchExpressions", each(nested(_QUOTA_TERM)))})),
}
_LIMIT: Fields = {
    1: ("type", text),
    2: ("max", _AMOUNTS),
    3: ("min", _AMOUNTS),
    4: ("default", _AMOUNTS),
    5: ("defaultRequest", _AMOUNTS),
    6: ("maxLimitRequestRatio", _AMOUNTS),
}
_TOPOLOGY_LABEL: Fields = {1: ("key", text), 2: ("values", each(string))}
_TOPOLOGY: Fields = {1: ("matchLabelExpressions", each(nested(_TOPOLOGY_LABEL)))}
_RULE: Fields = {
    1: ("verbs", each(string)),
    2: ("apiGroups", each(string)),
    3: ("resources", each(string)),
    4: ("resourceNames", each(string)),
    5: ("nonResourceURLs", each(string)),
}
_ROLE: Fields = {1: ("metadata", _METADATA), 2: ("rules", each(nested(_RULE)))}
_BINDING: Fields = {
    1: ("metadata", _METADATA),
    2: (
        "subjects",
        each(nested({1: ("kind", string), 2: ("apiGroup", text), 3: ("name", string), 4: ("namespace", text)})),
    ),
    3: ("roleRef", nested({1: ("apiGroup", text), 2: ("kind", string), 3: ("name", string)})),
}
KINDS: Mapping[str, Fields] = {
    "ServiceAccount": {
        1: ("metadata", _METADATA),
        2: ("secrets", each(nested(_OBJECT_REFERENCE))),
        3: ("imagePullSecrets", each(nested({1: ("name", text)}))),
        4: ("automountServiceAccountToken", flag),
    },
    "PersistentVolumeClaim": {1: ("metadata", _METADATA), 2: ("spec", nested(_CLAIM_SPEC))},
    "ResourceQuota": {
        1: ("metadata", _METADATA),
        2: ("spec", nested(_QUOTA_SPEC)),
        3: ("status", nested({1: ("hard", _AMOUNTS), 2: ("used", _AMOUNTS)})),
    },
    "LimitRange": {1: ("metadata", _METADATA), 2: ("spec", nested({1: ("limits", each(nested(_LIMIT)))}))},
    "StorageClass": {
        1: ("metadata", _METADATA),
        2: ("provisioner", string),
        3: ("parameters", mapping(string)),
        4: ("reclaimPolicy", text),
        5: ("mountOptions", each(string)),
        6: ("allowVolumeExpansion", flag),
        7: ("volumeBindingMode", text),
        8: ("allowedTopologies", each(nested(_TOPOLOGY))),
    },
    "PriorityClass": {
        1: ("metadata", _METADATA),
        2: ("value", count),
        3: ("globalDefault", true),
        4: ("description", text),
        5: ("preemptionPolicy", text),
    },
    "Role": _ROLE,
    "ClusterRole": {
        **_ROLE,
        3: ("aggregationRule", nested({1: ("clusterRoleSelectors", each(_LABEL_SELECTOR))})),
    },
    "RoleBinding": _BINDING,
    "ClusterRoleBinding": _BINDING,
    "Namespace": {
        1: ("metadata", _METADATA),
        2: ("spec", nested({1: ("finalizers", each(string))})),
        3: ("status", nested({1: ("phase", text), 2: ("conditions", each(nested(_CONDITION)))})),
    },
    "Secret": {
        1: ("metadata", _METADATA),
        2: ("data", mapping(encoded)),
        3: ("type", text),
        4: ("stringData", mapping(string)),
        5: ("immutable", flag),
    },
    "ConfigMap": {
        1: ("metadata", _METADATA),
        2: ("data", mapping(string)),
        3: ("binaryData", mapping(encoded)),
        4: ("immutable", flag),
    },
    "DeleteOptions": {
        1: ("gracePeriodSeconds", count),
        2: ("preconditions", nested({1: ("uid", text), 2: ("resourceVersion", text)})),
        3: ("orphanDependents", flag),
        4: ("propagationPolicy", text),
        5: ("dryRun", each(string)),
    },
}
