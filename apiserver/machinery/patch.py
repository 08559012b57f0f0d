"""Patches: what a client wants changed, applied to an object.

Source: RFC 6902 (JSON patch), RFC 7386 (merge patch);
error codes as in ``k8s.io/apiserver/pkg/endpoints/handlers/patch.go``.
"""

from typing import Any

import jsonpatch
import jsonpointer
import orjson

from apiserver.machinery.cloning import clone
from apiserver.machinery.errors import StatusError, bad_request, unsupported_media_type

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
ACCEPTED = (JSON_PATCH, MERGE_PATCH)
"""Strategic merge is for built-in kinds alone; kubectl falls back to a merge patch when told 415."""

_MAX_OPERATIONS = 10_000


def apply_patch(content_type: str, body: bytes, obj: dict[str, Any]) -> dict[str, Any]:
    """Return ``obj`` with the patch in ``body`` applied; ``obj`` itself is not changed.

    Raises StatusError: 415 for another media type, 400 for a body that is no patch, 413 for more than 10,000
    operations, 422 for a patch that does not fit the object.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in ACCEPTED:
        raise unsupported_media_type(ACCEPTED)
    try:
        patch = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"error decoding patch: {error}") from error
    try:
        patched = _json_patch(patch, obj) if media_type == JSON_PATCH else _merge_patch(patch, obj)
        patched = clone(patched)  # shares nothing with the patch, and is no deeper than JSON may be
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
        return jsonpatch.JsonPatch(patch).apply(clone(obj), in_place=True)
    except jsonpatch.InvalidJsonPatch as error:
        raise bad_request(f"error decoding patch: {error}") from error
    except (jsonpatch.JsonPatchConflict, jsonpatch.JsonPatchTestFailed, jsonpointer.JsonPointerException) as error:
        raise _unprocessable(str(error)) from error
    except (TypeError, AttributeError) as error:  # an operation on a scalar as if it had members
        raise _unprocessable(f"an operation does not fit the object: {error}") from error


def _merge_patch(patch: Any, obj: dict[str, Any]) -> Any:
    if not isinstance(patch, dict):
        raise bad_request("error decoding patch: a merge patch is an object")
    return merge(clone(obj), patch)


def merge(target: Any, patch: Any) -> Any:
    """Return ``target`` with the merge patch applied, as RFC 7386 puts it; changes ``target`` in place."""
    if not isinstance(patch, dict):
        return patch
    if not isinstance(target, dict):
        target = {}
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        else:
            target[key] = merge(target.get(key), value)
    return target


def _unprocessable(message: str) -> StatusError:
    return StatusError(422, "Invalid", f"the server rejected our request due to an error in our request: {message}")
