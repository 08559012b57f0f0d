"""``virtplane agent join``: a host becomes a node of a server elsewhere."""

import asyncio
from collections.abc import Sequence

from cryptography.x509.oid import NameOID

from certs.bootstrap import Pki
from certs.pair import Pair
from certs.pinning import PIN
from certs.purposes import AGENT, API
from kube.users import NODE_PREFIX
from nodeagent.enrolment.errors import JoinError
from nodeagent.enrolment.join import Options
from nodeagent.enrolment.join import join as join_server
from virtplane.errors import VirtplaneError
from virtplane.home import Home
from virtplane.settings import Settings


class EnrolmentError(VirtplaneError):
    """This host cannot join; the message says what to do."""


def join(settings: Settings, *, server: str, token: str, pins: Sequence[str]) -> int:
    """Make this host the node of its name, or do nothing if it is. Raises EnrolmentError and OSError."""
    home = Home.of(settings)
    if Pki(home.pki).pair(API.file).exists():
        raise EnrolmentError(f"{home.directory} holds a server of its own: choose another --home for this agent")
    if wrong := [pin for pin in pins if not PIN.fullmatch(pin)]:
        raise EnrolmentError(f"--ca-cert-hash must be sha256: and 64 hexadecimal digits; it is {wrong[0]!r}")
    home.make()
    options = Options(
        server=server,
        token=token,
        pins=pins,
        node_name=settings.node_name,
        pki=home.pki,
        kubeconfig=home.kubeconfig_of("agent"),
    )
    try:
        joined = asyncio.run(join_server(options, _tell))
    except JoinError as wrong:
        raise EnrolmentError(str(wrong)) from wrong
    print(f"this host is the node {settings.node_name}" if joined else f"nothing to do: it is {settings.node_name}")
    print("Run its agent with `virtplane agent`.")
    return 0


def enrolled_node(home: Home) -> str | None:
    """Return the node that this host is of a server elsewhere; None where it has not joined one."""
    pki = Pki(home.pki)
    if pki.pair(API.file).exists() or not home.kubeconfig_of("agent").exists():
        return None
    try:
        named = Pair.load(home.pki, AGENT.file).certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except (FileNotFoundError, ValueError):
        return None
    return str(named[0].value).removeprefix(NODE_PREFIX) if named else None


def _tell(text: str) -> None:
    print(text, flush=True)
