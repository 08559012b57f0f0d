"""Bytes in JSON: base64, in which Go's decoder, and so Kubernetes, takes line breaks anywhere."""

import base64


def decode(text: str) -> bytes:
    """Return the bytes that ``text`` stands for. Raises ValueError when it is no base64."""
    return base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
