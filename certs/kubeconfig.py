"""Kubeconfig files: where the server is, whom to trust, and who I am.

Source: Kubernetes, "Organizing Cluster Access Using kubeconfig Files".
"""

import base64
from pathlib import Path

import yaml

from certs.files import replace_file


def write_kubeconfig(path: Path, *, server: str, authority: Path, certificate: Path, key: Path, user: str) -> None:
    """Write a kubeconfig (mode 0600) that holds its credentials itself, so that it can be copied elsewhere."""
    cluster = {"server": server, "certificate-authority-data": _data(authority)}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "virtplane", "cluster": cluster}],
        "users": [
            {
                "name": user,
                "user": {"client-certificate-data": _data(certificate), "client-key-data": _data(key)},
            }
        ],
        "contexts": [{"name": "virtplane", "context": {"cluster": "virtplane", "user": user, "namespace": "default"}}],
        "current-context": "virtplane",
    }
    replace_file(path, yaml.safe_dump(content, sort_keys=False, encoding="utf-8"), 0o600)


def _data(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
