"""A call to an account over HTTP: sent, repeated where that is safe, and its answer streamed back (gateway §2.4, §2.8)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, Final

from hedgerow.gateway.answering import Answering
from hedgerow.gateway.answers import GatewayError, bad_gateway, gateway_timeout
from hedgerow.gateway.apps import HostChoice
from hedgerow.gateway.bodies import ClientGone, RequestBody
from hedgerow.gateway.channel import (
    CannotConnect,
    Channel,
    ConnectionBroke,
    TlsFailed,
    UpstreamError,
    UpstreamSlow,
)
from hedgerow.gateway.credentials import Credential, Credentials
from hedgerow.gateway.local import Receive
from hedgerow.gateway.orders import Order, followed_order
from hedgerow.gateway.trace import Trace
from hedgerow.gateway.upstream import UpstreamClient

RETRIED_STATUSES: Final = frozenset({502, 503, 504})
HOPS_MAX: Final = 2
BACKOFF_SECONDS: Final = 0.25


class Forwarder:
    """Sends calls on. One for the process."""

    def __init__(self, client: UpstreamClient, credentials: Credentials, followed: Mapping[str, HostChoice]) -> None:
        """Connections come from `client`, what they carry from `credentials`.

        `followed` are the origins, other than an account's own, that redirects are followed to (gateway §2.6).
        """
        self._client = client
        self._credentials = credentials
        self._followed = followed

    async def run(self, order: Order, body: RequestBody, receive: Receive, answering: Answering, trace: Trace) -> None:
        """Send, and stream the answer. Raises `GatewayError` before anything was answered, `Cut` afterwards, `ClientGone`."""
        loop = asyncio.get_running_loop()
        run = _Run(self._client, order, body, trace)
        watch = run.watch = _Watch(loop, receive, run, order.patience.total)
        if not body.is_done:
            watch.limit()
        try:
            channel = await self._answered(run, order, body, trace)
            for _ in range(HOPS_MAX):
                hop = followed_order(run.order, channel, self._followed)
                if hop is None:
                    break
                run.order = hop
                channel = await run.send(None)
            if not channel.is_complete:
                watch.begin()
            await _stream(channel, run.order, answering, trace)
        except ClientGone:
            raise
        except UpstreamError as error:
            if answering.has_begun:
                raise Cut from error
            raise answer_to(error) from None
        except GatewayError:
            if answering.has_begun:
                raise Cut from None
            raise
        finally:
            watch.stop()
            await run.close()

    async def _answered(self, run: _Run, order: Order, body: RequestBody, trace: Trace) -> Channel:
        """A channel with the head of the answer that the caller is to get."""
        credential = await self._credentials.for_connection(order.connection) if order.needs_credential else None
        has_refreshed = False
        retries = order.retries if order.method in {"GET", "HEAD"} else 0
        while True:
            channel = await run.send(credential)
            if channel.status == 401 and credential is not None and not has_refreshed and body.is_replayable:
                newer = await self._credentials.after_refusal(order.connection, credential)
                has_refreshed = True
                if newer is not None:
                    credential = newer
                    trace.retries += 1
                    continue
            wait = _wait_before_retry(channel, order, retries, trace.retries)
            if wait is None or not body.is_replayable:
                return channel
            retries -= 1
            trace.retries += 1
            await run.pause(wait)


class Cut(Exception):  # noqa: N818 — what happened to the answer
    """The account's answer ended in the middle, and so does the caller's."""


class _Run:
    """The attempts of one call."""

    def __init__(self, client: UpstreamClient, order: Order, body: RequestBody, trace: Trace) -> None:
        self._client = client
        self.order = order
        """Changes where a redirect is followed."""
        self._body = body
        self._trace = trace
        self._channel: Channel | None = None
        self._pump: asyncio.Task[None] | None = None
        self._pause: asyncio.Future[None] | None = None
        self._over: BaseException | None = None
        self.watch: _Watch
        self.is_sending = False
        """Whether a body is being sent as it comes."""

    async def send(self, credential: Credential | None) -> Channel:
        """Send once, or twice where the first connection was dead and that is safe. The head of the answer is there."""
        await self._let_go()
        for attempt in (0, 1):
            if self._over is not None:
                raise self._over
            channel = self._channel = await self._client.acquire(self.order.target, fresh=attempt > 0)
            if self._over is not None:
                raise self._over
            was_used = channel.uses > 0
            try:
                self._trace.passed_on()
                self._begin(channel, credential)
                await channel.head(self.order.patience.first_byte, self.watch.begin)
                return channel
            except ConnectionBroke:
                may_repeat = self.order.is_repeatable and self._body.is_replayable
                if attempt or not was_used or channel.has_answered or not may_repeat:
                    raise
                self._trace.retries += 1
                await self._let_go()
        raise AssertionError

    def _begin(self, channel: Channel, credential: Credential | None) -> None:
        order, body = self.order, self._body
        lines = [f"{order.method} ".encode(), order.path, b" HTTP/1.1\r\nhost: ", order.target.host_header, b"\r\n"]
        for name, value in order.headers:
            lines += (name, b": ", value, b"\r\n")
        if credential is not None:
            for name, value in credential.headers:
                lines += (name, b": ", value, b"\r\n")
        whole = body.whole if body.is_replayable else None
        if whole is not None:
            if body.has_body or order.method in {"POST", "PUT", "PATCH"}:
                lines += (b"content-length: ", str(len(whole)).encode(), b"\r\n\r\n", whole)
            else:
                lines.append(b"\r\n")
            channel.begin(b"".join(lines), is_head=order.method == "HEAD", has_more=False)
            return
        framing = b"transfer-encoding: chunked" if order.length is None else b"content-length: %d" % order.length
        lines += (framing, b"\r\n\r\n")
        channel.begin(b"".join(lines), is_head=order.method == "HEAD", has_more=True)
        self.is_sending = True
        self._pump = asyncio.create_task(self._send_body(channel), name="gateway: body of a call")

    async def _send_body(self, channel: Channel) -> None:
        """The caller's body, as it comes. What goes wrong is what `head` and `read` of the channel then raise."""
        idle = self.order.patience.idle
        is_chunked = self.order.length is None
        try:
            async for piece in self._body.pieces():
                await channel.write(b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece, idle)
            if is_chunked:
                await channel.write(b"0\r\n\r\n", idle)
            channel.end_body()
            self.is_sending = False
        except (UpstreamError, GatewayError, ClientGone) as error:
            channel.fail(error)
        else:
            self.watch.body_is_over()

    async def pause(self, seconds: float) -> None:
        """Wait before the next attempt, unless the call ends meanwhile."""
        await self._let_go()
        loop = asyncio.get_running_loop()
        self._pause = loop.create_future()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._pause
        self._pause = None
        if self._over is not None:
            raise self._over

    def caller_gone(self) -> None:
        """Nobody waits any more."""
        self._end(ClientGone())

    def too_long(self) -> None:
        """The whole call has taken too long."""
        self._end(UpstreamSlow("The call took too long as a whole."))

    def _end(self, error: BaseException) -> None:
        self._over = error
        if self._channel is not None:
            self._channel.fail(error)
        if self._pause is not None and not self._pause.done():
            self._pause.set_result(None)

    async def _let_go(self) -> None:
        if self._pump is not None:
            if not self._pump.done():
                self._pump.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await self._pump
            self._pump = None
        if self._channel is not None:
            self._client.release(self._channel)
            self._channel = None

    async def close(self) -> None:
        """Let go of the connection: kept if the exchange ended well, closed if not."""
        await self._let_go()
        del self.watch  # it knows this call: together they would wait for Python's collector, 22 objects a call


