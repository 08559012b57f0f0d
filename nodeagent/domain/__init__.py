"""Domains: a VirtualMachineInstance as libvirt's domain XML, and a domain's XML as facts. Pure, without libvirt itself.

One module per element of https://libvirt.org/formatdomain.html; ``build`` puts them together.
"""
