"""A reader of protobuf's wire format that shares nothing with the encoder under test."""

import struct
from typing import Any


def number_at(message: bytes, at: int) -> tuple[int, int]:
    """The varint at an offset, and the offset behind it."""
    end = next(index for index in range(at, len(message)) if message[index] < 0x80) + 1
    digits = [f"{byte & 0x7F:07b}" for byte in reversed(message[at:end])]
    return int("".join(digits), 2), end


def fields(message: bytes) -> list[tuple[int, Any]]:
    """Number and value of each field in order: int, float, or bytes of a text or a message."""
    found: list[tuple[int, Any]] = []
    at = 0
    while at < len(message):
        tag, at = number_at(message, at)
        match tag & 7:
            case 0:
                value, at = number_at(message, at)
            case 1:
                value, at = struct.unpack("<d", message[at : at + 8])[0], at + 8
            case 2:
                size, at = number_at(message, at)
                value, at = message[at : at + size], at + size
                assert len(value) == size
            case strange:
                raise AssertionError(f"wire type {strange} at {at}")
        found.append((tag >> 3, value))
    return found


def at_path(message: bytes, *path: int) -> list[Any]:
    """All values below the field numbers of ``path``."""
    values = [value for number, value in fields(message) if number == path[0]]
    return values if len(path) == 1 else [below for value in values for below in at_path(value, *path[1:])]


def named(message: bytes, *path: int) -> dict[str, bytes]:
    """The pairs of name (1) and value (2) at ``path``, by name."""
    return {at_path(pair, 1)[0].decode(): at_path(pair, 2)[0] for pair in at_path(message, *path)}
