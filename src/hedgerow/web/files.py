"""Files of the package as HTTP answers: read once, compressed once for each encoding, checked by ETag."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

import brotli
from litestar import Response

Encoding = Literal["br", "gzip", "identity"]

IMMUTABLE: Final = "public, max-age=31536000, immutable"
MINUTES: Final = "public, max-age=300"
REVALIDATE: Final = "no-cache"

JAVASCRIPT: Final = "text/javascript"

_BROTLI_QUALITY: Final = 6  # array.js: 23 ms; quality 11 takes 30 times as long for 9 % less
_MEDIA_TYPES: Final = {
    ".css": "text/css",
    ".js": JAVASCRIPT,
    ".svg": "image/svg+xml",
}
_COMPRESS_FROM_BYTES: Final = 512


class Content:
    """One text and its compressed forms, made when first asked for, off the event loop."""

    def __init__(self, body: bytes, media_type: str) -> None:
        """Take `body` as it is; the hash over it names it."""
        self.media_type = media_type
        self.hash = hashlib.sha256(body).hexdigest()[:20]
        self._forms: dict[Encoding, bytes] = {"identity": body}

    async def form(self, encoding: Encoding) -> bytes:
        """The bytes in this encoding."""
        if encoding not in self._forms:
            self._forms[encoding] = await asyncio.to_thread(_compress, self._forms["identity"], encoding)
        return self._forms[encoding]

    async def response(self, request_headers: Mapping[str, str], *, cache: str) -> Response[bytes]:
        """200 with the bytes, or 304 when the client names the same ones. `cache` is the `Cache-Control`."""
        small = len(self._forms["identity"]) < _COMPRESS_FROM_BYTES
        encoding = "identity" if small else accepted_encoding(request_headers.get("accept-encoding", ""))
        etag = f'"{self.hash}-{encoding}"'
        headers = {"ETag": etag, "Cache-Control": cache, "Vary": "Accept-Encoding"}
        if etag in _etags(request_headers.get("if-none-match", "")):
            return Response(b"", status_code=304, headers=headers, media_type=self.media_type)
        if encoding != "identity":
            headers["Content-Encoding"] = encoding
        headers["X-Content-Type-Options"] = "nosniff"
        return Response(await self.form(encoding), headers=headers, media_type=self.media_type)


class Folder:
    """The files of one folder by name; only what lies there when this is made can be asked for."""

    def __init__(self, path: Path) -> None:
        """Look once. A missing folder is an empty one."""
        names = sorted(path.iterdir()) if path.is_dir() else []
        self._paths = {file.name: file for file in names if file.suffix in _MEDIA_TYPES and file.is_file()}
        self._read: dict[str, Content] = {}

    @property
    def names(self) -> frozenset[str]:
        """What can be asked for."""
        return frozenset(self._paths)

    def get(self, name: str) -> Content | None:
        """The file, read on first use; None when the folder has none of that name."""
        if name not in self._read:
            path = self._paths.get(name)
            if path is None:
                return None
            self._read[name] = Content(path.read_bytes(), _MEDIA_TYPES[path.suffix])
        return self._read[name]


def accepted_encoding(header: str) -> Encoding:
    """The best of ours that an `Accept-Encoding` header allows."""
    allowed = {name for name, quality in map(_coding, header.lower().split(",")) if quality > 0}
    if "br" in allowed:
        return "br"
    return "gzip" if allowed & {"gzip", "*"} else "identity"


def _coding(entry: str) -> tuple[str, float]:
    name, _, rest = entry.strip().partition(";")
    weight = rest.strip().removeprefix("q=")
    try:
        return name.strip(), float(weight) if weight else 1.0
    except ValueError:
        return name.strip(), 0.0


def _etags(header: str) -> set[str]:
    return {tag.strip().removeprefix("W/") for tag in header.split(",")}


def _compress(body: bytes, encoding: Encoding) -> bytes:
    if encoding == "br":
        return brotli.compress(body, quality=_BROTLI_QUALITY)
    return gzip.compress(body, mtime=0)
