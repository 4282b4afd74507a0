"""From the bytes of a request to the bytes of JSON (sdk-wire §3).

Clients of many years wrap the same JSON in gzip, base64, a form, LZ-string, or several of these; headers and hints
are often missing or wrong, so what the bytes look like decides. Every step is bounded while it works.
"""

from __future__ import annotations

import binascii
import zlib
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

import brotli
import zstandard

from hedgerow.capture import lzstring
from hedgerow.capture.refusals import empty_body, too_large, undecodable

GZIP_MAGIC: Final = b"\x1f\x8b\x08"
_LZ_HINTS: Final = frozenset({"lz64", "lz-string"})
_WRAPPINGS_MAX: Final = 4
_FORM_FIELDS_MAX: Final = 64
_ZSTD_WINDOW_MAX: Final = 1 << 24
_UTF8_BOM: Final = b"\xef\xbb\xbf"


def form_fields(body: bytes) -> dict[str, bytes]:
    """The fields of an `application/x-www-form-urlencoded` body; the first of a name wins."""
    pieces = body.split(b"&", _FORM_FIELDS_MAX)
    if len(pieces) > _FORM_FIELDS_MAX:
        raise undecodable(f"the form has more than {_FORM_FIELDS_MAX} fields")
    fields: dict[str, bytes] = {}
    for piece in pieces:
        name, _, value = piece.partition(b"=")
        fields.setdefault(name.decode("ascii", "replace"), unquote_to_bytes(value.replace(b"+", b" ")))
    return fields


def json_text(source: bytes, *, hint: str, limit: int, lz_limit: int) -> bytes:
    """Unwrap `source` until it is JSON, or until it cannot be unwrapped any more.

    Args:
        source: the body, the form's `data`, or the query's `data`.
        hint: the `compression` that the client named; only `lz64` needs it, since everything else shows.
        limit: bytes allowed after each step.
        lz_limit: bytes allowed before an LZ-string is unpacked.

    Raises:
        Refused: 400 when it is broken, 413 when it is too large.
    """
    text = source
    for _ in range(_WRAPPINGS_MAX):
        text = text.strip()
        if not text:
            raise empty_body()
        if text.startswith(GZIP_MAGIC):
            text = gunzip(text, limit)
        elif looks_like_json(text):
            break
        elif hint in _LZ_HINTS and text.isascii():
            text = _from_lz(text, limit, lz_limit)
            hint = ""
        else:
            inner = _from_base64(text)
            if inner is None:
                break
            text = inner
    return text.removeprefix(_UTF8_BOM)


def looks_like_json(text: bytes) -> bool:
    """Whether this is meant as a JSON object or array."""
    return text[:1] in b"{[" or text.startswith(_UTF8_BOM)


def gunzip(data: bytes, limit: int) -> bytes:
    """Inflate gzip, also of several members.

    Raises:
        Refused: 400 when it is broken or cut short, 413 as soon as it grows beyond `limit`.
    """
    return _inflate(data, limit, 31, "gzip")


def inflate(data: bytes, limit: int) -> bytes:
    """Inflate `deflate`, which means zlib's wrapping here, never the raw stream."""
    return _inflate(data, limit, 15, "deflate")


def unzstd(data: bytes, limit: int) -> bytes:
    """Unpack zstandard with a bounded window. A stream that ends early shows as JSON that ends early.

    Raises:
        Refused: as `gunzip`.
    """
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_MAX)
    try:
        with decompressor.stream_reader(data, read_across_frames=True) as stream:
            text = stream.read(limit + 1)
    except zstandard.ZstdError as error:
        raise undecodable("it is no valid zstd") from error
    if len(text) > limit:
        raise too_large("The inflated body", limit)
    return text


def unbrotli(data: bytes, limit: int) -> bytes:
    """Unpack brotli.

    Raises:
        Refused: as `gunzip`.
    """
    stream = brotli.Decompressor()
    try:
        text = stream.process(data, output_buffer_limit=limit + 1)
        while not stream.is_finished() and len(text) <= limit:
            more = stream.process(b"", output_buffer_limit=limit + 1 - len(text))
            if not more:
                raise undecodable("its brotli ends early")
            text += more
    except brotli.error as error:
        raise undecodable("it is no valid brotli") from error
    if len(text) > limit:
        raise too_large("The inflated body", limit)
    return text


def _inflate(data: bytes, limit: int, window_bits: int, name: str) -> bytes:
    pieces: list[bytes] = []
    room = limit + 1
    while True:
        stream = zlib.decompressobj(window_bits)
        try:
            piece = stream.decompress(data, room)
        except zlib.error as error:
            raise undecodable(f"it is no valid {name}") from error
        pieces.append(piece)
        room -= len(piece)
        if room <= 0:
            raise too_large("The inflated body", limit)
        if not stream.eof:
            raise undecodable(f"its {name} ends early")
        data = stream.unused_data
        if not data.startswith(GZIP_MAGIC):
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if len(pieces) > 1000:
            raise undecodable("its gzip has more than 1,000 members")


def _from_lz(text: bytes, limit: int, lz_limit: int) -> bytes:
    if len(text) > lz_limit:
        raise too_large("The lz64 body", lz_limit)
    try:
        unpacked = lzstring.unpack(text.replace(b" ", b"+").decode("ascii"), limit)
    except lzstring.MalformedError as error:
        raise undecodable(f"it is no valid lz64: {error}") from error
    except lzstring.TooLongError as error:
        raise too_large("The inflated body", limit) from error
    inner = unpacked.encode("utf-8", "surrogatepass")
    if len(inner) > limit:
        raise too_large("The inflated body", limit)
    return inner


def _from_base64(text: bytes) -> bytes | None:
    """What strict base64 says, or None. Spaces are plus signs that went through a form."""
    text = text.replace(b" ", b"+")
    try:
        return binascii.a2b_base64(text + b"=" * (-len(text) % 4), strict_mode=True)
    except binascii.Error:
        return None


BY_ENCODING: Final[Mapping[bytes, Callable[[bytes, int], bytes]]] = {
    b"gzip": gunzip,
    b"deflate": inflate,
    b"zstd": unzstd,
    b"br": unbrotli,
}
"""How each Content-Encoding is undone, within a limit."""
