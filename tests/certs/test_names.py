"""Under which names a server is reached."""

import socket

import pytest

from certs.names import serving_names


@pytest.mark.parametrize(
    ("address", "names"),
    [
        ("127.0.0.1", ["localhost", "127.0.0.1"]),
        ("0:0:0:0:0:0:0:1", ["localhost", "::1"]),
        ("vm.example.test", ["localhost", "vm.example.test"]),
    ],
)
def test_one_address_is_one_name_beside_localhost(address: str, names: list[str]) -> None:
    assert serving_names(address) == names


@pytest.mark.parametrize("everywhere", ["0.0.0.0", "::"])  # noqa: S104 - what is tested
def test_all_addresses_are_the_hosts_name_and_each_address_it_has(everywhere: str) -> None:
    names = serving_names(everywhere)
    assert {"localhost", socket.gethostname().lower(), "127.0.0.1", "::1"} <= set(names)
    assert len(set(names)) == len(names)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:  # a machine without a network has no more to say
            return
        assert probe.getsockname()[0] in names
