"""Keeps the status of the KubeVirt object: that the system runs as it says."""
