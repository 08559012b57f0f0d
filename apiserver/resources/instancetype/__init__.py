"""Sizes of machines and what suits their operating systems: each for a namespace, or for all."""

from kube.instancetypes.versions import GROUP

__all__ = ["GROUP", "VERSIONS"]

VERSIONS = ("v1beta1", "v1alpha2", "v1alpha1")
