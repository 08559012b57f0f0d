"""CertificateSigningRequest: names, columns and subresources."""

from apiserver.machinery.resource import Column, Object, Resource, Version
from apiserver.machinery.schema import Catalogue
from apiserver.machinery.table import human_duration
from apiserver.resources.certificatesigningrequest.strategy import (
    GROUP,
    PLURAL,
    CertificateSigningRequestStrategy,
    MayUseSigner,
)
from apiserver.resources.certificatesigningrequest.validation import condition_of
from apiserver.resources.rules import AGE
from kube.names import path_segment_problem


def _requested_duration(obj: Object) -> str:
    seconds = obj["spec"].get("expirationSeconds")
    return "<none>" if seconds is None else human_duration(seconds)


def _condition(obj: Object) -> str:
    """Return what has become of a request (``printers/internalversion.extractCSRStatus``)."""
    status = obj.get("status", {})
    decided = next((name for name in ("Denied", "Approved") if condition_of(status, name)), "Pending")
    failed = ["Failed"] if condition_of(status, "Failed") else []
    issued = ["Issued"] if status.get("certificate") else []
    return ",".join([decided, *failed, *issued])


COLUMNS = (
    AGE,
    Column(name="SignerName", json_path=".spec.signerName"),
    Column(name="Requestor", json_path=".spec.username"),
    Column(name="RequestedDuration", value=_requested_duration),
    Column(name="Condition", value=_condition),
)


def resource(catalogue: Catalogue, may_use_signer: MayUseSigner) -> Resource:
    """Define the kind."""
    schema = catalogue.schema(GROUP, "v1", "CertificateSigningRequest")
    return Resource(
        group=GROUP,
        kind="CertificateSigningRequest",
        plural=PLURAL,
        singular="certificatesigningrequest",
        short_names=("csr",),
        namespaced=False,
        names=path_segment_problem,
        versions=(Version(name="v1", schema=schema, columns=COLUMNS),),
        strategy=CertificateSigningRequestStrategy(may_use_signer),
        has_status=True,
        approvable=True,
        selectable_fields=("spec.signerName",),
    )
