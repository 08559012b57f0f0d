"""What typed Go clients send of a PodTemplate.

The server keeps a Pod's spec as it is, so nothing of it may get lost: only what is read here is accepted, and clients
send the rest in JSON. Field numbers and optionality are those of ``generated.proto`` in k8s.io/api.
"""

from apiserver.http.protobuf_messages import AMOUNTS, METADATA
from apiserver.http.protobuf_wire import Fields, closed, count, each, flag, mapping, nested, number, string, text, true

_PORT: Fields = {
    1: ("name", text),
    2: ("hostPort", number),
    3: ("containerPort", count),
    4: ("protocol", text),
    5: ("hostIP", text),
}
_MOUNT: Fields = {
    1: ("name", string),
    2: ("readOnly", true),
    3: ("mountPath", string),
    4: ("subPath", text),
    5: ("mountPropagation", string),
    6: ("subPathExpr", text),
}
_CONTAINER: Fields = {
    1: ("name", string),
    2: ("image", text),
    3: ("command", each(string)),
    4: ("args", each(string)),
    5: ("workingDir", text),
    6: ("ports", each(closed(_PORT))),
    7: ("env", each(closed({1: ("name", string), 2: ("value", text)}))),
    8: ("resources", closed({1: ("limits", AMOUNTS), 2: ("requests", AMOUNTS)})),
    9: ("volumeMounts", each(closed(_MOUNT))),
    13: ("terminationMessagePath", text),
    14: ("imagePullPolicy", text),
    16: ("stdin", true),
    17: ("stdinOnce", true),
    18: ("tty", true),
    20: ("terminationMessagePolicy", text),
}
_TOLERATION: Fields = {
    1: ("key", text),
    2: ("operator", text),
    3: ("value", text),
    4: ("effect", text),
    5: ("tolerationSeconds", count),
}
_SPEC: Fields = {
    2: ("containers", each(closed(_CONTAINER))),
    3: ("restartPolicy", text),
    4: ("terminationGracePeriodSeconds", count),
    5: ("activeDeadlineSeconds", count),
    6: ("dnsPolicy", text),
    7: ("nodeSelector", mapping(string)),
    8: ("serviceAccountName", text),
    9: ("serviceAccount", text),
    10: ("nodeName", text),
    11: ("hostNetwork", true),
    12: ("hostPID", true),
    13: ("hostIPC", true),
    15: ("imagePullSecrets", each(nested({1: ("name", text)}))),
    16: ("hostname", text),
    17: ("subdomain", text),
    19: ("schedulerName", text),
    20: ("initContainers", each(closed(_CONTAINER))),
    21: ("automountServiceAccountToken", flag),
    22: ("tolerations", each(closed(_TOLERATION))),
    24: ("priorityClassName", text),
    25: ("priority", count),
    27: ("shareProcessNamespace", flag),
    30: ("enableServiceLinks", flag),
}
POD_TEMPLATE: Fields = {
    1: ("metadata", METADATA),
    2: ("template", nested({1: ("metadata", METADATA), 2: ("spec", closed(_SPEC))})),
}
