"""What the caller may do, asked of the API server itself (``SelfSubjectAccessReview``)."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from client.api import Client
from client.kinds import SELF_SUBJECT_ACCESS_REVIEW
from kube.objects import Object


@dataclass(frozen=True, slots=True)
class Right:
    """One thing that somebody may be allowed to do."""

    verb: str
    group: str
    resource: str
    """The plural."""
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        resource = f"{self.resource}.{self.group}" if self.group else self.resource
        what = f"{self.verb} {resource}" + (f" {self.name}" if self.name else "")
        return f"{what} in namespace {self.namespace}" if self.namespace else what


async def missing(client: Client, rights: Sequence[Right]) -> list[str]:
    """Return, in words, which of ``rights`` the caller does not have. Raises ApiError."""
    allowed = await asyncio.gather(*(_is_allowed(client, right) for right in rights))
    return [str(right) for right, may in zip(rights, allowed, strict=True) if not may]


async def _is_allowed(client: Client, right: Right) -> bool:
    asked = {"verb": right.verb, "group": right.group, "resource": right.resource}
    asked |= {"namespace": right.namespace, "name": right.name}
    review: Object = {
        "apiVersion": SELF_SUBJECT_ACCESS_REVIEW.api_version,
        "kind": SELF_SUBJECT_ACCESS_REVIEW.kind,
        "metadata": {},
        "spec": {"resourceAttributes": asked},
    }
    return bool((await client.create(SELF_SUBJECT_ACCESS_REVIEW, review))["status"]["allowed"])
