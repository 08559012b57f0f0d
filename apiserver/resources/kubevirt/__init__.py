"""KubeVirt: the one configuration of the system."""
