"""A client's TLS context: whom it trusts and what it shows, always as its files are now."""

import ssl
from pathlib import Path
from typing import Any, cast

import aiohttp
from kubernetes.aio.client import Configuration
from kubernetes.aio.client.rest import RESTClientObject

from certs.following import Following


class FollowingContext(Following):
    """Trusts a bundle of authorities, and shows a certificate where it has one."""

    @classmethod
    def of(cls, authority: Path, certificate: Path | None, key: Path | None) -> "FollowingContext":
        """Return a context that trusts ``authority`` and shows ``certificate``, if there is one.

        Raises OSError and ssl.SSLError when the files cannot be used.
        """
        context = cls(ssl.PROTOCOL_TLS_CLIENT)
        context._begin(*(each for each in (authority, certificate, key) if each is not None))
        return context

    def _make(self) -> ssl.SSLContext:
        authority, *pair = self._files
        context = ssl.create_default_context(cafile=str(authority))
        if pair:
            context.load_cert_chain(pair[0], pair[-1])
        return context


class FollowingRest(RESTClientObject):
    """Kubernetes' transport, in which a request goes over no connection that was made with other certificates.

    Who is asking is found out at each request, so that a connection whose certificate's authority has been replaced is
    of no use any more. Source: ``client-go/transport/cert_rotation.go``, which closes such connections.
    """

    def __init__(self, configuration: Configuration, context: FollowingContext) -> None:
        """``context`` decides whom to trust and what to show."""
        super().__init__(configuration)
        self._context = context

    def _create_pool_manager(self) -> aiohttp.ClientSession:
        return cast("aiohttp.ClientSession", _Session(super()._create_pool_manager(), self._context))


class _Session:
    """What the transport needs of a session."""

    def __init__(self, session: aiohttp.ClientSession, context: FollowingContext) -> None:
        self._session = session
        self._context = context

    async def request(self, **how: Any) -> aiohttp.ClientResponse:
        # The pool tells connections apart by their context; those of an earlier one are soon closed, being idle.
        return await self._session.request(**how, ssl=self._context.follow())

    async def close(self) -> None:
        await self._session.close()
