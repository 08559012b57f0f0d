"""Into a Kubernetes cluster and out of it again, through its API: ``virtplane install`` and ``uninstall``."""