class _Watch:
    """Notices that the caller hangs up, or that the whole takes too long, while the account takes its time.

    A call that is answered soon never needs it: a task and two timers for each would be a tenth of what a call costs.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, receive: Receive, run: _Run, total: float) -> None:
        self._loop = loop
        self._receive = receive
        self._run = run
        self._total = total
        self._is_wanted = False
        self._deadline: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def limit(self) -> None:
        """Count the whole time from now on."""
        if self._deadline is None:
            self._deadline = self._loop.call_later(self._total, self._run.too_long)

    def begin(self) -> None:
        """Watch from now on; while a body is still sent, whoever reads that notices, and this begins afterwards."""
        self.limit()
        self._is_wanted = True
        if self._task is None and not self._run.is_sending:
            self._task = self._loop.create_task(self._look(), name="gateway: is the caller there")

    def body_is_over(self) -> None:
        """Nobody else reads what the caller sends any more."""
        if self._is_wanted:
            self.begin()

    async def _look(self) -> None:
        while True:
            message: Any = await self._receive()
            if message["type"] == "http.disconnect":
                self._run.caller_gone()
                return

    def stop(self) -> None:
        """The call is over."""
        if self._deadline is not None:
            self._deadline.cancel()
        if self._task is not None:
            self._task.cancel()


async def _stream(channel: Channel, order: Order, answering: Answering, trace: Trace) -> None:
    extra = None
    if channel.status == 401 and order.needs_credential:
        extra = [(b"hedgerow-hint", b"reconnect"), (b"link", answering.reconnect_link())]
    await answering.begin(channel.status, channel.headers, extra=extra)
    is_stream = any(
        name == b"content-type" and value.startswith(b"text/event-stream") for name, value in channel.headers
    )
    idle = order.patience.stream_idle if is_stream else order.patience.idle
    while True:
        data = await channel.read(idle)
        is_last = channel.is_drained
        if is_last:
            trace.upstream_done()
        await answering.piece(data, is_last=is_last)
        if is_last:
            return


def _wait_before_retry(channel: Channel, order: Order, retries: int, tried: int) -> float | None:
    """Seconds to wait before the call is sent again; None if the caller is to get this answer."""
    if channel.status == 429 and order.wait > 0:
        said = next((value for name, value in channel.headers if name == b"retry-after"), b"")
        seconds = float(said) if said.isdigit() and len(said) < 6 else None
        return seconds if seconds is not None and seconds <= order.wait and tried < 2 else None
    if channel.status in RETRIED_STATUSES and retries > 0:
        return BACKOFF_SECONDS * 2**tried
    return None


def answer_to(error: UpstreamError) -> GatewayError:
    """What the caller is told when the account's server cannot be used (gateway §2.9)."""
    if isinstance(error, CannotConnect):
        return bad_gateway("upstream_unreachable", "The account's server cannot be reached.", error.kind)
    if isinstance(error, TlsFailed):
        return bad_gateway(
            "upstream_tls", "No safe connection to the account's server can be made.", "tls_certificate_error"
        )
    if isinstance(error, UpstreamSlow):
        return gateway_timeout("The account's server did not answer in time.")
    kind = "connection_terminated" if isinstance(error, ConnectionBroke) else "http_protocol_error"
    return bad_gateway("upstream_protocol", "The account's server gave no answer that can be passed on.", kind)
