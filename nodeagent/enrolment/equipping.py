"""The first start of an agent that looks after its certificates itself, and has none yet."""

import asyncio

import structlog

from certs.bootstrap import Pki
from client.api import Client
from client.errors import ApiError
from nodeagent.enrolment.bundles import Bundles
from nodeagent.enrolment.errors import JoinError
from nodeagent.enrolment.requesting import Enrolment, obtain

RETRY_SECONDS = 1.0

log = structlog.get_logger(__name__)


async def equip(client: Client, pki: Pki, enrolment: Enrolment) -> None:
    """Return once there is a file of each certificate; asks until the controllers have issued them."""
    missing = [wanted for leaf, wanted in enrolment.wanted.items() if not pki.pair(leaf.file).exists()]
    pki.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    while missing:
        try:
            await Bundles(pki, enrolment).fetch(client)
            await obtain(client, pki.directory, missing[0], lambda told: log.warning("waiting", why=told))
        except (ApiError, JoinError) as error:
            log.warning("no certificate yet, will ask again", file=missing[0].file, why=str(error))
            await asyncio.sleep(RETRY_SECONDS)
        else:
            missing.pop(0)
