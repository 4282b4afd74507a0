"""An account's answer on its way to the caller: filtered headers, marks of origin, links, and the body as it came."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from hedgerow.gateway import links
from hedgerow.gateway.apps import App
from hedgerow.gateway.connections import Connection
from hedgerow.gateway.headers import Headers, answer_headers
from hedgerow.gateway.local import Send
from hedgerow.gateway.redirects import STATUSES, location_at_gateway
from hedgerow.gateway.trace import Trace

_STRONG_TAG: Final = re.compile(rb'"[^"]*"')


class Place(msgspec.Struct, frozen=True):
    """Where a connection's URLs begin, and what they become for the caller."""

    base_url: str
    """The account's, as it stands in its own answers."""
    gateway: str
    """This gateway's, with the app's name."""

    def url(self, path: bytes, query: bytes) -> str:
        """The full URL of a call at the account."""
        return self.base_url + path.decode("ascii") + (f"?{query.decode('latin-1')}" if query else "")


class Answering:
    """Sends one answer. `begin` once, `piece` for what comes of the body, `end`."""

    def __init__(
        self,
        send: Send,
        trace: Trace,
        connection: Connection,
        place: Place,
        *,
        path: bytes,
        extra: Headers,
        rewrites_links: bool = False,
    ) -> None:
        """`extra` headers go on top; `rewrites_links` when the caller asked for `next` and `previous` in the body to be changed."""
        self._send = send
        self._trace = trace
        self._connection = connection
        self._place = place
        self._path = path
        self._extra = extra
        self._rewrites_links = rewrites_links
        self._held: list[bytes] | None = None
        self._encoding = b""
        self._start: dict[str, Any] = {}
        self.has_begun = False
        """Whether the caller has been sent anything."""

    async def begin(self, status: int, headers: Headers, *, extra: Headers | None = None) -> None:
        """Status and headers of the account, and `extra` ones. Raises `GatewayError` 502 for a redirect to elsewhere."""
        trace = self._trace
        kept, said = answer_headers(headers, trace.request_id)
        if status in STATUSES:
            kept = self._redirected(kept)
        if status in {204, 304}:
            kept = [pair for pair in kept if pair[0] != b"content-length"]
        kept += (
            (b"hedgerow-connection", str(self._connection.id).encode()),
            (b"hedgerow-origin", b"upstream"),
            (b"proxy-status", b"hedgerow; received-status=%d" % status),
            (b"server-timing", trace.server_timing()),
        )
        kept += self._extra
        kept += extra or ()
        trace.status, trace.origin = status, "upstream"
        self._start = {"type": "http.response.start", "status": status, "headers": kept}
        self._encoding = said.encoding
        if links.may_have_links(trace.method, status, said.content_type, said.encoding, said.length):
            self._held = []
            return
        self.has_begun = True
        await self._send(self._start)

    def reconnect_link(self) -> bytes:
        """Where a connection that the account refuses can be made good; without a token (gateway §2.9)."""
        origin = self._place.gateway.removesuffix(f"/{self._trace.app.name}")
        return f'<{origin}/connections/{self._connection.id}>; rel="reconnect"'.encode()

    async def piece(self, data: bytes, *, is_last: bool = False) -> None:
        """A piece of the body, as it came."""
        self._trace.bytes_out += len(data)
        if self._held is not None:
            self._held.append(data)
            if is_last:
                await self._release(self._held)
            return
        await self._send({"type": "http.response.body", "body": data, "more_body": not is_last})

    async def end(self) -> None:
        """The body is complete."""
        await self.piece(b"", is_last=True)

    async def _release(self, held: list[bytes]) -> None:
        body = held[0] if len(held) == 1 else b"".join(held)
        origin, gateway = self._place.base_url, self._place.gateway
        link = links.link_header(body, self._encoding, origin, gateway)
        if link is not None:
            self._start["headers"].append((b"link", link))
            if self._rewrites_links and self._encoding in {b"", b"identity"}:
                body = self._rewrite(body)
        self._held = None
        self.has_begun = True
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    def _rewrite(self, body: bytes) -> bytes:
        made = links.rewritten(body, self._place.base_url, self._place.gateway)
        if made is None:
            return body
        headers: Headers = []
        for name, value in self._start["headers"]:
            if name == b"content-length":
                headers.append((name, str(len(made)).encode()))
            elif name == b"etag" and _STRONG_TAG.fullmatch(value):
                headers.append((name, b"W/" + value))
            else:
                headers.append((name, value))
        self._start["headers"] = headers
        return made

    def _redirected(self, headers: Headers) -> Headers:
        place = self._place
        asked = place.url(self._path, self._trace.query)
        return [
            (name, location_at_gateway(value, asked, place.base_url, place.gateway) if name == b"location" else value)
            for name, value in headers
        ]


def gateway_of(origin: str, app: App) -> str:
    """The address under which this gateway serves an app."""
    return f"{origin}/{app.name}"
