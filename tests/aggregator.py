"""Stands in for kube-apiserver with its aggregator, which cannot be installed here, before two real servers of ours.

One of them serves KubeVirt's groups: to it go requests as the aggregator sends them, by the recording beside the tests
in ``aggregation/``. The other plays the cluster and is sent all the rest. Who calls is found out here, by certificate
or token; the cluster is told by impersonation, the aggregated server by the front proxy's headers. Bytes pass as they
are in both directions, so that streams, upgrades and trailers are the two ends' own affair.
"""

import asyncio
import contextlib
import hashlib
import json
import ssl
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson

from apiserver.http import openapi_protobuf
from apiserver.http.openapi import PROTOBUF
from certs.authority import issue_client, issue_server, make_authority
from kube.groups import is_kubevirt

ADDRESS = "127.0.0.1"
REQUEST = aiohttp.ClientTimeout(total=20)
HEAD_BYTES = 1 << 20
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
AS_AGGREGATOR = {"X-Remote-User": "system:kube-aggregator", "X-Remote-Group": "system:masters"}
"""Who the aggregator is where it asks for itself."""
PROXY_NAME = "front-proxy-client"

Headers = list[tuple[str, str]]
_HOP = {"connection", "keep-alive", "proxy-connection"}
_UNSAFE = set('()<>@,;:\\"/[]?={} \t%')


class RefusedError(Exception):
    """The caller is answered here: ``code`` and ``body``."""

    def __init__(self, code: int, body: bytes, kind: str = "text/plain") -> None:
        super().__init__(body.decode())
        self.code = code
        self.body = body
        self.kind = kind


@dataclass(frozen=True)
class Head:
    """The beginning of a request."""

    method: str
    target: str
    headers: Headers

    @classmethod
    def read(cls, head: bytes) -> "Head":
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        method, target, _ = first.split(" ")
        parted = (line.partition(":") for line in lines)
        return cls(method, target, [(name, value.strip()) for name, _, value in parted])

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def get(self, name: str) -> str:
        return next((value for each, value in self.headers if each.lower() == name), "")

    def without(self, *prefixes: str) -> Headers:
        return [(name, value) for name, value in self.headers if not name.lower().startswith(prefixes)]

    def written(self, headers: Headers) -> bytes:
        """These headers after the request line, for a connection of its own."""
        kept = [(name, value) for name, value in headers if name.lower() not in _HOP]
        kept.append(("Connection", "Upgrade" if self.get("upgrade") else "close"))
        lines = [f"{self.method} {self.target} HTTP/1.1", *(f"{name}: {value}" for name, value in kept)]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


@dataclass
class Backend:
    """A server behind the aggregator, as its APIService says, or the cluster."""

    port: int
    context: ssl.SSLContext
    hostname: str = ADDRESS


@dataclass
class FrontProxy:
    """The authority that aggregated servers know the aggregator by, and its certificate."""

    directory: Path
    name: str = PROXY_NAME

    def __post_init__(self) -> None:
        self.directory.mkdir(exist_ok=True)
        self.signer = make_authority("request-header-ca")
        self.authority = self.signer.certificate_pem.decode()
        self.pair = issue_client(self.signer, self.name)
        (self.directory / "own.pem").write_bytes(self.pair.certificate_pem + self.pair.key_pem)

    def context(self, trusted: Path) -> ssl.SSLContext:
        """A context that shows the certificate to a server whose authority is ``trusted``."""
        context = ssl.create_default_context(cafile=str(trusted))
        context.load_cert_chain(self.directory / "own.pem")
        return context


