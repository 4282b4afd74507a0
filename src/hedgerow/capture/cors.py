"""Cross-origin headers of the public routes (sdk-wire §4).

These routes read no cookie, so the origin may be mirrored; what else a header may hold is checked before it is echoed.
"""

from __future__ import annotations

from typing import Final

Headers = list[tuple[bytes, bytes]]

_ECHO_BYTES_MAX: Final = 4096
_METHODS: Final = (b"access-control-allow-methods", b"GET, POST, OPTIONS")
_CREDENTIALS: Final = (b"access-control-allow-credentials", b"true")
_EXPOSED: Final = (b"access-control-expose-headers", b"Retry-After")
_VARY: Final = (b"vary", b"Origin")


def response_headers(request_headers: dict[bytes, bytes]) -> Headers:
    """What every answer to another origin carries; nothing for a request that names no origin."""
    origin = request_headers.get(b"origin")
    if origin is None or not _may_be_echoed(origin):
        return []
    return [(b"access-control-allow-origin", origin), _CREDENTIALS, _METHODS, _EXPOSED, _VARY]


def preflight_headers(request_headers: dict[bytes, bytes]) -> Headers:
    """What an OPTIONS request is answered beside `response_headers`: every header that it asks for is allowed."""
    headers: Headers = []
    wanted = request_headers.get(b"access-control-request-headers")
    if b"origin" in request_headers and wanted is not None and _may_be_echoed(wanted):
        headers.append((b"access-control-allow-headers", wanted))
        headers.append((b"access-control-max-age", b"86400"))
    return headers


def _may_be_echoed(value: bytes) -> bool:
    return 0 < len(value) <= _ECHO_BYTES_MAX and value.isascii() and value.decode("ascii").isprintable()
