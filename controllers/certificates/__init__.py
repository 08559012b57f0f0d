"""Keeps the certificates of the installation fresh: authority, bundle and leaves, in Secrets and a ConfigMap."""
