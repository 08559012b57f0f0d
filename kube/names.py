"""What names, and the keys and values of labels, may look like.

Source: ``k8s.io/apimachinery/pkg/api/validation`` and ``…/pkg/util/validation``.
"""

import os
import re
import secrets
from collections.abc import Callable
from functools import lru_cache

NameRule = Callable[[str], str | None]
"""Tells what is wrong with a name, or None."""

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DNS_LABEL = re.compile(_LABEL)
_DNS_SUBDOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_QUALIFIED = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")

_LONGEST_KEY = 253 + 1 + 63

_SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""No vowels and no look-alikes, so that no suffix is a word (``k8s.io/apimachinery/pkg/util/rand``)."""
_SUFFIX_LENGTH = 5
_GENERATED_PREFIX_LIMIT = 63 - _SUFFIX_LENGTH
_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character"
)
_LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character"
)
_KEY_RULE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character"
)
_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character"
)


def subdomain_problem(name: str) -> str | None:
    """Return what is wrong with ``name`` as a DNS-1123 subdomain (most object names), or None."""
    if len(name) > 253:
        return "must be no more than 253 characters"
    return None if _DNS_SUBDOMAIN.fullmatch(name) else _SUBDOMAIN_RULE


def label_problem(name: str) -> str | None:
    """Return what is wrong with ``name`` as a DNS-1123 label (namespaces, volumes, disks), or None."""
    if len(name) > 63:
        return "must be no more than 63 characters"
    return None if _DNS_LABEL.fullmatch(name) else _LABEL_RULE


def path_segment_problem(name: str) -> str | None:
    """Return why ``name`` cannot be one segment of a path (RBAC, whose names may have colons), or None.

    Source: ``k8s.io/apimachinery/pkg/api/validation/path``.
    """
    if name in (".", ".."):
        return f"may not be '{name}'"
    return next((f"may not contain '{each}'" for each in "/%" if each in name), None)


def key_problem(key: str) -> str | None:
    """Return what is wrong with a label key, ``[prefix/]name``, or None."""
    return _known_key_problem(key) if len(key) <= _LONGEST_KEY else _key_problem(key)


def _key_problem(key: str) -> str | None:
    prefix, slash, name = key.rpartition("/")
    if slash and (problem := "must be non-empty" if not prefix else subdomain_problem(prefix)):
        return f"prefix part {problem}"
    if not name:
        return "name part must be non-empty"
    if len(name) > 63:
        return "name part must be no more than 63 characters"
    return None if _QUALIFIED.fullmatch(name) else _KEY_RULE


# The same few keys are on all objects.
_known_key_problem = lru_cache(1024)(_key_problem)


def value_problem(value: str) -> str | None:
    """Return what is wrong with a label value, or None."""
    if len(value) > 63:
        return "must be no more than 63 characters"
    return None if not value or _QUALIFIED.fullmatch(value) else _VALUE_RULE


def new_uuid() -> str:
    """Return a random UUID (RFC 9562, version 4), in a third of the time that ``uuid`` takes for its object."""
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def generated_name(prefix: str) -> str:
    """Return ``prefix``, cut where needed, with a random suffix of five characters."""
    suffix = "".join(secrets.choice(_SUFFIX_ALPHABET) for _ in range(_SUFFIX_LENGTH))
    return prefix[:_GENERATED_PREFIX_LIMIT] + suffix
