"""The only room that talks to libvirt, and what QEMU needs of the host: KVM where it works, and ways to its files.

Nothing here knows the Kubernetes API: what comes in are domain XML, names and paths.
"""
