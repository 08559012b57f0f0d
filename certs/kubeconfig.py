"""Kubeconfig files: where the server is, whom to trust, and who I am.

Source: Kubernetes, "Organizing Cluster Access Using kubeconfig Files".
"""

import base64
import os
from pathlib import Path

import yaml


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
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        yaml.safe_dump(content, file, sort_keys=False)
    temporary.replace(path)


def _data(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
