"""The server's process: what the API server needs, prepared, and kept current while it runs."""

import asyncio
from pathlib import Path

from apiserver.audit import AuditPolicyError
from apiserver.http.agents import Agents
from apiserver.incluster import Member
from apiserver.preconditions import HalfConfiguredError
from apiserver.server import Options, run
from apiserver.standalone import Own
from apiserver.storage.keyfile import KeyFileError
from apiserver.storage.sealing import KeyMissingError
from certs.bootstrap import Pki
from certs.purposes import AGENT_CLIENT, API, CALLERS, STREAMS
from virtplane.certificates import following_certificates
from virtplane.errors import VirtplaneError
from virtplane.home import Home
from virtplane.membercertificates import member_certificates
from virtplane.prepare import migrate_database, prepare
from virtplane.settings import Settings


class ServerError(VirtplaneError):
    """The server cannot run as things are; the message says what to do."""


async def serve(settings: Settings, stop: asyncio.Event, ready: asyncio.Event) -> None:
    """Run the API server, after preparing all it needs. Raises VirtplaneError, KubeconfigError and OSError."""
    try:
        await (_as_member if settings.in_kubernetes else _alone)(settings, stop, ready)
    except (AuditPolicyError, HalfConfiguredError, KeyFileError) as error:
        raise ServerError(str(error)) from error
    except KeyMissingError as error:
        keys = Home.of(settings).encryption_keys
        raise ServerError(f"{error}: put the file back that has it, {keys}") from error


async def _alone(settings: Settings, stop: asyncio.Event, ready: asyncio.Event) -> None:
    pki = await prepare(settings)
    own = Own(
        client_authorities=tuple(map(pki.bundle, CALLERS)),
        token_key=pki.tokens,
        encryption_keys=Home.of(settings).encryption_keys,
        initial_configuration=settings.initial_configuration == "on",
    )
    async with following_certificates(settings, stop, ready):
        await run(_options(settings, pki, own), stop, ready)


async def _as_member(settings: Settings, stop: asyncio.Event, ready: asyncio.Event) -> None:
    await migrate_database(settings)
    async with member_certificates(settings, stop) as pki:
        if not stop.is_set():
            await run(_options(settings, pki, Member(kubeconfig=settings.cluster)), stop, ready)


def _options(settings: Settings, pki: Pki, around: Own | Member) -> Options:
    return Options(
        address=settings.address,
        port=settings.port,
        database_url=settings.database,
        certificate=pki.pair(API.file),
        around=around,
        agents=Agents(authority=pki.bundle(STREAMS), certificate=pki.pair(AGENT_CLIENT.file)),
        shutdown_delay=settings.shutdown_delay,
        audit_log=Path(settings.audit_log) if settings.audit_log else None,
        audit_policy=Path(settings.audit_policy) if settings.audit_policy else None,
        data_volumes=settings.data_volumes == "on",
    )
