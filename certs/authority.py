"""Certificate authorities and what they issue: ECDSA P-256, clock skew allowed for.

Source: RFC 5280; Kubernetes' "PKI certificates and requirements" for subjects and key usages.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs.pair import Pair

AUTHORITY_LIFETIME = timedelta(days=3650)
LEAF_LIFETIME = timedelta(days=365)
CLOCK_SKEW = timedelta(minutes=5)
"""Certificates are valid from a little before they are made: not all clocks agree."""


@dataclass(frozen=True, slots=True)
class Life:
    """The time from which on a certificate is needed, and how long it is good for."""

    begin: datetime
    duration: timedelta


def make_authority(common_name: str, life: Life | None = None) -> Pair:
    """Make a self-signed authority that may issue leaves and nothing else; it begins now unless ``life`` says when."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = subject(common_name)
    usage = _key_usage(signs_certificates=True)
    life = life or Life(datetime.now(UTC), AUTHORITY_LIFETIME)
    builder = (
        _builder(name, name, key.public_key(), life.begin, life.begin + life.duration)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
    )
    return Pair(builder.sign(key, hashes.SHA256()), key)


def issue_server(authority: Pair, common_name: str, names: Sequence[str], life: Life | None = None) -> Pair:
    """Issue a serving certificate for DNS names and IP addresses."""
    return _issue(authority, subject(common_name), ExtendedKeyUsageOID.SERVER_AUTH, alternatives(names), life)


def issue_client(authority: Pair, user: str, groups: Sequence[str] = (), life: Life | None = None) -> Pair:
    """Issue a certificate that says to the API server: I am ``user`` and belong to ``groups``."""
    return _issue(authority, subject(user, groups), ExtendedKeyUsageOID.CLIENT_AUTH, None, life)


def life_of(certificate: x509.Certificate) -> timedelta:
    """Return how long a certificate was made for."""
    return certificate.not_valid_after_utc - certificate.not_valid_before_utc - CLOCK_SKEW


def sign_client(
    authority: Pair, key: ec.EllipticCurvePublicKey, user: str, groups: Sequence[str], life: Life
) -> x509.Certificate:
    """Return what ``issue_client`` makes, for somebody who has the ``key``."""
    return _signed(authority, key, subject(user, groups), ExtendedKeyUsageOID.CLIENT_AUTH, None, life)


def sign_server(
    authority: Pair, key: ec.EllipticCurvePublicKey, common_name: str, names: Sequence[str], life: Life
) -> x509.Certificate:
    """Return what ``issue_server`` makes, for somebody who has the ``key``."""
    usage = ExtendedKeyUsageOID.SERVER_AUTH
    return _signed(authority, key, subject(common_name), usage, alternatives(names), life)


def issued_at(certificate: x509.Certificate) -> datetime:
    """Return from when on a certificate was needed, to the second."""
    return certificate.not_valid_before_utc + CLOCK_SKEW


def subject(common_name: str, organizations: Sequence[str] = ()) -> x509.Name:
    """Return whom a certificate names; to the API server, a user and the groups it belongs to.

    Raises ValueError for more than 64 characters (RFC 5280, ub-common-name).
    """
    groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in organizations]
    return x509.Name([*groups, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def alternatives(names: Sequence[str]) -> x509.SubjectAlternativeName:
    """Return DNS names and addresses as a certificate has them. Raises ValueError for what is neither."""
    return x509.SubjectAlternativeName([_general_name(name) for name in names])


def _issue(
    authority: Pair,
    name: x509.Name,
    usage: x509.ObjectIdentifier,
    served: x509.SubjectAlternativeName | None,
    life: Life | None,
) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    life = life or Life(datetime.now(UTC), LEAF_LIFETIME)
    return Pair(_signed(authority, key.public_key(), name, usage, served, life), key)


def _signed(
    authority: Pair,
    key: ec.EllipticCurvePublicKey,
    name: x509.Name,
    usage: x509.ObjectIdentifier,
    served: x509.SubjectAlternativeName | None,
    life: Life,
) -> x509.Certificate:
    # Nobody trusts it for longer than its issuer.
    end = min(life.begin + life.duration, authority.certificate.not_valid_after_utc)
    builder = (
        _builder(name, authority.certificate.subject, key, life.begin, end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
    )
    if served is not None:
        builder = builder.add_extension(served, critical=False)
    return builder.sign(authority.key, hashes.SHA256())


def _builder(
    name: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, begin: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin - CLOCK_SKEW)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def served_names(certificate: x509.Certificate) -> list[str]:
    """Return the DNS names and addresses that a certificate is good for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return [*names.get_values_for_type(x509.DNSName), *addresses]
