"""Which field number is which JSON field, for the kinds that typed Go clients send to this server.

Field numbers and optionality are those of ``generated.proto`` in k8s.io/api and k8s.io/apimachinery.
"""

from collections.abc import Mapping

from apiserver.http.protobuf_clusters import CLUSTERS
from apiserver.http.protobuf_messages import AMOUNTS, METADATA, OBJECT_REFERENCE
from apiserver.http.protobuf_pods import POD_TEMPLATE
from apiserver.http.protobuf_reviews import REVIEWS
from apiserver.http.protobuf_wire import (
    Fields,
    count,
    each,
    encoded,
    flag,
    mapping,
    moment,
    nested,
    string,
    text,
    true,
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
_TYPED_REFERENCE: Fields = {1: ("apiGroup", string), 2: ("kind", string), 3: ("name", string), 4: ("namespace", text)}
_CLAIM_SPEC: Fields = {
    1: ("accessModes", each(string)),
    2: ("resources", nested({1: ("limits", AMOUNTS), 2: ("requests", AMOUNTS)})),
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
    1: ("hard", AMOUNTS),
    2: ("scopes", each(string)),
    3: ("scopeSelector", nested({1: ("matchExpressions", each(nested(_QUOTA_TERM)))})),
}
_LIMIT: Fields = {
    1: ("type", text),
    2: ("max", AMOUNTS),
    3: ("min", AMOUNTS),
    4: ("default", AMOUNTS),
    5: ("defaultRequest", AMOUNTS),
    6: ("maxLimitRequestRatio", AMOUNTS),
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
_ROLE: Fields = {1: ("metadata", METADATA), 2: ("rules", each(nested(_RULE)))}
_BINDING: Fields = {
    1: ("metadata", METADATA),
    2: (
        "subjects",
        each(nested({1: ("kind", string), 2: ("apiGroup", text), 3: ("name", string), 4: ("namespace", text)})),
    ),
    3: ("roleRef", nested({1: ("apiGroup", text), 2: ("kind", string), 3: ("name", string)})),
}
KINDS: Mapping[str, Fields] = {
    **CLUSTERS,
    **REVIEWS,
    "PodTemplate": POD_TEMPLATE,
    "ServiceAccount": {
        1: ("metadata", METADATA),
        2: ("secrets", each(nested(OBJECT_REFERENCE))),
        3: ("imagePullSecrets", each(nested({1: ("name", text)}))),
        4: ("automountServiceAccountToken", flag),
    },
    "PersistentVolumeClaim": {1: ("metadata", METADATA), 2: ("spec", nested(_CLAIM_SPEC))},
    "ResourceQuota": {
        1: ("metadata", METADATA),
        2: ("spec", nested(_QUOTA_SPEC)),
        3: ("status", nested({1: ("hard", AMOUNTS), 2: ("used", AMOUNTS)})),
    },
    "LimitRange": {1: ("metadata", METADATA), 2: ("spec", nested({1: ("limits", each(nested(_LIMIT)))}))},
    "StorageClass": {
        1: ("metadata", METADATA),
        2: ("provisioner", string),
        3: ("parameters", mapping(string)),
        4: ("reclaimPolicy", text),
        5: ("mountOptions", each(string)),
        6: ("allowVolumeExpansion", flag),
        7: ("volumeBindingMode", text),
        8: ("allowedTopologies", each(nested(_TOPOLOGY))),
    },
    "PriorityClass": {
        1: ("metadata", METADATA),
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
        1: ("metadata", METADATA),
        2: ("spec", nested({1: ("finalizers", each(string))})),
        3: ("status", nested({1: ("phase", text), 2: ("conditions", each(nested(_CONDITION)))})),
    },
    "Secret": {
        1: ("metadata", METADATA),
        2: ("data", mapping(encoded)),
        3: ("type", text),
        4: ("stringData", mapping(string)),
        5: ("immutable", flag),
    },
    "ConfigMap": {
        1: ("metadata", METADATA),
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
"""By kind, or by ``kind.group`` where the name is not enough."""
