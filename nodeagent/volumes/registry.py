"""Images in a registry: the OCI distribution API over HTTPS.

The API: https://github.com/opencontainers/distribution-spec/blob/main/spec.md; tokens:
https://distribution.github.io/distribution/spec/auth/token/.
"""

import asyncio
import hashlib
import json
import re
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from nodeagent.volumes import manifest
from nodeagent.volumes.manifest import Descriptor, ImageError
from nodeagent.volumes.reference import DEFAULT_REGISTRY, ImageReference

CONNECT_SECONDS = 15
SILENCE_SECONDS = 60  # the longest pause in a transfer; a large layer as such may take as long as it needs
TOKEN_SECONDS = 30

_DOCKER_HUB = "registry-1.docker.io"
_CHUNK_BYTES = 1024 * 1024
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_ACCEPT = ", ".join((*manifest.MANIFEST_TYPES, *manifest.INDEX_TYPES))


@dataclass(slots=True)
class RegistryImage:
    """One image in a registry, read as whoever comes along, with a token where the registry asks for one.

    Args:
        session: Whose connections are used.
        reference: Which image.
        insecure: Plain HTTP is acceptable, because an administrator listed this registry.
        tls: Whom to trust; the system's authorities if None.
        layer_limit: The largest layer that is downloaded, in bytes.
    """

    session: aiohttp.ClientSession
    reference: ImageReference
    layer_limit: int
    insecure: bool = False
    tls: ssl.SSLContext | None = None
    _token: str | None = field(default=None, init=False, repr=False)
    _manifests: dict[str, bytes] = field(default_factory=dict, init=False, repr=False)

    async def root(self) -> Descriptor:
        """Ask the registry what the tag or digest means now."""
        body = await self._manifest(self.reference.version)
        root = Descriptor(f"sha256:{hashlib.sha256(body).hexdigest()}", len(body))
        if self.reference.digest not in (None, root.digest):
            raise ImageError(f"{self.reference.registry} answered with {root.digest}, which is not what was asked for")
        self._manifests[root.digest] = body
        return root

    async def read(self, part: Descriptor) -> bytes:
        """A manifest, verified."""
        body = self._manifests.get(part.digest) or await self._manifest(part.digest)
        return manifest.verify(part, body)

    async def save(self, part: Descriptor, target: Path) -> None:
        """Download a layer to ``target``, verified while it arrives."""
        if part.size > self.layer_limit:
            raise ImageError(f"a layer has {part.size} bytes; at most {self.layer_limit} are accepted")
        async with self._get(f"blobs/{part.digest}", "*/*") as response:
            await _receive(response, part, target)

    async def _manifest(self, version: str) -> bytes:
        async with self._get(f"manifests/{version}", _ACCEPT) as response:
            body = bytearray()
            async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                body += chunk
                if len(body) > manifest.MANIFEST_LIMIT:
                    raise ImageError(f"the manifest is larger than {manifest.MANIFEST_LIMIT} bytes")
        return bytes(body)

    @asynccontextmanager
    async def _get(self, path: str, accept: str) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """GET below the repository, with a token once the registry has asked for one; every failure an ImageError."""
        url = self._base() / "v2" / self.reference.repository / path
        try:
            response = await self._request(url, accept)
            if response.status == 401 and self._token is None:
                challenge = response.headers.get("WWW-Authenticate", "")
                response.release()
                self._token = await self._fetch_token(challenge)
                response = await self._request(url, accept)
            async with response:
                self._check(response)
                yield response
        except aiohttp.ClientConnectorCertificateError as error:
            raise ImageError(f"the certificate of {error.host} is not trusted here", retryable=True) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
            what = str(cause) or type(cause).__name__
            raise ImageError(f"{self.reference.registry} cannot be reached: {what}", retryable=True) from error

    async def _request(self, url: URL, accept: str) -> aiohttp.ClientResponse:
        headers = {"Accept": accept}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        # aiohttp drops the Authorization header when a redirect leads to another host.
        return await self.session.get(
            url,
            headers=headers,
            ssl=self.tls or True,
            timeout=aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS),
        )

    async def _fetch_token(self, challenge: str) -> str:
        """The token of whoever answers for this registry, as its challenge says."""
        fields: dict[str, str] = dict(_CHALLENGE.findall(challenge))
        realm = URL(fields.get("realm", ""))
        if not challenge.lower().startswith("bearer ") or not realm.is_absolute():
            raise ImageError(f"{self.reference.registry} wants a login; only public images can be used")
        self._check_scheme(realm)
        query = {"service": fields.get("service", ""), "scope": f"repository:{self.reference.repository}:pull"}
        timeout = aiohttp.ClientTimeout(total=TOKEN_SECONDS)
        async with self.session.get(realm.update_query(query), ssl=self.tls or True, timeout=timeout) as response:
            self._check(response)
            body = await response.content.read(manifest.MANIFEST_LIMIT)
        match _json(body):
            case {"token": str(token)} | {"access_token": str(token)}:
                return token
            case _:
                raise ImageError(f"{realm.host} gave no token for {self.reference.repository}", retryable=True)

    def _base(self) -> URL:
        registry = self.reference.registry
        host = _DOCKER_HUB if registry == DEFAULT_REGISTRY else registry
        return URL(f"{'http' if self.insecure else 'https'}://{host}")

    def _check(self, response: aiohttp.ClientResponse) -> None:
        """Raise ImageError unless the answer is a success that came over an acceptable connection."""
        for step in (*response.history, response):
            self._check_scheme(step.url)
        if response.status == 200:
            return
        registry = self.reference.registry
        if response.status in (401, 403, 404):
            raise ImageError(f"{registry} has no public image {self.reference} (it answered {response.status})")
        raise ImageError(f"{registry} answered {response.status} {response.reason}", retryable=True)

    def _check_scheme(self, url: URL) -> None:
        if url.scheme != "https" and not self.insecure:
            raise ImageError(f"{self.reference.registry} sends its readers to {url.host} without TLS, which is refused")


async def _receive(response: aiohttp.ClientResponse, part: Descriptor, target: Path) -> None:
    """Write the answer to ``target`` and verify its size and digest on the way."""
    digest, size = hashlib.sha256(), 0
    file = await asyncio.to_thread(target.open, "xb")
    try:
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            size += len(chunk)
            if size > part.size:
                raise ImageError(f"the registry sends more than the {part.size} bytes of {part.digest}")
            digest.update(chunk)
            await asyncio.to_thread(file.write, chunk)
    finally:
        await asyncio.to_thread(file.close)
    if part.digest != f"sha256:{digest.hexdigest()}":
        raise ImageError(f"the content of {part.digest} was damaged on the way", retryable=True)


def _json(body: bytes) -> Any:
    """``body`` as JSON, or None."""
    try:
        return json.loads(body)
    except ValueError:
        return None
