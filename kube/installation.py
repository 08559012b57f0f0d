"""Where an installation keeps in the API what is its own, and where it is found in a cluster."""

NAMESPACE = "virtplane"
SERVICE = "virtplane-api"
"""The Service at which kube-apiserver reaches the server, and the Deployment behind it."""
