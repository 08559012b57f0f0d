"""What typed Go clients send of nodes, of leases, of events, of old states and of requests for certificates.

Field numbers and optionality are those of ``generated.proto`` in k8s.io/api; a node lacks what its schema lacks.
"""

from collections.abc import Mapping

from apiserver.http.protobuf_messages import AMOUNTS, EXTRA, METADATA, OBJECT_REFERENCE
from apiserver.http.protobuf_wire import (
    Fields,
    anything,
    count,
    each,
    encoded,
    micro_moment,
    moment,
    nested,
    number,
    string,
    text,
    true,
)

_TAINT: Fields = {1: ("key", string), 2: ("value", text), 3: ("effect", string), 4: ("timeAdded", moment)}
_CONDITION: Fields = {
    1: ("type", string),
    2: ("status", string),
    3: ("lastHeartbeatTime", moment),
    4: ("lastTransitionTime", moment),
    5: ("reason", text),
    6: ("message", text),
}
_NODE_INFO: Fields = {
    1: ("machineID", string),
    2: ("systemUUID", string),
    3: ("bootID", string),
    4: ("kernelVersion", string),
    5: ("osImage", string),
    6: ("containerRuntimeVersion", string),
    7: ("kubeletVersion", string),
    8: ("kubeProxyVersion", string),
    9: ("operatingSystem", string),
    10: ("architecture", string),
}
_NODE: Fields = {
    1: ("metadata", METADATA),
    2: (
        "spec",
        nested(
            {
                1: ("podCIDR", text),
                3: ("providerID", text),
                4: ("unschedulable", true),
                5: ("taints", each(nested(_TAINT))),
                7: ("podCIDRs", each(string)),
            }
        ),
    ),
    3: (
        "status",
        nested(
            {
                1: ("capacity", AMOUNTS),
                2: ("allocatable", AMOUNTS),
                3: ("phase", text),
                4: ("conditions", each(nested(_CONDITION))),
                5: ("addresses", each(nested({1: ("type", string), 2: ("address", string)}))),
                6: ("daemonEndpoints", nested({1: ("kubeletEndpoint", nested({1: ("Port", count)}))})),
                7: ("nodeInfo", nested(_NODE_INFO)),
                8: ("images", each(nested({1: ("names", each(string)), 2: ("sizeBytes", number)}))),
            }
        ),
    ),
}
_LEASE_SPEC: Fields = {
    1: ("holderIdentity", string),
    2: ("leaseDurationSeconds", count),
    3: ("acquireTime", micro_moment),
    4: ("renewTime", micro_moment),
    5: ("leaseTransitions", count),
}
_SOURCE = nested({1: ("component", text), 2: ("host", text)})
_SERIES = nested({1: ("count", number), 2: ("lastObservedTime", micro_moment)})
_CORE_EVENT: Fields = {
    1: ("metadata", METADATA),
    2: ("involvedObject", nested(OBJECT_REFERENCE)),
    3: ("reason", text),
    4: ("message", text),
    5: ("source", _SOURCE),
    6: ("firstTimestamp", moment),
    7: ("lastTimestamp", moment),
    8: ("count", number),
    9: ("type", text),
    10: ("eventTime", micro_moment),
    11: ("series", _SERIES),
    12: ("action", text),
    13: ("related", nested(OBJECT_REFERENCE)),
    14: ("reportingComponent", string),
    15: ("reportingInstance", string),
}
_EVENT: Fields = {
    1: ("metadata", METADATA),
    2: ("eventTime", micro_moment),
    3: ("series", _SERIES),
    4: ("reportingController", text),
    5: ("reportingInstance", text),
    6: ("action", text),
    7: ("reason", text),
    8: ("regarding", nested(OBJECT_REFERENCE)),
    9: ("related", nested(OBJECT_REFERENCE)),
    10: ("note", text),
    11: ("type", text),
    12: ("deprecatedSource", _SOURCE),
    13: ("deprecatedFirstTimestamp", moment),
    14: ("deprecatedLastTimestamp", moment),
    15: ("deprecatedCount", number),
}
_SIGNING_CONDITION: Fields = {
    1: ("type", string),
    2: ("reason", text),
    3: ("message", text),
    4: ("lastUpdateTime", moment),
    5: ("lastTransitionTime", moment),
    6: ("status", string),
}
_SIGNING_REQUEST: Fields = {
    1: ("metadata", METADATA),
    2: (
        "spec",
        nested(
            {
                1: ("request", encoded),
                2: ("username", text),
                3: ("uid", text),
                4: ("groups", each(string)),
                5: ("usages", each(string)),
                6: ("extra", EXTRA),
                7: ("signerName", string),
                8: ("expirationSeconds", count),
            }
        ),
    ),
    3: ("status", nested({1: ("conditions", each(nested(_SIGNING_CONDITION))), 2: ("certificate", encoded)})),
}
CLUSTERS: Mapping[str, Fields] = {
    "Node": _NODE,
    "Lease": {1: ("metadata", METADATA), 2: ("spec", nested(_LEASE_SPEC))},
    "Event": _CORE_EVENT,
    "Event.events.k8s.io": _EVENT,
    "CertificateSigningRequest": _SIGNING_REQUEST,
    "ControllerRevision": {1: ("metadata", METADATA), 2: ("data", anything), 3: ("revision", count)},
}
"""By kind, or by ``kind.group`` where the name is not enough."""
