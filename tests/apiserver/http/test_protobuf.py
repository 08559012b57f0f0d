"""What Kubernetes' protobuf says, in JSON, and what is said of bodies that say nothing."""

import pytest

from apiserver.http.protobuf import decode
from apiserver.machinery.errors import StatusError
from tests.apiserver.http.gadgets import GADGETS, Client, gadget

CREATE_NAMESPACE_X = bytes.fromhex(
    "6b3873000a0f0a02763112094e616d65737061636512190a110a017812001a0022002a0032003800420012001a020a001a002200"
)
"""What kubectl 1.32 sent for ``kubectl create namespace x``."""


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    return bytes([value]) if value < 0x80 else bytes([value & 0x7F | 0x80]) + varint(value >> 7)


def field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def message(*fields: tuple[int, int | str | bytes]) -> bytes:
    return b"".join(field(number, value) for number, value in fields)


def envelope(kind: str, raw: bytes, api_version: str = "v1") -> bytes:
    return b"k8s\0" + message((1, message((1, api_version), (2, kind))), (2, raw))


def test_what_kubectl_sends_for_a_namespace_is_read_without_its_empty_fields() -> None:
    assert decode(CREATE_NAMESPACE_X) == {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "x"},
        "spec": {},
        "status": {},
    }


def test_a_secret_keeps_bytes_as_base64_and_empty_values() -> None:
    metadata = message((1, "s"), (11, message((1, "l"), (2, ""))), (8, message((1, 86400))))
    entries = [(2, message((1, "a"), (2, b"\xff"))), (2, message((1, "empty"), (2, b""))), (2, message((1, "bare")))]
    decoded = decode(envelope("Secret", message((1, metadata), *entries, (4, message((1, "p"), (2, "q"))), (5, 0))))
    assert decoded["metadata"] == {"name": "s", "labels": {"l": ""}, "creationTimestamp": "1970-01-02T00:00:00Z"}
    assert decoded["data"] == {"a": "/w==", "empty": "", "bare": ""}
    assert decoded["stringData"] == {"p": "q"}
    assert decoded["immutable"] is False


def test_owners_and_finalizers_keep_their_order() -> None:
    owners = [(13, message((1, "Node"), (5, "v1"), (3, name), (4, "u"), (6, 1))) for name in ("a", "b")]
    metadata = decode(envelope("ConfigMap", message((1, message(*owners, (14, "f"), (14, "g"))))))["metadata"]
    assert [owner["name"] for owner in metadata["ownerReferences"]] == ["a", "b"]
    assert metadata["ownerReferences"][0] == {
        "kind": "Node",
        "apiVersion": "v1",
        "name": "a",
        "uid": "u",
        "controller": True,
    }
    assert metadata["finalizers"] == ["f", "g"]


def test_zero_and_negative_grace_periods_are_told_apart_from_none() -> None:
    assert decode(envelope("DeleteOptions", message((1, 0))))["gracePeriodSeconds"] == 0
    assert decode(envelope("DeleteOptions", message((1, -1))))["gracePeriodSeconds"] == -1
    assert "gracePeriodSeconds" not in decode(envelope("DeleteOptions", message((4, "Background"))))


def test_times_of_leases_are_read_to_the_microsecond() -> None:
    spec = message((1, "me"), (2, 15), (4, message((1, 86400), (2, 1_500_999))), (5, 0))
    assert decode(envelope("Lease", message((2, spec)), "coordination.k8s.io/v1"))["spec"] == {
        "holderIdentity": "me",
        "leaseDurationSeconds": 15,
        "renewTime": "1970-01-02T00:00:00.001500Z",
        "leaseTransitions": 0,
    }


def test_the_two_kinds_of_events_are_told_apart_by_their_group() -> None:
    empty_time = message()
    core = decode(envelope("Event", message((2, message((1, "Node"), (3, "n"))), (3, "why"), (10, empty_time))))
    assert (core["involvedObject"], core["reason"]) == ({"kind": "Node", "name": "n"}, "why")
    assert "eventTime" not in core
    event = decode(envelope("Event", message((7, "why"), (8, message((1, "Node"))), (10, "so")), "events.k8s.io/v1"))
    assert (event["reason"], event["regarding"], event["note"]) == ("why", {"kind": "Node"}, "so")


