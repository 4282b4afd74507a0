"""Bodies in pieces: JSON that lies there, sent as it lies; an export, sent as it comes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Final
from urllib.parse import quote

from litestar.types import ASGIApp, Receive, Scope, Send

from hedgerow.core.http import ApiError
from hedgerow.core.telemetry import log
from hedgerow.queries.connected import while_connected
from hedgerow.queries.errors import ClientGone
from hedgerow.queries.export import Export

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


def in_blocks(exporting: AbstractAsyncContextManager[Export], team_id: int, receive: Receive) -> ASGIApp:
    """A response of unknown length. `Hedgerow-Progress` says where its progress can be asked for meanwhile.

    What fails before the first bytes is an error as ever; later, the body just ends without its last chunk, which clients
    report. `receive` is the request's, its body read already: an export ends when its client goes.
    """

    async def respond(scope: Scope, _receive: Receive, send: Send) -> None:
        del scope
        has_begun = False

        async def write() -> None:
            nonlocal has_begun
            async with exporting as export, aclosing(export.blocks()) as blocks:
                progress = f"/api/projects/{team_id}/query/{quote(export.query_id, safe='')}/?show_progress=true"
                headers = [
                    (b"content-type", export.format.media_type.encode()),
                    (b"content-disposition", f'attachment; filename="query.{export.format.name}"'.encode()),
                    (b"hedgerow-progress", progress.encode()),
                ]
                async for block in blocks:
                    if not has_begun:
                        has_begun = True
                        await send({"type": "http.response.start", "status": 200, "headers": headers})
                    await send({"type": "http.response.body", "body": block, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        try:
            await while_connected(receive, write())
        except ClientGone:
            return
        except ApiError as error:
            if not has_begun:
                raise
            log("queries").warning("export_cut_off", team_id=team_id, detail=error.detail)

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
