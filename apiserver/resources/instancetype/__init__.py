"""Sizes of machines and what suits their operating systems: each for a namespace, or for all."""

GROUP = "instancetype.kubevirt.io"
VERSIONS = ("v1beta1", "v1alpha2", "v1alpha1")