def test_a_node_is_read_with_its_status() -> None:
    condition = message((1, "Ready"), (2, "True"), (4, message((1, 86400))), (5, "Up"))
    status = message((1, message((1, "cpu"), (2, message((1, "2"))))), (4, condition), (5, message((1, "a"), (2, "b"))))
    node = decode(
        envelope("Node", message((2, message((4, 1), (5, message((1, "k"), (3, "NoExecute"))))), (3, status)))
    )
    assert node["spec"] == {"unschedulable": True, "taints": [{"key": "k", "effect": "NoExecute"}]}
    assert node["status"] == {
        "capacity": {"cpu": "2"},
        "conditions": [
            {"type": "Ready", "status": "True", "lastTransitionTime": "1970-01-02T00:00:00Z", "reason": "Up"}
        ],
        "addresses": [{"type": "a", "address": "b"}],
    }


def test_a_revision_holds_any_json_and_refuses_what_is_none() -> None:
    def revision(data: str) -> bytes:
        return envelope("ControllerRevision", message((2, message((1, data))), (3, 7)), "apps/v1")

    assert decode(revision('{"any": ["thing"]}'))["data"] == {"any": ["thing"]}
    with pytest.raises(StatusError) as refused:
        decode(revision("{"))
    assert refused.value.code == 400


def test_a_template_of_pods_is_read_as_long_as_nothing_of_it_would_get_lost() -> None:
    def template(*container: tuple[int, int | str | bytes]) -> bytes:
        spec = message((2, message((1, "c"), (2, "image"), *container)), (3, ""), (11, 0))
        return envelope("PodTemplate", message((2, message((2, spec)))))

    known = decode(template((3, "run"), (7, message((1, "A"), (2, "b"))), (8, message())))
    assert known["template"]["spec"] == {
        "containers": [
            {"name": "c", "image": "image", "command": ["run"], "env": [{"name": "A", "value": "b"}], "resources": {}}
        ]
    }
    a_probe, a_reference = (10, message()), (7, message((1, "A"), (3, message())))
    for unknown in (a_probe, a_reference):
        with pytest.raises(StatusError) as refused:
            decode(template(unknown))
        assert refused.value.code == 415


def test_questions_of_access_are_read_with_whom_they_are_about() -> None:
    spec = message(
        (1, message((2, "get"), (5, "nodes"))), (3, "a"), (4, "g"), (5, message((1, "k"), (2, message((1, "v")))))
    )
    assert decode(envelope("SubjectAccessReview", message((2, spec)), "authorization.k8s.io/v1"))["spec"] == {
        "resourceAttributes": {"verb": "get", "resource": "nodes"},
        "user": "a",
        "groups": ["g"],
        "extra": {"k": ["v"]},
    }


def test_questions_of_access_say_in_parts_what_a_list_is_limited_to() -> None:
    selector = message((2, message((1, "k"), (2, "In"), (3, "v"))))
    spec = message((1, message((2, "list"), (8, selector), (9, message((1, "a=b"))))))
    assert decode(envelope("SelfSubjectAccessReview", message((2, spec)), "authorization.k8s.io/v1"))["spec"] == {
        "resourceAttributes": {
            "verb": "list",
            "fieldSelector": {"requirements": [{"key": "k", "operator": "In", "values": ["v"]}]},
            "labelSelector": {"rawSelector": "a=b"},
        }
    }


def test_fields_of_any_width_that_are_not_known_are_skipped() -> None:
    strange = message((90, "text"), (91, 7)) + varint(92 << 3 | 1) + bytes(8) + varint(93 << 3 | 5) + bytes(4)
    assert decode(envelope("Namespace", strange + message((1, message((1, "x"))))))["metadata"] == {"name": "x"}


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        CREATE_NAMESPACE_X[:-30],
        envelope("Namespace", b"\x0a\x7f"),
        envelope("Namespace", b"\x0b"),
        envelope("Namespace", b"\xff" * 11),
        envelope("Namespace", message((1, 7))),
        envelope("Namespace", message((1, message((7, "seven"))))),
        envelope("Namespace", message((1, message((1, b"\xff"))))),
        envelope("Namespace", message((1, message((8, message((1, 1 << 62))))))),
    ],
)
def test_a_broken_body_is_the_clients_fault(body: bytes) -> None:
    with pytest.raises(StatusError) as refused:
        decode(body)
    assert refused.value.code == 400


