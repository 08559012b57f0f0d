"""One logical log of all objects on SQL, and the watch cache in front of it. Knows bytes, not Kubernetes."""
