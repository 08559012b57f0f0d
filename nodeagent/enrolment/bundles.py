"""Whom an agent trusts that looks after that itself: the bundles that the API tells of, as files."""

import asyncio
from collections.abc import Mapping
from datetime import datetime

from certs.bootstrap import Pki
from certs.held import Held
from certs.objects import Statement, bundled_in
from certs.purposes import Purpose
from certs.trust import Trust
from client.api import Client
from client.kinds import CONFIG_MAP
from kube.installation import NAMESPACE
from kube.objects import Object
from kube.timestamps import utc_now
from nodeagent.enrolment.requesting import Enrolment


class Bundles:
    """The files of one agent."""

    def __init__(self, pki: Pki, enrolment: Enrolment) -> None:
        self._held = Held(pki=pki, leaves=tuple(enrolment.wanted), purposes=enrolment.purposes)

    async def fetch(self, client: Client) -> None:
        """Write the bundles as they are now. Raises ApiError and OSError."""
        found = {each: await client.get(CONFIG_MAP, each.authority, NAMESPACE) for each in self._held.purposes}
        await asyncio.to_thread(self.write, found)

    def write(self, found: Mapping[Purpose, Object | None]) -> bool:
        """Write what differs; return True for any. Raises OSError."""
        now = utc_now()
        trusts = {purpose: Trust(bundle=bundled_in(each)) for purpose, each in found.items()}
        changed = [self._held.take_over(purpose, trust, now) for purpose, trust in trusts.items()]
        return any(changed)

    def statement(self, node: str, now: datetime) -> Statement:
        """Return what is held at this moment. Raises OSError."""
        return self._held.statement({}, node, now)
