"""Patches: what a client wants changed, applied to an object.

Source: RFC 6902 (JSON patch), RFC 7386 (merge patch), for strategic merge patches :mod:`.strategic`;
error codes as in ``k8s.io/apiserver/pkg/endpoints/handlers/patch.go``.
"""

from typing import Any

import jsonpatch
import jsonpointer
import orjson

from apiserver.machinery.cloning import clone
from apiserver.machinery.errors import StatusError, bad_request, nested_too_deeply, unsupported_media_type
from apiserver.machinery.strategic import UnfitPatchError, strategic_merge
from apiserver.machinery.structural import Node

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
"""A configuration for server-side apply: no patch of this module's, but sent like one."""

_MAX_OPERATIONS = 10_000
_MAX_COPIED_BYTES = 3 * 1024 * 1024
"""How much the copy operations of a JSON patch may add (``jsonpatch.AccumulatedCopySizeLimit``)."""


def accepted(*, custom: bool) -> tuple[str, ...]:
    """Return the media types of patches. Strategic merge is for built-in kinds alone; kubectl knows that."""
    return (JSON_PATCH, MERGE_PATCH, *(() if custom else (STRATEGIC_PATCH,)), APPLY_PATCH)


def apply_patch(content_type: str, body: bytes, obj: dict[str, Any], node: Node | None = None) -> dict[str, Any]:
    """Return ``obj`` with the patch in ``body`` applied; ``obj`` itself is not changed, but may be shared in parts.

    ``node`` is the compiled schema of a kind that takes strategic merge patches.
    Raises StatusError: 415 for another media type, 400 for a body that is no patch, 413 for more than 10,000
    operations, 422 for a patch that does not fit the object.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in accepted(custom=node is None) or media_type == APPLY_PATCH:
        raise unsupported_media_type(accepted(custom=node is None))
    try:
        patch = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"error decoding patch: {error}") from error
    try:
        patch = clone(patch)  # what comes next counts on no more levels than JSON may have
    except ValueError as too_deep:
        raise nested_too_deeply() from too_deep
    try:
        if media_type == JSON_PATCH:
            patched = clone(_json_patch(patch, obj))  # shares nothing with the patch, and is no deeper than JSON may be
        else:
            patched = _merge_patch(media_type, patch, obj, node)
    except (RecursionError, ValueError) as error:
        raise bad_request("error applying patch: the result is nested too deeply") from error
    if not isinstance(patched, dict):
        raise _unprocessable("the patch replaces the object by something that is not one")
    return patched


def _json_patch(patch: Any, obj: dict[str, Any]) -> Any:
    if not isinstance(patch, list):
        raise bad_request("error decoding patch: a JSON patch is a list of operations")
    if len(patch) > _MAX_OPERATIONS:
        raise StatusError(
            413,
            "RequestEntityTooLarge",
            f"The allowed maximum operations in a JSON patch is {_MAX_OPERATIONS}, got {len(patch)}",
        )
    try:
        # The library keeps references into the patch and works on what it is given: give it a copy.
        return _apply_operations(jsonpatch.JsonPatch(patch), patch, clone(obj))
    except jsonpatch.InvalidJsonPatch as error:
        raise bad_request(f"error decoding patch: {error}") from error
    except jsonpatch.JsonPatchTestFailed as error:
        # The library's words hold what was found, which may be a Secret's.
        raise _unprocessable("testing a value failed: test failed") from error
    except (jsonpatch.JsonPatchConflict, jsonpointer.JsonPointerException) as error:
        raise _unprocessable(str(error)) from error
    except (TypeError, AttributeError) as error:  # an operation on a scalar as if it had members
        raise _unprocessable(f"an operation does not fit the object: {error}") from error


def _apply_operations(checked: jsonpatch.JsonPatch, operations: list[Any], obj: Any) -> Any:
    """Apply a patch whose operations are well-formed to ``obj``, which may change."""
    if all(each["op"] != "copy" for each in operations):
        return checked.apply(obj, in_place=True)
    copied = 0
    for each in operations:
        if each["op"] == "copy":
            if not isinstance(each.get("from"), str):
                raise bad_request("error decoding patch: a copy needs a path to copy from")
            copied += len(orjson.dumps(jsonpointer.resolve_pointer(obj, each["from"])))
            if copied > _MAX_COPIED_BYTES:
                raise _unprocessable(
                    "Unable to complete the copy, the accumulated size increase of copy is "
                    f"{copied}, exceeding the limit {_MAX_COPIED_BYTES}"
                )
        obj = jsonpatch.JsonPatch([each]).apply(obj, in_place=True)
    return obj


def _merge_patch(media_type: str, patch: Any, obj: dict[str, Any], node: Node | None) -> Any:
    if not isinstance(patch, dict):
        raise bad_request("error decoding patch: a merge patch is an object")
    if media_type == MERGE_PATCH or node is None:
        return merge(obj, patch)  # no deeper than the deeper one of the two
    try:
        return clone(strategic_merge(node, obj, patch))
    except UnfitPatchError as unfit:
        raise bad_request(str(unfit)) from unfit


def merge(target: Any, patch: Any) -> Any:
    """Return ``target`` with the merge patch applied, as RFC 7386 puts it. It shares what the patch leaves alone."""
    if not isinstance(patch, dict):
        return patch
    merged: dict[str, Any] = {**target} if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def _unprocessable(message: str) -> StatusError:
    return StatusError(422, "Invalid", f"the server rejected our request due to an error in our request: {message}")
