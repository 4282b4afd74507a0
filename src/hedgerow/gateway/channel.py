"""One HTTP/1.1 connection to an account's server: a request is written, an answer is read, nothing is ever guessed.

Written on httptools alone, because a proxy wants neither more nor less than bytes: raw paths and raw headers out, raw
headers and pieces of a body in, with back-pressure both ways. A connection that did anything unexpected is not used again.
"""

# ruff: noqa: N818 — these names are states, and say so themselves

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final, cast

import httptools

Headers = list[tuple[bytes, bytes]]

HEAD_BYTES_MAX: Final = 64 << 10
HEADERS_MAX: Final = 500
SOON_SECONDS: Final = 0.05
"""Answers that come sooner are not worth watching the caller for."""
BUFFERED_BYTES_MAX: Final = 256 << 10
"""As much of an answer is read ahead of a slow caller."""


class UpstreamError(Exception):
    """The account's server could not be spoken to.

    UpstreamError
    ├── CannotConnect     no connection: refused, unreachable, name unknown, address not allowed
    ├── TlsFailed         the certificate or the handshake
    ├── ConnectionBroke   closed or reset before the answer was complete
    ├── ProtocolBroken    what came is no HTTP that may be passed on
    └── UpstreamSlow      nothing came in time
    """


class CannotConnect(UpstreamError):
    """No byte was sent. `kind` is the error type of RFC 9209."""

    def __init__(self, kind: str = "connection_refused") -> None:
        """Name the kind; the text never says an address."""
        super().__init__(kind)
        self.kind = kind


class TlsFailed(UpstreamError):
    """No byte was sent."""


class ConnectionBroke(UpstreamError):
    """The connection ended in the middle."""


class ProtocolBroken(UpstreamError):
    """The answer's framing cannot be trusted."""


class UpstreamSlow(UpstreamError):
    """No byte for too long."""


