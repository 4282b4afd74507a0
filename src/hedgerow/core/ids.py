"""The one source of identifiers and chance."""

from __future__ import annotations

import secrets
import time
import uuid
from uuid import UUID

_PERSON_NAMESPACE = UUID(
    "932979b4-65c3-4424-8467-0b66ec27bc22"
)  # PostHog's, so that ids agree with its (sdk-wire §8.4)
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def uuid4() -> UUID:
    return uuid.uuid4()  # noqa: TID251


def uuid7(milliseconds: int | None = None) -> UUID:
    """A version 7 UUID (RFC 9562): 48 bits of Unix milliseconds, then 74 random bits."""
    ms = time.time_ns() // 1_000_000 if milliseconds is None else milliseconds
    value = (ms & 0xFFFF_FFFF_FFFF) << 80 | secrets.randbits(80)
    value = value & ~(0xF000 << 64) | 0x7000 << 64
    value = value & ~(0xC000 << 48) | 0x8000 << 48
    return UUID(int=value)


def person_uuid(team_id: int, distinct_id: str) -> UUID:
    """The person id that a distinct id has before anybody merges it: the same on every machine (UUIDv5)."""
    return uuid.uuid5(_PERSON_NAMESPACE, f"{team_id}:{distinct_id}")


def secret(prefix: str, length: int = 43) -> str:
    """`prefix` and `length` random letters and digits (5.95 bits each)."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(length))


def short_id(length: int = 10) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
