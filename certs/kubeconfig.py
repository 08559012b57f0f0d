"""Kubeconfig files: where the server is, whom to trust, and who I am.

Source: Kubernetes, "Organizing Cluster Access Using kubeconfig Files".
"""

import base64
from pathlib import Path

import yaml

from certs.files import replace_file


def write_kubeconfig(
    path: Path, *, server: str, authority: Path, certificate: Path, key: Path, user: str, embed: bool = True
) -> None:
    """Write a kubeconfig (mode 0600).

    With ``embed`` it holds its credentials itself, so that it can be copied elsewhere. Without, it names their files:
    what starts again reads renewed ones, and clients that need files make no copies of keys.
    """
    cluster = {"server": server} | _credential("certificate-authority", authority, embed=embed)
    credentials = _credential("client-certificate", certificate, embed=embed) | _credential(
        "client-key", key, embed=embed
    )
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "virtplane", "cluster": cluster}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": "virtplane", "context": {"cluster": "virtplane", "user": user, "namespace": "default"}}],
        "current-context": "virtplane",
    }
    replace_file(path, yaml.safe_dump(content, sort_keys=False, encoding="utf-8"), 0o600)


def _credential(name: str, file: Path, *, embed: bool) -> dict[str, str]:
    if embed:
        return {f"{name}-data": base64.b64encode(file.read_bytes()).decode()}
    return {name: str(file.absolute())}
