"""Instance types and preferences: what a machine is made of when it names them.

An instance type says how large a guest is, and a machine that names one must not say it too; a preference fills in
what the machine leaves open. Pure functions of ``instancetype.kubevirt.io/v1beta1`` specs, for the server, which
judges and expands machines, and for the controllers, which make instances from them.
Source: KubeVirt's ``pkg/instancetype``.
"""