@dataclass
class Aggregator:
    """The stand-in. ``sent`` are the heads of all requests that went to the aggregated server."""

    cluster: Backend
    cluster_authority: str
    aggregated: Backend
    client_ca: Path
    directory: Path
    port: int = 0
    sent: list[tuple[Head, Headers]] = field(default_factory=list)

    def __post_init__(self) -> None:
        authority = make_authority("kube-apiserver-ca")
        (self.directory / "kube.crt").write_bytes(authority.certificate_pem)
        own = issue_server(authority, "kube-apiserver", [ADDRESS, "localhost"])
        (self.directory / "kube.pem").write_bytes(own.certificate_pem + own.key_pem)

    @property
    def authority(self) -> Path:
        """By which clients know it."""
        return self.directory / "kube.crt"

    @property
    def url(self) -> str:
        return f"https://{ADDRESS}:{self.port}"

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Aggregator"]:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(self.directory / "kube.pem")
        tls.load_verify_locations(self.client_ca)
        tls.verify_mode = ssl.CERT_OPTIONAL
        serving: set[asyncio.Task[None]] = set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task
            serving.add(task)
            task.add_done_callback(serving.discard)
            try:
                with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                    await self._serve(reader, writer)
            except asyncio.CancelledError:
                pass  # the end of the test, which asyncio's own callback would complain of
            finally:
                writer.close()

        listening = await asyncio.start_server(connected, ADDRESS, self.port, ssl=tls, limit=HEAD_BYTES)
        self.port = listening.sockets[0].getsockname()[1]
        connector = aiohttp.TCPConnector(limit=0)
        async with listening, aiohttp.ClientSession(connector=connector, auto_decompress=True) as self._session:
            try:
                yield self
            finally:
                for each in tuple(serving):
                    each.cancel()
                await asyncio.gather(*serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = Head.read(await reader.readuntil(b"\r\n\r\n"))
        try:
            user = await self._user(writer.get_extra_info("ssl_object"), head)
            match head.path.strip("/").split("/"):
                case ["apis"] | ["openapi", "v2"] | ["openapi", "v3"]:
                    await self._answer_merged(writer, head, user)
                case ["apis", group, *_] | ["openapi", "v3", "apis", group, *_] if is_kubevirt(group):
                    headers = forwarded(head, user, self.port)
                    self.sent.append((head, headers))
                    await self._pass(self.aggregated, head, headers, reader, writer)
                case _:
                    headers = [*head.without("authorization", "impersonate-"), *impersonating(user)]
                    await self._pass(self.cluster, head, headers, reader, writer)
        except RefusedError as refused:
            await answer(writer, refused.code, refused.body, refused.kind)

    async def _user(self, connection: ssl.SSLObject, head: Head) -> dict[str, Any]:
        """The ``UserInfo`` of who calls, or acts as somebody else, as the cluster sees it."""
        headers = {name: value for name, value in head.headers if name.lower() == "authorization"}
        told = [(name, value) for name, value in head.headers if name.lower().startswith("impersonate-")]
        context = self.cluster.context
        if certificate := connection.getpeercert():
            subject = [pair for relative in certificate["subject"] for pair in relative]
            groups = [value for key, value in subject if key == "organizationName"]
            headers = {}
            if not told:
                name = next(value for key, value in subject if key == "commonName")
                told = [("Impersonate-User", name), *(("Impersonate-Group", each) for each in groups)]
            elif "system:masters" not in groups:
                raise RefusedError(501, b"the stand-in lets only masters act as others by certificate")
        elif not headers:
            return {"username": "system:anonymous", "groups": ["system:unauthenticated"]}
        else:
            context = ssl.create_default_context(cafile=self.cluster_authority)
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        url = f"https://{ADDRESS}:{self.cluster.port}/apis/authentication.k8s.io/v1/selfsubjectreviews"
        asked = [*headers.items(), *told, ("Content-Type", "application/json")]
        async with self._session.post(url, json=review, headers=asked, ssl=context, timeout=REQUEST) as answered:
            body = await answered.read()
        if answered.status != 201:
            raise RefusedError(answered.status, body, answered.content_type)
        return json.loads(body)["status"]["userInfo"]

    async def _pass(
        self,
        backend: Backend,
        head: Head,
        headers: Headers,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Send the rest of the connection to ``backend``, and what it says back, until one of them ends."""
        try:
            there = await asyncio.open_connection(
                ADDRESS, backend.port, ssl=backend.context, server_hostname=backend.hostname, limit=HEAD_BYTES
            )
        except (OSError, ssl.SSLError) as away:
            raise RefusedError(503, f"error trying to reach service: {away}".encode()) from away
        from_there, to_there = there
        to_there.write(head.written(headers))
        ways = [(from_there, writer)]
        if not head.get("upgrade") or await switched(from_there, writer):
            # Else whoever is refused would have a connection on which all is believed (CVE-2018-1002105).
            ways.append((reader, to_there))
        ends = [asyncio.create_task(copied(*way)) for way in ways]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in ends:
                each.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
            to_there.close()

    async def _answer_merged(self, writer: asyncio.StreamWriter, head: Head, user: dict[str, Any]) -> None:
        """Answer what both servers have a part of, made of both."""
        theirs = await self._document(self.cluster, head, impersonating(user))
        try:
            ours = await self._document(self.aggregated, head, [*AS_AGGREGATOR.items()])
        except (OSError, aiohttp.ClientError):
            ours = None  # a dead APIService does not take the rest along
        merged = MERGED[head.path.strip("/")](theirs, ours)
        if "proto-openapi" in head.get("accept"):  # kubectl before 1.27 reads nothing else
            await answer(writer, 200, openapi_protobuf.encode(merged), PROTOBUF)
            return
        kind = AGGREGATED if "APIGroupDiscoveryList" in head.get("accept") else "application/json"
        await answer(writer, 200, orjson.dumps(merged), kind)

    async def _document(self, backend: Backend, head: Head, headers: Iterable[tuple[str, str]]) -> Any:
        accept = [part for part in head.get("accept").split(",") if "json" in part]
        asked = [("Accept", ",".join(accept) or "application/json"), *headers]
        url = f"https://{ADDRESS}:{backend.port}{head.path}"
        known = {"ssl": backend.context, "server_hostname": backend.hostname}
        async with self._session.get(url, headers=asked, timeout=REQUEST, **known) as answered:
            assert answered.status == 200, (url, await answered.text())
            return orjson.loads(await answered.read())

    async def polled(self, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """What the aggregator is answered that asks the aggregated server for itself."""
        url = f"https://{ADDRESS}:{self.aggregated.port}{path}"
        asked = {**AS_AGGREGATOR, **{name.replace("_", "-"): value for name, value in headers.items()}}
        known = {"ssl": self.aggregated.context, "server_hostname": self.aggregated.hostname}
        async with self._session.get(url, headers=asked, timeout=REQUEST, allow_redirects=False, **known) as told:
            return told.status, {name.lower(): value for name, value in told.headers.items()}, await told.read()


async def switched(from_there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Pass on the head of the answer to an upgrade; return whether it has come about."""
    head = await from_there.readuntil(b"\r\n\r\n")
    writer.write(head)
    return head.split()[1] == b"101"


async def copied(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    """Copy until the source ends."""
    while data := await source.read(1 << 16):
        to.write(data)
        await to.drain()


async def answer(writer: asyncio.StreamWriter, code: int, body: bytes, kind: str) -> None:
    etag = hashlib.sha256(body).hexdigest()
    head = f'HTTP/1.1 {code} -\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nETag: "{etag}"\r\n'
    writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
    await writer.drain()


def impersonating(user: dict[str, Any]) -> Headers:
    """The headers by which the cluster is told who calls."""
    said = [("Impersonate-User", user["username"])]
    said += [("Impersonate-Group", each) for each in user.get("groups", ())]
    said += [("Impersonate-Uid", user["uid"])] if user.get("uid") else []
    return said + [(f"Impersonate-Extra-{key}", each) for key, each in _extra(user)]


def forwarded(head: Head, user: dict[str, Any], port: int) -> Headers:
    """The headers that the aggregator sends for those of a client: its identity stands in the place of credentials."""
    kept = head.without("authorization", "x-remote-", "impersonate-", "x-forwarded-")
    said = [("X-Forwarded-For", ADDRESS), ("X-Forwarded-Host", f"{ADDRESS}:{port}"), ("X-Forwarded-Proto", "https")]
    said += [("X-Forwarded-Uri", head.path), ("X-Remote-User", user["username"])]
    said += [] if head.get("audit-id") else [("Audit-Id", str(uuid.uuid4()))]
    said += [("X-Remote-Group", each) for each in user.get("groups", ())]
    said += [("X-Remote-Uid", user["uid"])] if user.get("uid") else []
    return kept + said + [(f"X-Remote-Extra-{key}", each) for key, each in _extra(user)]


def _extra(user: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key, values in user.get("extra", {}).items():
        # What no header's name may hold is written in percent (``headerKeyEscape`` of k8s.io/apiserver).
        escaped = "".join(quote(each, safe="").lower() if each in _UNSAFE else each for each in key)
        yield from ((escaped, value) for value in values)


def _groups(theirs: Any, ours: Any) -> Any:
    """``/apis`` in either form: the groups of both, and none of ours from the cluster, which serves them, too."""
    field_of = "items" if "items" in theirs else "groups"

    def name(group: Any) -> str:
        return group["metadata"]["name"] if field_of == "items" else group["name"]

    mine = [] if ours is None else ours[field_of]
    return {**theirs, field_of: [*(each for each in theirs[field_of] if not is_kubevirt(name(each))), *mine]}


def _swagger(theirs: Any, ours: Any) -> Any:
    mine = ours or {"paths": {}, "definitions": {}}
    paths = {path: item for path, item in theirs["paths"].items() if not is_kubevirt(_group_of(path))}
    definitions = {**mine["definitions"], **theirs["definitions"]}
    return {**theirs, "paths": {**paths, **mine["paths"]}, "definitions": definitions}


def _documents(theirs: Any, ours: Any) -> Any:
    paths = {path: item for path, item in theirs["paths"].items() if not is_kubevirt(_group_of(f"/{path}"))}
    return {"paths": {**paths, **(ours["paths"] if ours else {})}}


def _group_of(path: str) -> str:
    parts = path.split("/")
    return parts[2] if len(parts) > 2 and parts[1] == "apis" else ""


MERGED = {"apis": _groups, "openapi/v2": _swagger, "openapi/v3": _documents}
