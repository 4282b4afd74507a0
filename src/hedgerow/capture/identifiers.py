"""Distinct ids and uuids as clients write them (sdk-wire §5.2, §6, §8.6)."""

from __future__ import annotations

import uuid
from typing import Final

import msgspec

from hedgerow.core import ids

LENGTH_MAX: Final = 200
"""Characters of an event name and of a distinct id; what is longer is cut."""

_ILLEGAL_ANY_CASE: Final = frozenset({
    "anonymous", "guest", "distinctid", "distinct_id", "id", "not_authenticated", "email", "undefined", "true", "false",
})  # fmt: skip
_ILLEGAL_EXACTLY: Final = frozenset({"", "[object Object]", "NaN", "None", "none", "null", "0"})
_ILLEGAL_V1: Final = frozenset({
    "0", "00000000-0000-0000-0000-000000000000", "[object object]", "anonymous", "anonymous-user", "backend",
    "distinct_id", "distinctid", "email", "false", "guest", "id", "nan", "none", "not_authenticated", "null", "system",
    "true", "undefined", "user",
})  # fmt: skip


def as_id(value: object) -> str | None:
    """Any JSON value as a distinct id, or None when there is none: absent, null, or nothing but white space.

    What is no text is written as JSON. NUL becomes U+FFFD; surrounding white space stays.
    """
    if type(value) is str:
        text = value
    elif value is None:
        return None
    else:
        text = msgspec.json.encode(value).decode()
    if not text or text.isspace():
        return None
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    return text[:LENGTH_MAX]


def may_merge(distinct_id: str) -> bool:
    """Whether a merge may name this id: not a word that clients send by mistake, quoted or not."""
    bare = distinct_id
    if len(bare) >= 2 and bare[0] == bare[-1] and bare[0] in "\"'":
        bare = bare[1:-1]
    return bare not in _ILLEGAL_EXACTLY and bare.lower() not in _ILLEGAL_ANY_CASE and not bare.isspace()


def is_malformed_in_v1(distinct_id: str) -> bool:
    """Whether version 1 refuses an event of this id."""
    return distinct_id.strip().lower() in _ILLEGAL_V1


def event_uuid(text: str | None) -> bytes | None:
    """16 bytes of the client's uuid, of a new one when it sent none, or None when it is no uuid."""
    if not text:
        return ids.uuid7().bytes
    return uuid_bytes(text)


def uuid_bytes(text: str) -> bytes | None:
    """16 bytes, or None. Every spelling of RFC 9562's parsers: with hyphens, without, in braces, as `urn:uuid:`."""
    try:
        if len(text) == 36 and text[8] == text[13] == text[18] == text[23] == "-":
            found = bytes.fromhex(text.replace("-", ""))
            return found if len(found) == 16 else None
        return uuid.UUID(text).bytes if len(text) <= 64 else None
    except ValueError:
        return None


def is_uuid(text: str) -> bool:
    """Whether this is a uuid with hyphens."""
    return len(text) == 36 and uuid_bytes(text) is not None
