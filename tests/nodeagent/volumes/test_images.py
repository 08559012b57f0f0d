"""The image store reads layouts, archives and registries, and refuses what would lead out of them."""

import datetime as dt
import hashlib
import ipaddress
import ssl
import tarfile
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from nodeagent.volumes.images import ImageStore
from nodeagent.volumes.prepared import VolumeError
from nodeagent.volumes.unpack import Wanted

CONTENT = b"a disk"


def link(name: str, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    return member


@pytest.fixture
def tls(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "registry")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "registry.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return server, ssl.create_default_context(cafile=str(pem))


def registry(image: Any, *, damage: bool = False) -> web.Application:
    """A registry with one image that wants a token, as public registries do."""

    async def serve(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != "Bearer good":
            challenge = f'Bearer realm="https://{request.host}/token",service="test"'
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        if request.path in ("/v2/team/disk/manifests/v1", "/v2/team/disk/manifests/latest"):
            return web.Response(body=image.manifest)
        blob = image.blobs.get(request.path.rpartition("/")[2])
        if blob is None:
            return web.Response(status=404)
        return web.Response(body=b"\0" * len(blob) if damage else blob)

    async def token(_: web.Request) -> web.Response:
        return web.json_response({"token": "good"})

    application = web.Application()
    application.router.add_get("/token", token)
    application.router.add_get("/v2/{rest:.*}", serve)
    return application


@pytest.mark.parametrize("asked", ["busybox", "busybox:latest", "docker.io/library/busybox:latest"])
async def test_an_image_of_the_own_layout_is_found_by_every_form_of_its_name(
    tmp_path: Path, image: Any, make_layer: Any, asked: str
) -> None:
    image(make_layer({"disk/a.img": CONTENT})).write(tmp_path / "layout", "library/busybox")
    tree = await ImageStore(tmp_path, []).fetch(asked, Wanted.disks(), "Never")
    assert (tree / "disk/a.img").read_bytes() == CONTENT
    assert (tree / "disk/a.img").stat().st_mode & 0o777 == 0o444


async def test_layouts_and_archives_below_an_allowed_directory_are_read(
    tmp_path: Path, image: Any, make_layer: Any
) -> None:
    image(make_layer({"./disk/a.img": CONTENT, "boot/k": b"kernel"})).write(tmp_path / "allowed/one", "x")
    with tarfile.open(tmp_path / "allowed/one.tar", "w") as tar:
        tar.add(tmp_path / "allowed/one", arcname=".")
    store = ImageStore(tmp_path / "store", [tmp_path / "allowed"])
    first = await store.fetch(f"oci:{tmp_path}/allowed/one:x", Wanted.disks())
    second = await store.fetch(f"oci-archive:{tmp_path}/allowed/one.tar", Wanted.files(["/boot/k"]))
    assert (first / "disk/a.img").read_bytes() == CONTENT
    assert (second / "boot/k").read_bytes() == b"kernel"
    assert not (second / "disk").exists()


@pytest.mark.parametrize("path", ["secret", "allowed/../secret", "allowed/door", "allowed"])
async def test_a_path_that_leads_out_of_the_allowed_directories_is_refused(
    tmp_path: Path, image: Any, make_layer: Any, path: str
) -> None:
    image(make_layer({"disk/a.img": CONTENT})).write(tmp_path / "secret", "x")
    (tmp_path / "allowed").mkdir()
    (tmp_path / "allowed/door").symlink_to(tmp_path / "secret")
    with pytest.raises(VolumeError, match="not below a directory") as caught:
        await ImageStore(tmp_path / "s", [tmp_path / "allowed"]).fetch(f"oci:{tmp_path}/{path}", Wanted.disks())
    assert not caught.value.retryable


@pytest.mark.parametrize(
    "files",
    [
        {"disk/../../../escape": b"x"},
        {"disk/a.img": link("disk/a.img", "/etc/passwd")},
        {".wh...": b""},
        {"disk/.wh..": b""},
    ],
)
async def test_hostile_layers_are_refused_and_leave_nothing(
    tmp_path: Path, image: Any, make_layer: Any, files: Any
) -> None:
    image(make_layer({"disk/b.img": CONTENT}), make_layer(files)).write(tmp_path / "layout", "x")
    with pytest.raises(VolumeError, match=r"climbs|not a plain file"):
        await ImageStore(tmp_path, []).fetch("x", Wanted.disks(), "Never")
    assert list((tmp_path / "unpacked").iterdir()) == []
    assert not (tmp_path / "escape").exists()


async def test_a_layer_that_unpacks_to_too_much_is_refused(tmp_path: Path, image: Any, make_layer: Any) -> None:
    image(make_layer({"disk/a.img": bytes(1_000_000)})).write(tmp_path / "layout", "x")
    with pytest.raises(VolumeError, match="larger than"):
        await ImageStore(tmp_path, [], limit=100_000).fetch("x", Wanted.disks(), "Never")


async def test_upper_layers_replace_and_hide_files_of_lower_ones(tmp_path: Path, image: Any, make_layer: Any) -> None:
    lower = make_layer({"disk/a.img": b"old", "disk/b.img": b"gone"})
    upper = make_layer({"disk/a.img": b"new", "disk/.wh.b.img": b""})
    image(lower, upper).write(tmp_path / "layout", "x")
    tree = await ImageStore(tmp_path, []).fetch("x", Wanted.disks(), "Never")
    assert {file.name: file.read_bytes() for file in (tree / "disk").iterdir()} == {"a.img": b"new"}


async def test_a_damaged_blob_of_a_layout_is_noticed(tmp_path: Path, image: Any, make_layer: Any) -> None:
    packed = make_layer({"disk/a.img": CONTENT})
    image(packed).write(tmp_path / "layout", "x")
    (tmp_path / "layout/blobs/sha256" / hashlib.sha256(packed).hexdigest()).write_bytes(b"other")
    with pytest.raises(VolumeError, match="damaged"):
        await ImageStore(tmp_path, []).fetch("x", Wanted.disks(), "Never")


async def test_a_registry_is_read_over_tls_and_asked_once_with_if_not_present(
    tmp_path: Path, image: Any, make_layer: Any, tls: Any
) -> None:
    server = TestServer(registry(image(make_layer({"disk/a.img": CONTENT}))), scheme="https")
    await server.start_server(ssl=tls[0])
    name = f"127.0.0.1:{server.port}/team/disk:v1"
    store = ImageStore(tmp_path, [], tls=tls[1])
    first = await store.fetch(name, Wanted.disks(), "IfNotPresent")
    assert (first / "disk/a.img").read_bytes() == CONTENT
    await server.close()
    assert await store.fetch(name, Wanted.disks(), "Never") == first
    with pytest.raises(VolumeError, match="cannot be reached") as caught:
        await store.fetch(name, Wanted.disks(), "Always")
    assert caught.value.retryable


async def test_a_registry_that_sends_other_content_is_not_believed(
    tmp_path: Path, image: Any, make_layer: Any, tls: Any
) -> None:
    server = TestServer(registry(image(make_layer({"disk/a.img": CONTENT})), damage=True), scheme="https")
    await server.start_server(ssl=tls[0])
    with pytest.raises(VolumeError, match="damaged on the way"):
        await ImageStore(tmp_path, [], tls=tls[1]).fetch(f"127.0.0.1:{server.port}/team/disk:v1", Wanted.disks())
    await server.close()


async def test_an_unknown_certificate_is_refused(tmp_path: Path, image: Any, make_layer: Any, tls: Any) -> None:
    server = TestServer(registry(image(make_layer({"disk/a.img": CONTENT}))), scheme="https")
    await server.start_server(ssl=tls[0])
    with pytest.raises(VolumeError, match="certificate"):
        await ImageStore(tmp_path, []).fetch(f"127.0.0.1:{server.port}/team/disk:v1", Wanted.disks())
    await server.close()


async def test_never_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match="imagePullPolicy is Never") as caught:
        await ImageStore(tmp_path, []).fetch("nothing", Wanted.disks(), "Never")
    assert caught.value.reason == "ErrImageNeverPull"


async def test_what_a_killed_agent_had_begun_to_unpack_goes_and_images_stay(
    tmp_path: Path, image: Any, make_layer: Any
) -> None:
    store = ImageStore(tmp_path, [])
    await store.discard_unfinished()
    image(make_layer({"disk/a.img": CONTENT})).write(store.layout, "x")
    tree = await store.fetch("x", Wanted.disks())
    (store.unpacked / ".unpacking-abc/tree").mkdir(parents=True)
    await store.discard_unfinished()
    assert list(store.unpacked.iterdir()) == [tree]
