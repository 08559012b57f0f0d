"""Volumes: what a VMI's ``volumes`` and ``kernelBoot`` name, prepared as files that QEMU can open."""
