"""What a Secret holds is told to who may read it, and to nobody else: no error, no log, no file."""

import base64
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.api import Api, connected
from tests.server import running_server

PATH = "/api/v1/namespaces/default/secrets"
PLAIN = "correct-horse-battery-staple"
ENCODED = base64.b64encode(PLAIN.encode()).decode()
POLICY = """
apiVersion: audit.k8s.io/v1
kind: Policy
rules: [{level: RequestResponse}]
"""


def secret(name: str = "kept", **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": {"a": ENCODED}, **fields}


REFUSED: dict[str, Any] = {
    "no base64": secret(data={"a": PLAIN + "!"}),
    "no text": secret(data={"a": [PLAIN]}),
    "no object": secret(data=[PLAIN]),
    "an object in the place of text": secret(stringData={"a": {"b": PLAIN}}),
    "no JSON": f'{{"data": {{"a": "{PLAIN}}}'.encode(),
    "of another kind": secret(kind="ConfigMap"),
    "there already": secret(),
}


async def test_nothing_tells_what_a_secret_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY)
    audit: dict[str, Any] = {"audit_log": tmp_path / "audit.log", "audit_policy": tmp_path / "policy.yaml"}
    async with running_server(tmp_path, **audit) as server, connected(server) as session:
        api = Api(session)
        assert (await api.call("POST", PATH, secret(immutable=True, stringData={"b": PLAIN}))).code == 201
        told = {why: await api.call("POST", PATH, body) for why, body in REFUSED.items()}
        path = f"{PATH}/kept"
        patch = {"data": {"a": base64.b64encode(f"not {PLAIN}".encode()).decode()}}
        told["immutable"] = await api.call("PATCH", path, patch, content_type="application/merge-patch+json")
        stale = secret(metadata={"name": "kept", "resourceVersion": "1"}, immutable=True)
        told["stale"] = await api.call("PUT", path, stale)
        test = [{"op": "test", "path": "/data/a", "value": "b"}]
        told["another value"] = await api.call("PATCH", path, test, content_type="application/json-patch+json")
        assert {why: answer.code for why, answer in told.items() if answer.code < 400} == {}
        assert {why: answer.body for why, answer in told.items() if shows(str(answer.body).encode())} == {}
        assert (await api.call("GET", path)).body["data"] == {"a": ENCODED, "b": ENCODED}
        assert (await api.call("DELETE", path)).code == 200
        written = {each.name: each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()}
    assert b'"secrets"' in (tmp_path / "audit.log").read_bytes()
    written |= {"audit.log": (tmp_path / "audit.log").read_bytes(), "output": "".join(capsys.readouterr()).encode()}
    assert [name for name, content in written.items() if shows(content)] == []


def shows(content: bytes) -> bool:
    return PLAIN.encode() in content or ENCODED.encode() in content
