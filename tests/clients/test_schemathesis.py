"""Everything that the published OpenAPI says can be asked, asked well and badly by schemathesis.

No answer may be a server error, have a status code or a media type that is not documented, or differ from its schema.
"""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.server import Server, running_server

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)
# A watch is a stream, which no schema describes. Another namespace than this one would be empty for ever.
CONFIGURATION = """
[parameters]
"query.watch" = "false"
"path.namespace" = "default"
"""
SECONDS = 12
"""How long one document is tried."""
DOCUMENTS = (
    ("apis/kubevirt.io/v1", "fuzzing", "/virtualmachines"),
    ("apis/subresources.kubevirt.io/v1", "fuzzing", "/expand"),
    ("apis/coordination.k8s.io/v1", "coverage", "/leases"),
    ("api/v1", "fuzzing", "/(configmaps|namespaces|nodes|secrets|events)"),
)
ROOT = Path(__file__).parents[2]


async def schemathesis(server: Server, document: str, *arguments: str) -> tuple[int | None, str]:
    """Run it on one document with the certificate of the administrator; return its exit code and what it says."""
    home, base = server.directory, f"https://127.0.0.1:{server.port}"
    configuration = home / "schemathesis.toml"
    configuration.write_text(CONFIGURATION)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(configuration), "run"),
        *(f"{base}/openapi/v3/{document}", "--url", base, "--tls-verify", str(server.pki.authority)),
        *("--request-cert", str(server.pki.pair("admin")), "--request-cert-key", str(server.pki.pair("admin"))),
        *("--checks", ",".join(CHECKS), "--max-time", str(SECONDS), "--request-timeout", "10"),
        *("--seed", "1", "--no-shrink", "--generation-database", "none", "--no-color", "--warnings", "off"),
        *arguments,
        cwd=home,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.clients.schemathesis_hooks", "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(SECONDS * 5):
        told, _ = await process.communicate()
    return process.returncode, told.decode()


@pytest.mark.parametrize(("document", "phase", "paths"), DOCUMENTS, ids=[each[0] for each in DOCUMENTS])
async def test_every_answer_is_as_documented(tmp_path: Path, document: str, phase: str, paths: str) -> None:
    async with running_server(tmp_path) as server:
        code, told = await schemathesis(server, document, "--phases", phase, "--include-path-regex", paths)
    assert code == 0, told
    assert "No issues found" in told