class Channel(asyncio.Protocol):
    """One connection. `begin`, then `write` and `end_body` for a body, `head`, then `read` until b""; then `finish`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_lost: Callable[[Channel], None]) -> None:
        """`on_lost` is called once, when the connection is gone."""
        self._loop = loop
        self._on_lost = on_lost
        self.transport: asyncio.Transport = cast("Any", None)
        self.is_closed = False
        self.ended: asyncio.Future[None] = loop.create_future()
        """Done when the connection is gone."""
        self.uses = 0
        self.idle_since = 0.0
        self.pool_key: Any = None
        self._parser: Any = None
        self._is_active = False
        self._slow: Callable[[], None] | None = None
        self._timer: asyncio.TimerHandle = cast("Any", None)
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._is_write_paused = False
        self._reset(is_head=False)

    def _reset(self, *, is_head: bool) -> None:
        self.status = 0
        self.headers: Headers = []
        self.has_head = False
        self.is_complete = False
        self.has_answered = False
        """Whether any byte of an answer came."""
        self._is_head = is_head
        self._is_informational = False
        self._is_until_end = True
        self._keeps_alive = False
        self._body_is_sent = True
        self._error: BaseException | None = None
        self._pieces: deque[bytes] = deque()
        self._buffered = 0
        self._head_bytes = self._header_bytes = 0
        self._is_read_paused = False

    # A request

    def begin(self, head: bytes, *, is_head: bool, has_more: bool) -> None:
        """Write a request's head, and its body if that is short. `has_more` when `write` follows."""
        self._reset(is_head=is_head)
        self._parser = httptools.HttpResponseParser(self)
        self._is_active = True
        self._body_is_sent = not has_more
        self.uses += 1
        self.transport.write(head)

    async def write(self, data: bytes, seconds: float) -> None:
        """A piece of the body; waits while the server does not take more. Raises what `fail` was given."""
        if self._error is not None:
            raise self._error
        self.transport.write(data)
        if self._is_write_paused:
            self._drained = self._loop.create_future()
            try:
                async with asyncio.timeout(seconds):
                    await self._drained
            except TimeoutError:
                raise UpstreamSlow("The server does not take the body.") from None
            finally:
                self._drained = None
            if self._error is not None:
                raise self._error

    def end_body(self) -> None:
        """The body is sent."""
        self._body_is_sent = True

    # An answer

    async def head(self, seconds: float, slow: Callable[[], None] | None = None) -> None:
        """Wait for status and headers. `slow` is called if they are not there soon.

        Raises `UpstreamError` or what `fail` was given.
        """
        self._slow = slow
        while not self.has_head:
            if self._error is not None:
                raise self._error
            await self._wait(seconds)

    async def read(self, seconds: float) -> bytes:
        """What has come of the body, at least one byte; b"" at its end. Raises as `head` does."""
        while not self._pieces:
            if self._error is not None:
                raise self._error
            if self.is_complete:
                return b""
            await self._wait(seconds)
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._buffered = 0
        if self._is_read_paused and not self.is_closed:
            self._is_read_paused = False
            self.transport.resume_reading()
        return data

    @property
    def is_drained(self) -> bool:
        """Whether everything of a complete answer has been read."""
        return self.is_complete and not self._pieces

    def finish(self) -> bool:
        """The exchange is over. True if the connection may be used for another one; else it is closed."""
        self._is_active = False
        self._parser = None
        reusable = (
            self.is_complete
            and not self._pieces
            and self._keeps_alive
            and self._body_is_sent
            and self._error is None
            and not self.is_closed
            and not self.transport.is_closing()
        )
        if not reusable:
            self.close()
        return reusable

    def fail(self, error: BaseException) -> None:
        """End the exchange from outside: whoever waits for it gets `error`."""
        if self._error is None:
            self._error = error
        self._wake()
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def close(self) -> None:
        """Close at once; what is not sent is dropped."""
        if not self.is_closed and self.transport is not None:  # pyright: ignore[reportUnnecessaryComparison]
            self.transport.abort()

    async def _wait(self, seconds: float) -> None:
        waiter = self._waiter = self._loop.create_future()
        if self._slow is None or seconds <= SOON_SECONDS:
            self._timer = self._loop.call_later(seconds, self._late)
        else:
            self._timer = self._loop.call_later(SOON_SECONDS, self._not_soon, seconds - SOON_SECONDS)
        try:
            await waiter
        finally:
            self._timer.cancel()
            self._waiter = None

    def _not_soon(self, seconds: float) -> None:
        slow, self._slow = self._slow, None
        self._timer = self._loop.call_later(seconds, self._late)
        if slow is not None:
            slow()

    def _late(self) -> None:
        self.fail(UpstreamSlow("Nothing came in time."))

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # asyncio's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Asyncio."""
        if not self._is_active:
            self.close()  # nobody asked
            return
        if not self.has_head:
            self.has_answered = True
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX + BUFFERED_BYTES_MAX:
                self._break("The head of the answer is too large.")
                return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._break("The server changed the protocol.")
        except httptools.HttpParserError as error:
            self._break(f"The answer is no proper HTTP: {error}")

    def eof_received(self) -> bool:
        """Asyncio. The connection is closed by us, too."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Asyncio."""
        self.is_closed = True
        if self._is_active and not self.is_complete and self._error is None:
            if self.has_head and self._is_until_end and exc is None:
                self.is_complete = True
                self._wake()
            else:
                self.fail(ConnectionBroke("The connection ended before the answer did."))
        elif self._drained is not None and not self._drained.done():
            self.fail(ConnectionBroke("The connection ended."))
        if not self.ended.done():
            self.ended.set_result(None)
        self._on_lost(self)

    def pause_writing(self) -> None:
        """Asyncio."""
        self._is_write_paused = True

    def resume_writing(self) -> None:
        """Asyncio."""
        self._is_write_paused = False
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    # httptools' callbacks

    def on_message_begin(self) -> None:
        """A second answer to one request must not reach anybody."""
        if self.is_complete:
            self._keeps_alive = False
            self._is_active = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; what stands behind the body (trailers) is dropped."""
        if self.has_head:
            return
        name = name.lower()
        if name == b"content-length" or name == b"transfer-encoding":  # noqa: PLR1714 — hot
            self._is_until_end = False
        self._header_bytes += len(name) + len(value) + 4
        self.headers.append((name, value))
        if len(self.headers) > HEADERS_MAX or self._header_bytes > HEAD_BYTES_MAX:
            raise ProtocolBroken("The answer's headers are too large.")

    def on_headers_complete(self) -> None:
        """Status and headers are there."""
        status = self._parser.get_status_code()
        if status < 200:
            if status not in {100, 102, 103}:
                raise ProtocolBroken("The answer has a status that cannot be passed on.")
            self._is_informational = True
            self.headers = []
            self._is_until_end = True
            return
        if status > 599:
            raise ProtocolBroken("The answer has a status that cannot be passed on.")
        self.status = status
        self.has_head = True
        self._keeps_alive = self._parser.should_keep_alive()
        if self._is_head or status in {204, 304}:
            self.is_complete = True
        self._wake()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        if self.is_complete:
            self._keeps_alive = False  # a body where none may be
            return
        self._pieces.append(body)
        self._buffered += len(body)
        if self._buffered > BUFFERED_BYTES_MAX and not self._is_read_paused:
            self._is_read_paused = True
            self.transport.pause_reading()
        self._wake()

    def on_message_complete(self) -> None:
        """The answer is over, or an informational one before it."""
        if self._is_informational:
            self._is_informational = False
            return
        self.is_complete = True
        self._wake()

    def _break(self, why: str) -> None:
        self._keeps_alive = False
        if not self.is_complete:
            self.fail(ProtocolBroken(why))
        self.close()