async def post(client: Client, method: str, path: str, body: bytes) -> int:
    headers = {"Content-Type": "application/vnd.kubernetes.protobuf"}
    async with client.session.request(method, client.base + path, data=body, headers=headers) as response:
        return response.status


async def test_a_kind_without_a_table_is_an_unsupported_media_type(client: Client) -> None:
    assert await post(client, "POST", GADGETS, envelope("Gadget", b"")) == 415


async def test_the_options_of_a_delete_may_be_protobuf(client: Client) -> None:
    await client.call("POST", GADGETS, gadget("one"))
    wrong = envelope("DeleteOptions", message((2, message((1, "another-uid")))))
    assert await post(client, "DELETE", f"{GADGETS}/one", wrong) == 409
    assert await post(client, "DELETE", f"{GADGETS}/one", envelope("DeleteOptions", message((1, 0)))) == 200


def amounts(number: int, **found: str) -> list[tuple[int, bytes]]:
    return [(number, message((1, name), (2, message((1, amount))))) for name, amount in found.items()]


def test_a_claim_asks_for_an_amount_and_may_name_no_class() -> None:
    spec = message((1, "ReadWriteOnce"), (2, message(*amounts(2, storage="1Gi"))), (5, ""), (6, "Block"))
    assert decode(envelope("PersistentVolumeClaim", message((2, spec))))["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": "",
        "volumeMode": "Block",
    }


def test_a_limit_range_keeps_each_bound_apart() -> None:
    limit = message((1, "Container"), *amounts(2, cpu="2"), *amounts(3, cpu="1"), *amounts(5, memory="1Mi"))
    assert decode(envelope("LimitRange", message((2, message((1, limit))))))["spec"]["limits"] == [
        {"type": "Container", "max": {"cpu": "2"}, "min": {"cpu": "1"}, "defaultRequest": {"memory": "1Mi"}}
    ]


def test_a_storage_class_may_say_that_volumes_do_not_grow() -> None:
    topology = message((1, message((1, "zone"), (2, "a"), (2, "b"))))
    decoded = decode(
        envelope("StorageClass", message((2, "p"), (3, message((1, "k"), (2, "v"))), (6, 0), (8, topology)))
    )
    assert decoded["provisioner"] == "p"
    assert decoded["parameters"] == {"k": "v"}
    assert decoded["allowVolumeExpansion"] is False
    assert decoded["allowedTopologies"] == [{"matchLabelExpressions": [{"key": "zone", "values": ["a", "b"]}]}]


def test_a_request_for_a_certificate_is_read_with_who_asks_and_what_became_of_it() -> None:
    extra = message((1, "k"), (2, message((1, "a"), (1, "b"))))
    spec = message((1, b"PEM"), (2, "jane"), (5, "client auth"), (6, extra), (7, "example.com/signer"), (8, 600))
    condition = message((1, "Approved"), (2, "Why"), (4, message((1, 86400))), (6, "True"))
    decoded = decode(
        envelope(
            "CertificateSigningRequest",
            message((2, spec), (3, message((1, condition), (2, b"\xff")))),
            "certificates.k8s.io/v1",
        )
    )
    assert decoded["spec"] == {
        "request": "UEVN",
        "username": "jane",
        "usages": ["client auth"],
        "extra": {"k": ["a", "b"]},
        "signerName": "example.com/signer",
        "expirationSeconds": 600,
    }
    approved = {"type": "Approved", "reason": "Why", "lastUpdateTime": "1970-01-02T00:00:00Z", "status": "True"}
    assert decoded["status"] == {"conditions": [approved], "certificate": "/w=="}
