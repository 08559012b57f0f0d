"""What all tests can ask for."""

from hypothesis import settings

from tests.libvirt_host import private_libvirt

__all__ = ["private_libvirt"]

# How long an example takes says more about the machine's other work than about the code.
settings.register_profile("virtplane", deadline=None)
settings.load_profile("virtplane")
