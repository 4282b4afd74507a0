"""How the gateway answers in an account's place, and how it ends an answer that cannot be completed."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from hedgerow.gateway.answers import GatewayError
from hedgerow.gateway.local import Receive, Scope, Send
from hedgerow.gateway.trace import Trace

READ_ON_BYTES_MAX: Final = 16 << 20
READ_ON_SECONDS_MAX: Final = 1.0


async def refuse(error: GatewayError, trace: Trace, receive: Receive, send: Send, *, has_body: bool) -> None:
    """Answer instead of the account."""
    trace.refused_by(error)
    request_id = trace.request_id.decode("latin-1")
    body = error.body(request_id)
    headers = error.answer_headers(request_id)
    if trace.connection is not None:
        headers.append((b"hedgerow-connection", str(trace.connection.id).encode()))
    if trace.method != "HEAD":
        headers.append((b"content-length", str(len(body)).encode()))
    trace.bytes_out = len(body)
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if trace.method == "HEAD" else body, "more_body": True})
    if error.closes and has_body:
        await _read_on(receive)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _read_on(receive: Receive) -> None:
    """Take in more of a body that nobody wants: to close with something unread would take the answer back."""
    left = READ_ON_BYTES_MAX
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(READ_ON_SECONDS_MAX):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body"):
                    return


async def abort(scope: Scope, receive: Receive) -> None:
    """End the caller's connection in the middle of an answer, so that nobody takes a part for the whole.

    `gateway.protocol` gives the means; under another server the application ends without having answered.
    """
    end = (scope.get("state") or {}).get("hedgerow.abort")
    if end is None:
        return
    end()
    while (await receive())["type"] != "http.disconnect":
        pass
