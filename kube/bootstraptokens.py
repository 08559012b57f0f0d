"""Bootstrap tokens: Secrets by which somebody without a certificate may ask for one, for a short time.

Source: Kubernetes, "Authenticating with Bootstrap Tokens", and ``k8s.io/cluster-bootstrap/token``. That a token may be
for one node alone is ours.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from kube.encoding import decode
from kube.metadata import is_terminating
from kube.objects import Object
from kube.timestamps import from_time

NAMESPACE = "kube-system"
SECRET_TYPE = "bootstrap.kubernetes.io/token"  # noqa: S105 - a type
NAME_PREFIX = "bootstrap-token-"
USER_PREFIX = "system:bootstrap:"
"""How the users that such tokens stand for are called; the token's id follows."""
GROUP = "system:bootstrappers"
"""The group of them all."""
AGENTS_GROUP = f"{GROUP}:virtplane:default-node-token"
"""The group of those that node agents join with."""
NODE_ANNOTATION = "virtplane.io/node-name"
"""On a token that is for the one node of this name."""
USED_ANNOTATION = "virtplane.io/used-by"
"""On such a token, once it has been used: the uid of the request for a certificate that was approved for it."""
FORM = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
_EXTRA_GROUP = re.compile(rf"{GROUP}:[a-z0-9:-]{{0,255}}[a-z0-9]")


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapToken:
    """What a Secret says of a token, but for the secret half."""

    token_id: str
    authenticates: bool
    """False for one that may only sign."""
    groups: frozenset[str]
    description: str
    node: str
    """The one node it is for; empty for any."""
    used_by: str
    version: str
    """The resourceVersion of the Secret."""
    created: datetime
    expires: datetime | None

    def expired(self, now: datetime) -> bool:
        """Return True when its time is over."""
        return self.expires is not None and now >= self.expires


def secret_name(token_id: str) -> str:
    """Return what the Secret of a token is called."""
    return f"{NAME_PREFIX}{token_id}"


def token_id_of(user: str) -> str | None:
    """Return the id of the token that a user has come with, or None."""
    return user.removeprefix(USER_PREFIX) if user.startswith(USER_PREFIX) else None


def secret_half(secret: Object) -> bytes:
    """Return the half of the token that nobody else may know; empty for a Secret that has none."""
    return _values(secret).get("token-secret", b"")


def read_token(secret: Object) -> BootstrapToken | None:
    """Return what a Secret says of its token; None when it is no token, or not one that anybody can use."""
    values = {key: value.decode(errors="replace") for key, value in _values(secret).items()}
    metadata = secret["metadata"]
    token_id = values.get("token-id", "")
    if secret.get("type") != SECRET_TYPE or metadata["name"] != secret_name(token_id) or is_terminating(secret):
        return None
    extra = [group for group in values.get("auth-extra-groups", "").split(",") if group]
    annotations = metadata.get("annotations") or {}
    try:
        expires = _moment(values["expiration"]) if values.get("expiration") else None
    except ValueError:
        expires = datetime.min.replace(tzinfo=UTC)  # what nobody understands is over
    if not all(_EXTRA_GROUP.fullmatch(group) for group in extra):
        return None
    return BootstrapToken(
        token_id=token_id,
        authenticates=values.get("usage-bootstrap-authentication") == "true",
        groups=frozenset({GROUP, *extra}),
        description=values.get("description", ""),
        node=annotations.get(NODE_ANNOTATION, ""),
        used_by=annotations.get(USED_ANNOTATION, ""),
        version=metadata["resourceVersion"],
        created=from_time(metadata["creationTimestamp"]),
        expires=expires,
    )


def _values(secret: Object) -> Mapping[str, bytes]:
    try:
        return {key: decode(value) for key, value in (secret.get("data") or {}).items()}
    except ValueError:
        return {}


def _moment(text: str) -> datetime:
    moment = from_time(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} names no time zone")
    return moment
