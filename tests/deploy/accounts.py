"""ServiceAccounts with the rights that ``deploy/`` gives them and no others, and what they made of those."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from client.api import Client
from client.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING, SERVICE_ACCOUNT
from tests.conformance.api import Api
from tests.server import Server
from virtplane.kubernetes.manifests import installation, kind_of

RIGHTS = (SERVICE_ACCOUNT, CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING)

ACCOUNTS = "/api/v1/namespaces/virtplane/serviceaccounts"
Use = tuple[str, str, str, str]
"""Namespace (empty for any), verb, group, resource with its subresource."""


def manifests(name: str) -> list[dict[str, Any]]:
    """Return what makes an account and its rights."""
    return [each for each in installation("sqlite") if kind_of(each) in RIGHTS and each["metadata"]["name"] == name]


async def account(server: Server, client: Client, api: Api, name: str) -> Path:
    """Make an account, and return a kubeconfig with a token of it."""
    for each in manifests(name):
        await client.apply(kind_of(each), each)
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    answer = await api.call("POST", f"{ACCOUNTS}/{name}/token", asked)
    config = yaml.safe_load(server.kubeconfig("admin").read_text())
    config["users"][0]["user"] = {"token": answer.body["status"]["token"]}
    path = server.directory / f"{name}.kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


def given(name: str) -> Iterator[Use]:
    """Yield each right of an account."""
    for each in manifests(name):
        for rule in each.get("rules", ()):
            for verb in rule["verbs"]:
                for group in rule["apiGroups"]:
                    yield from ((each["metadata"].get("namespace", ""), verb, group, one) for one in rule["resources"])


def asked(audit_log: Path, program: str) -> Iterator[tuple[int, str, Use]]:
    """Yield the answer's code, the path and the right that it takes of each request of a program."""
    for line in audit_log.read_text().splitlines():
        event = json.loads(line)
        if not event.get("userAgent", "").startswith(f"{program}/") or "objectRef" not in event:
            continue
        what = event["objectRef"]
        resource = "/".join(filter(None, (what["resource"], what.get("subresource"))))
        use = what.get("namespace", ""), event["verb"], what.get("apiGroup", ""), resource
        yield event.get("responseStatus", {}).get("code", 0), event["requestURI"], use


def used(audit_log: Path, program: str) -> set[Use]:
    """Return the rights that a program has used, in a namespace and, as that covers it, in all."""
    found = {use for _, _, use in asked(audit_log, program)}
    # Whoever lists here watches, too; the log may not have been told of that yet, as a watch is told when it ends.
    found |= {(namespace, "watch", group, resource) for namespace, verb, group, resource in found if verb == "list"}
    return found | {("", *rest) for _, *rest in found}
