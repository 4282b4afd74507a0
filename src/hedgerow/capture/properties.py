"""The JSON text of an event's properties: checked, and changed without being rewritten.

What a client sent comes back from `select properties` as it was: `1.0`, `-0.0`, exponents, integers of any size,
explicit nulls, the order of keys, the spelling of strings. So the text is the value here. Additions are spliced in
before the closing brace; where a member must go or change, the text is cut into members and only that one is touched.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from hedgerow.capture.refusals import Unreadable

DEPTH_MAX: Final = 64
"""Levels of objects and arrays within properties, the outermost included."""
KEY_BYTES_MAX: Final = 8192
"""The longest key, at any level."""

Members = dict[str, msgspec.Raw]

_OBJECT = msgspec.json.Decoder(dict[str, Any])
_MEMBERS = msgspec.json.Decoder(Members)
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_VALUE = msgspec.json.Decoder()
_encode = msgspec.json.encode
_NUL_ESCAPE = re.compile(rb"\\(?:(u0000)|.)", re.DOTALL)


class Unacceptable(ValueError):  # noqa: N818 — the reason is the message
    """These properties cannot be stored; the message says why, for the person who sent them."""


def read(text: bytes) -> tuple[bytes, dict[str, Any]]:
    """Check one event's properties: the text to store, and the same decoded.

    The text is the one given unless it holds NUL (becomes U+FFFD) or a key twice (the last value stays, as in
    JavaScript).

    Raises:
        Unacceptable: it is no object, is nested too deeply, has a key that is too long, or a number that no store
            can hold.
        Unreadable: the strict decoder cannot read it.
    """
    if b"\\" in text and b"\\u0000" in text:
        text = _NUL_ESCAPE.sub(lambda escape: b"\\ufffd" if escape[1] else escape[0], text)
    try:
        values = _OBJECT.decode(text)
    except msgspec.ValidationError as error:
        raise Unacceptable(_why_invalid(text, error)) from error
    except RecursionError as error:
        raise Unacceptable(f"properties are nested deeper than {DEPTH_MAX} levels") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unreadable(str(error)) from error
    objects = text.count(b"{")
    if len(text) > KEY_BYTES_MAX or objects + text.count(b"[") > DEPTH_MAX:
        keys = _count_keys(values, 1)
    else:  # neither a key nor the depth can be beyond its bound
        keys = len(values) if objects == 1 else _keys_in(values)
    # Every key ends in `":`. As many of those as keys that are left: no key came twice. White space before a colon,
    # or an escaped quote before one inside a string, only sends us the long way.
    if text.count(b'":') != keys or b" :" in text or b"\n" in text or b"\t" in text or b"\r" in text:
        text = _without_doubles(text)
    return text, values


def check_encoding(text: bytes) -> None:
    """See whether JSON text is UTF-8.

    Raises:
        Unreadable: it is not.
    """
    if not text.isascii():
        try:
            text.decode()
        except UnicodeDecodeError as error:
            raise Unreadable(str(error)) from error


def append(text: bytes, members: bytes) -> bytes:
    """Splice `,"key":value…` (each member led by a comma) into an object's text, at its end."""
    body = text[:-1]
    if not body[1:33].strip() and not body[1:].strip():
        return b"{" + members[1:] + b"}"
    return b"%b%b}" % (body, members)


def member(key: str, value: object) -> bytes:
    """One member led by its comma, for `append`."""
    return b",%b:%b" % (_encode(key), _encode(value))


def raw_member(key: bytes, value: bytes) -> bytes:
    """One member led by its comma, of a key that needs no escapes and a value that is JSON text."""
    return b',"%b":%b' % (key, value)


def members_of(text: bytes) -> Members:
    """An object's members as text, in order; of a key that comes twice, the last value."""
    return _MEMBERS.decode(text)


def join(members: Mapping[str, bytes | msgspec.Raw]) -> bytes:
    """The object of these members."""
    return b"{%b}" % b",".join([b"%b:%b" % (_encode(key), bytes(value)) for key, value in members.items()])


def without(text: bytes, names: Iterable[str]) -> bytes:
    """The object without these members."""
    members = members_of(text)
    for name in names:
        members.pop(name, None)
    return join(members)


def without_elements_chain(text: bytes, chain: bytes) -> bytes:
    """The object without `$elements_chain`, which most browser events carry: cut out, where that is plainly right.

    Args:
        text: the properties.
        chain: the value of `$elements_chain` as it stands in the text.
    """
    key = b'"$elements_chain":'
    if b"\\u" not in text and text.count(key) == 1:
        start = text.index(key)
        end = start + len(key) + len(chain)
        if text.startswith(chain, start + len(key)):
            if text[end : end + 1] == b",":
                return text[:start] + text[end + 1 :]
            if text[start - 1 : start] == b"," and text[end : end + 1] == b"}":
                return text[: start - 1] + text[end:]
    return without(text, ("$elements_chain",))


def _why_invalid(text: bytes, error: msgspec.ValidationError) -> str:
    if not text.lstrip().startswith(b"{"):
        return "properties must be an object"
    try:
        members = members_of(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        members = {}
    for key, value in members.items():
        try:
            _VALUE.decode(value)
        except msgspec.DecodeError:
            return f"property {key[:80]!r} holds a number that is too large to be stored"
    return f"properties are invalid: {error}"


def _count_keys(value: dict[str, Any] | list[Any], depth: int) -> int:
    """All keys at all levels.

    Raises:
        Unacceptable: too deep, or a key too long.
    """
    if depth > DEPTH_MAX:
        raise Unacceptable(f"properties are nested deeper than {DEPTH_MAX} levels")
    inner: Iterable[Any] = value
    keys = 0
    if type(value) is dict:
        keys = len(value)
        if keys and len(max(value, key=len)) > KEY_BYTES_MAX // 4:
            _refuse_long_keys(value)
        inner = value.values()
    for item in inner:
        if type(item) is dict or type(item) is list:
            keys += _count_keys(item, depth + 1)
    return keys


def _keys_in(value: dict[str, Any] | list[Any]) -> int:
    """All keys at all levels of something small."""
    keys = 0
    inner: Iterable[Any] = value
    if type(value) is dict:
        keys = len(value)
        inner = value.values()
    for item in inner:
        if type(item) is dict or type(item) is list:
            keys += _keys_in(item)
    return keys


def _refuse_long_keys(value: dict[str, Any]) -> None:
    for key in value:
        size = len(key.encode())
        if size > KEY_BYTES_MAX:
            text = f"the property key that begins with {key[:40]!r} has {size:,} bytes, {KEY_BYTES_MAX:,} are allowed"
            raise Unacceptable(text)


def _without_doubles(text: bytes) -> bytes:
    """The text itself if no key comes twice in one object, at any level; else one that keeps the last values."""
    double = False

    def look(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal double
        found = dict(pairs)
        double = double or len(found) != len(pairs)
        return found

    json.loads(text, object_pairs_hook=look, parse_int=str, parse_float=str)
    return _last_values(text) if double else text


def _last_values(text: bytes) -> bytes:
    first = text.lstrip()[:1]
    if first == b"{":
        return join({key: _last_values(bytes(value)) for key, value in members_of(text).items()})
    if first == b"[":
        return b"[%b]" % b",".join([_last_values(bytes(item)) for item in _ITEMS.decode(text)])
    return text
