"""The server's side of HTTP/1.1, stricter than the parser alone (gateway §2.3, §4.1 rule 6).

    Config(app, http=StrictProtocol, ws="none", …)

httptools refuses folded headers, spaces before the colon, bare line feeds, two lengths, length with chunks, unknown
codings. What it would let through is refused here, while the head is still coming in: a target that is a URL, `CONNECT`,
no `Host` or two, a head that is too large. Each refusal ends the connection.
"""

from __future__ import annotations

from typing import Final

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from hedgerow.core import ids
from hedgerow.gateway.answers import GatewayError, invalid_request
from hedgerow.gateway.headers import COUNT_MAX, TOTAL_BYTES_MAX

URL_BYTES_MAX: Final = 16 << 10
UNFINISHED_BYTES_MAX: Final = 512 << 10
"""Of a head that does not end: one header, or one URL, that is not complete yet."""
LINGER_SECONDS: Final = 1.0
_ONCE: Final = frozenset({b"host", b"content-length", b"authorization"})


class _RefusedError(Exception):
    """Ends the parsing of a head."""


class StrictProtocol(HttpToolsProtocol):
    """One connection of a caller."""

    _refusal: GatewayError | None = None
    _header_bytes = 0
    _unfinished_bytes = 0
    _in_head = False
    _is_ending = False

    @property
    def _parser(self) -> httptools.HttpRequestParser:
        assert self.parser is not None
        return self.parser

    def data_received(self, data: bytes) -> None:
        """Asyncio."""
        if self._is_ending:
            return
        self._unset_keepalive_if_required()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._is_ending = True  # what follows is no HTTP: the request at hand is answered, and nothing else read
        except httptools.HttpParserError:
            self._answer(self._refusal or invalid_request("This is no proper HTTP request.", closes=True))
        else:
            if self._in_head:
                self._unfinished_bytes += len(data)
                if self._unfinished_bytes > UNFINISHED_BYTES_MAX:
                    self._answer(_too_large())

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self.scope["state"]["hedgerow.abort"] = self.transport.abort  # type: ignore[typeddict-item]
        self._in_head = True
        self._unfinished_bytes = self._header_bytes = 0

    def on_url(self, url: bytes) -> None:
        """A part of the target."""
        super().on_url(url)
        if len(self.url) > URL_BYTES_MAX:
            self._refuse(GatewayError(414, "url_too_long", "The URL is too long.", closes=True))

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer, which is dropped."""
        if not self._in_head:
            return
        super().on_header(name, value)
        if len(self.headers) > COUNT_MAX:
            self._refuse(GatewayError(431, "too_many_headers", f"More than {COUNT_MAX} headers.", closes=True))
        self._header_bytes += len(name) + len(value) + 4
        if self._header_bytes > TOTAL_BYTES_MAX:
            self._refuse(_too_large())

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._in_head = False
        method = self._parser.get_method()
        if method == b"CONNECT":
            refusal = GatewayError(
                405, "method_not_allowed", "CONNECT is not allowed.", headers=[(b"allow", b"GET, POST")], closes=True
            )
            self._refuse(refusal)
        if not self.url.startswith(b"/") and not (self.url == b"*" and method == b"OPTIONS"):
            self._refuse(invalid_request("The target must be a path.", closes=True))
        if b"#" in self.url:
            self._refuse(invalid_request("The target must have no fragment.", closes=True))
        names = [name for name, _ in self.headers if name in _ONCE]
        if len(names) != len(set(names)):
            self._refuse(invalid_request("A header that may come once came twice.", closes=True))
        if b"host" not in names and self._parser.get_http_version() == "1.1":
            self._refuse(invalid_request("The Host header is missing.", closes=True))
        is_upgrade = self._parser.should_upgrade()
        if is_upgrade and any(
            name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0"))
            for name, value in self.headers
        ):
            self._refuse(invalid_request("A request to change the protocol must have no body.", closes=True))
        super().on_headers_complete()
        if is_upgrade:
            self.cycle.keep_alive = False

    def _refuse(self, refusal: GatewayError) -> None:
        self._refusal = refusal
        raise _RefusedError

    def _answer(self, refusal: GatewayError) -> None:
        """Answer outside of the application, and end the connection."""
        self._is_ending = True
        if self.cycle is not None and not self.cycle.response_complete:  # pyright: ignore[reportUnnecessaryComparison]
            if not self.cycle.response_started and not self.pipeline:
                self.cycle.disconnected = True  # the request whose body is broken gets this answer instead of its own
                self.cycle.message_event.set()
            else:
                self.transport.close()
                return
        request_id = str(ids.uuid7())
        body = refusal.body(request_id)
        headers = [*refusal.answer_headers(request_id), (b"content-length", str(len(body)).encode())]
        lines = [b"%b: %b\r\n" % pair for pair in [*self.server_state.default_headers, *headers]]
        self.transport.write(b"".join([STATUS_LINE[refusal.status], *lines, b"\r\n", body]))
        self._linger()

    def _linger(self) -> None:
        """Close our side, and read on for a moment: to close with something unread would take the answer back."""
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)


def _too_large() -> GatewayError:
    return GatewayError(431, "headers_too_large", "The headers are too large.", closes=True)
