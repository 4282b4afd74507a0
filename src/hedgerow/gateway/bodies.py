"""The body of a call, read piece by piece and kept only as far as one repetition may need it (gateway §2.4)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Final

from hedgerow.gateway.answers import GatewayError

SPOOLED_BYTES_MAX: Final = 1 << 20

Receive = Callable[[], Awaitable[Any]]


class ClientGone(Exception):  # noqa: N818 — a state: nobody waits for an answer any more
    """The caller hung up."""


class RequestBody:
    """One call's body. `start` it before anything is sent; then take `whole`, or `pieces` as they come."""

    def __init__(self, receive: Receive, *, has_body: bool, bytes_max: int, idle_seconds: float) -> None:
        """`has_body` as the headers say: without one nothing is waited for."""
        self._receive = receive
        self._bytes_max = bytes_max
        self._idle_seconds = idle_seconds
        self._spool: list[bytes] | None = []
        self.size = 0
        """Bytes read so far."""
        self.is_done = not has_body
        self.has_body = has_body
        self.error: GatewayError | None = None
        """What went wrong while somebody read by `as_receive`, who was only told that the caller is gone."""

    @property
    def is_replayable(self) -> bool:
        """Whether the whole of it can be sent once more."""
        return self.is_done and self._spool is not None

    @property
    def whole(self) -> bytes:
        """All of a body that is replayable."""
        assert self._spool is not None
        return self._spool[0] if len(self._spool) == 1 else b"".join(self._spool)

    async def start(self) -> None:
        """Read the first piece, which mostly is all. Raises as `pieces` does."""
        if not self.is_done:
            await self._next()

    async def read_all(self) -> bytes:
        """The whole, for who must judge it before it goes on. Raises `GatewayError` 413 beyond what is kept."""
        while not self.is_done:
            await self._next()
            if self._spool is None:
                raise GatewayError(
                    413,
                    "body_too_large",
                    "This key's policy looks into bodies, and this one is too large.",
                    closes=True,
                )
        return self.whole

    async def pieces(self) -> AsyncGenerator[bytes]:
        """What was read, and what still comes. Raises `ClientGone`, and `GatewayError` 408 and 413.

        From the second call on only a replayable body gives what it gave before.
        """
        for piece in list(self._spool or ()):
            yield piece
        while not self.is_done:
            piece = await self._next()
            if piece:
                yield piece

    def as_receive(self) -> Receive:
        """An ASGI `receive` that gives what was read here, and then what still comes."""
        spooled = list(self._spool or ())
        ended = False

        async def receive() -> Any:
            nonlocal ended
            if spooled:
                piece = spooled.pop(0)
                ended = self.is_done and not spooled
                return {"type": "http.request", "body": piece, "more_body": not ended}
            if ended or not self.has_body:
                if not ended:
                    ended = True
                    return {"type": "http.request", "body": b"", "more_body": False}
                return await self._receive()
            try:
                piece = await self._next()
            except ClientGone:
                return {"type": "http.disconnect"}
            except GatewayError as error:
                self.error = error
                return {"type": "http.disconnect"}
            ended = self.is_done
            return {"type": "http.request", "body": piece, "more_body": not ended}

        return receive

    async def _next(self) -> bytes:
        try:
            async with asyncio.timeout(self._idle_seconds):
                message = await self._receive()
        except TimeoutError:
            raise GatewayError(408, "body_timeout", "The body did not come in time.", closes=True) from None
        if message["type"] != "http.request":
            raise ClientGone
        piece: bytes = message.get("body", b"")
        self.is_done = not message.get("more_body", False)
        self.size += len(piece)
        if self.size > self._bytes_max:
            raise body_too_large(self._bytes_max)
        if self._spool is not None:
            if self._spool and self.size > SPOOLED_BYTES_MAX:
                self._spool = None  # what it held has been given out; from here on nothing is kept
            else:
                self._spool.append(piece)
        return piece


def body_too_large(bytes_max: int) -> GatewayError:
    """413."""
    return GatewayError(413, "body_too_large", f"A body may have at most {bytes_max} bytes.", closes=True)
