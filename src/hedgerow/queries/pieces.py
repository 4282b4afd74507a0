"""A JSON body that lies in pieces, sent as it lies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from litestar.types import ASGIApp, Receive, Scope, Send

JOINED_BYTES: Final = 1 << 16
"""Small neighbours are sent as one piece."""


def in_pieces(status: int, body: Sequence[bytes]) -> ASGIApp:
    """A response. Its length is told first, so that nothing has to be joined or framed."""
    length = sum(map(len, body))

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % length)]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        *pieces, last = _joined(body)
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": last, "more_body": False})

    return respond


def _joined(pieces: Sequence[bytes]) -> Iterator[bytes]:
    small: list[bytes] = []
    size = 0
    for piece in pieces:
        if size + len(piece) > JOINED_BYTES:
            yield b"".join(small)
            small, size = [], 0
        small.append(piece)
        size += len(piece)
    yield b"".join(small)
