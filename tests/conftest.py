"""What all tests can ask for."""

from tests.libvirt_host import private_libvirt

__all__ = ["private_libvirt"]
