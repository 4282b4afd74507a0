"""`Link` headers for JSON lists that say where the next page is (gateway §2.7).

Bodies are passed on untouched, and their `next` points to the account's own host, where a gateway key must not go. So
whoever follows `Link` stays at the gateway.
"""

from __future__ import annotations

import zlib
from typing import Any, Final

import brotli
import msgspec

PEEK_BYTES_MAX: Final = 1 << 20
_INTERESTING: Final = (b'"next"', b'"previous"')


class _Page(msgspec.Struct):
    next: Any = None
    previous: Any = None


_READ: Final = msgspec.json.Decoder(_Page)


def may_have_links(method: str, status: int, content_type: bytes, encoding: bytes, length: bytes) -> bool:
    """Whether the body of an answer should be looked at before it goes on."""
    return (
        method == "GET"
        and status == 200
        and content_type.startswith(b"application/json")
        and encoding in {b"", b"identity", b"gzip", b"br"}
        and length.isdigit()
        and int(length) <= PEEK_BYTES_MAX
    )


def link_header(body: bytes, encoding: bytes, origin: str, gateway: str) -> bytes | None:
    """The value of `Link`, or None. `origin` is what the account's URLs begin with, `gateway` what replaces it."""
    text = _decoded(body, encoding)
    if text is None or not any(word in text for word in _INTERESTING):
        return None
    try:
        page = _READ.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    links = [
        f'<{gateway}{url[len(origin) :]}>; rel="{name}"'
        for name, url in (("next", page.next), ("prev", page.previous))
        if isinstance(url, str) and _is_below(url, origin)
    ]
    return ", ".join(links).encode("ascii") if links else None


def rewritten(body: bytes, origin: str, gateway: str) -> bytes | None:
    """The body with exactly its top-level `next` and `previous` pointing to the gateway; None if there is nothing to do."""
    try:
        page = _READ.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    made = body
    for name, url in ((b"next", page.next), (b"previous", page.previous)):
        if isinstance(url, str) and _is_below(url, origin):
            old = msgspec.json.encode(url)
            new = msgspec.json.encode(gateway + url[len(origin) :])
            for colon in (b":", b": "):
                made = made.replace(b'"' + name + b'"' + colon + old, b'"' + name + b'"' + colon + new, 1)
    return made if made != body else None


def _is_below(url: str, origin: str) -> bool:
    rest = url[len(origin) :]
    return (
        url.startswith(origin)
        and rest[:1] in {"/", "?"}
        and not rest.startswith("//")
        and url.isascii()
        and url.isprintable()
        and not any(character in url for character in '<>"\\ ')
    )


def _decoded(body: bytes, encoding: bytes) -> bytes | None:
    """A copy of at most a megabyte, whatever it inflates to."""
    try:
        if encoding == b"gzip":
            inflater = zlib.decompressobj(wbits=31)
            text = inflater.decompress(body, PEEK_BYTES_MAX)
            return text if inflater.eof else None
        if encoding == b"br":
            return _unbrotlied(body)
    except (zlib.error, brotli.error):
        return None
    return body


def _unbrotlied(body: bytes) -> bytes | None:
    inflater = brotli.Decompressor()
    text = inflater.process(body, output_buffer_limit=PEEK_BYTES_MAX)
    return text if inflater.is_finished() and len(text) <= PEEK_BYTES_MAX else None
