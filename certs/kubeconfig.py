"""Kubeconfig files: where the server is, whom to trust, and who I am.

Source: Kubernetes, "Organizing Cluster Access Using kubeconfig Files".
"""

import base64
from pathlib import Path

import yaml

from certs.files import replace_file
from certs.pair import Pair


def write_kubeconfig(path: Path, *, server: str, authority: Path, pair: Path, user: str, embed: bool = True) -> None:
    """Write a kubeconfig (mode 0600) for who has the certificate and key in the file ``pair``.

    With ``embed`` it holds its credentials itself, so that it can be copied elsewhere. Without, it names their files:
    what starts again reads renewed ones, and clients that need files make no copies of keys.
    """
    cluster: dict[str, str] = {"server": server}
    if embed:
        known = Pair.load(pair.parent, pair.stem)
        cluster["certificate-authority-data"] = _encoded(authority.read_bytes())
        credentials = {
            "client-certificate-data": _encoded(known.certificate_pem),
            "client-key-data": _encoded(known.key_pem),
        }
    else:
        cluster["certificate-authority"] = str(authority.absolute())
        credentials = dict.fromkeys(("client-certificate", "client-key"), str(pair.absolute()))
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "virtplane", "cluster": cluster}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": "virtplane", "context": {"cluster": "virtplane", "user": user, "namespace": "default"}}],
        "current-context": "virtplane",
    }
    replace_file(path, yaml.safe_dump(content, sort_keys=False, encoding="utf-8"), 0o600)


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()
