"""What a TLS configuration says, in OpenSSL's terms."""

import ssl

import pytest

from kube.tls import OPENSSL_NAMES, TlsConfiguration

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.mark.parametrize("name", [name for name in OPENSSL_NAMES if "RC4" not in name and "3DES" not in name])
def test_openssl_knows_the_ciphers_by_these_names(name: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(f"{OPENSSL_NAMES[name]}:@SECLEVEL=0")
    found = {each["name"]: each for each in context.get_ciphers() if each["protocol"] != "TLSv1.3"}
    assert found.keys() == {OPENSSL_NAMES[name]}
    exchange, _, cipher = name.removeprefix("TLS_").partition("_WITH_")
    described = str(found[OPENSSL_NAMES[name]]["description"])
    assert ("Kx=ECDH" in described) == exchange.startswith("ECDHE")
    assert ("Au=ECDSA" in described) == exchange.endswith("ECDSA")
    assert ("GCM" in described) == ("GCM" in cipher)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({}, TlsConfiguration(TLS12)),
        ({"minTLSVersion": "VersionTLS10"}, TlsConfiguration(TLS12)),
        ({"minTLSVersion": "VersionTLS12", "ciphers": None}, TlsConfiguration(TLS12)),
        ({"minTLSVersion": "VersionTLS13"}, TlsConfiguration(TLS13)),
        (
            {"ciphers": ["TLS_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"]},
            TlsConfiguration(TLS12, ("ECDHE-ECDSA-CHACHA20-POLY1305",)),
        ),
    ],
)
def test_a_configuration_is_read(said: dict[str, object], meant: TlsConfiguration) -> None:
    assert TlsConfiguration.of(said) == meant
