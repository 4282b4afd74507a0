"""A FAKE PostHog cloud: a real HTTP server on loopback that follows the contract where the gateway can see it.

It is written on bare streams, because half of what it has to do is what no HTTP library would.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

VALID_KEY = "phx_FakeKeyOfTheFakeCloud0123456789abcdefghijkl"
UNAUTHORISED = (
    b'{"type":"authentication_error","code":"authentication_failed",'
    b'"detail":"Personal API key found in request Authorization header is invalid.","attr":null}'
)
ODD_BODY = b'{"type": "validation_error",\n "code":"invalid_input", "detail":"\xc3\xa4 \\u00e4 ", "attr":null }\n\n'


@dataclass
class Received:
    """One request as it arrived."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    connection: int = 0

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query)

    def header(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key.lower() == name]
        assert len(found) <= 1, f"{name} came {len(found)} times"
        return found[0] if found else None


Handler = Callable[["FakePostHog", Received, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bool | None]]


@dataclass
class FakePostHog:
    """The server. What it received stands in `received`; `valid_keys` are the bearers that it takes."""

    valid_keys: set[str] = field(default_factory=lambda: {VALID_KEY})
    received: list[Received] = field(default_factory=list)
    hung_up: list[str] = field(default_factory=list)
    """Targets of requests whose sender went away before the answer was complete."""
    connections: int = 0
    handlers: dict[str, Handler] = field(default_factory=dict)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    """What slow answers wait for."""
    port: int = 0
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def last(self) -> Received:
        return self.received[-1]

    def reset(self) -> None:
        """Forget what was received; take the one key that is always taken."""
        self.received.clear()
        self.hung_up.clear()
        self.handlers.clear()
        self.valid_keys = {VALID_KEY}
        self.gate = asyncio.Event()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 20)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self.gate.set()
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        self._open.add(writer)
        try:
            while await self._one(reader, writer, number):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")[:-2]
        method, target, _ = first.split(" ")
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        request = Received(method, target, headers, connection=number)
        handler = self.handlers.get(request.path) or HANDLERS.get(request.path) or _default
        if handler not in UNREAD:
            request.body = await read_body(request, reader)
        self.received.append(request)
        try:
            stays = await handler(self, request, reader, writer)
            await writer.drain()
        except ConnectionError:
            self.hung_up.append(target)
            raise
        return stays is not False

    async def wait_for_hang_up(self, reader: asyncio.StreamReader, target: str) -> None:
        """Until the other side closes."""
        while await reader.read(1 << 16):
            pass
        self.hung_up.append(target)


async def read_body(request: Received, reader: asyncio.StreamReader) -> bytes:
    if (request.header("transfer-encoding") or "") == "chunked":
        body = b""
        while size := int((await reader.readuntil(b"\r\n")).strip(), 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readuntil(b"\r\n")
        return body
    return await reader.readexactly(int(request.header("content-length") or 0))


def respond(
    writer: asyncio.StreamWriter,
    status: int,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    *,
    is_head: bool = False,
    reason: str = "Said So",
) -> None:
    lines = [f"HTTP/1.1 {status} {reason}"]
    fields = {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}
    if status in {204, 304}:
        del fields["Content-Length"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (b"" if is_head else body))


def chunked(*pieces: bytes, trailers: str = "") -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n" + trailers.encode() + b"\r\n"


async def _default(fake: FakePostHog, request: Received, _reader: Any, writer: asyncio.StreamWriter) -> None:
    """Anything at all: what came, as JSON; 401 for a credential that is not taken."""
    bearer = (request.header("authorization") or "").removeprefix("Bearer ")
    if bearer and bearer not in fake.valid_keys:
        respond(writer, 401, UNAUTHORISED, is_head=request.method == "HEAD")
        return
    said = {
        "method": request.method,
        "target": request.target,
        "headers": request.headers,
        "bytes": len(request.body),
        "sha256": hashlib.sha256(request.body).hexdigest(),
    }
    respond(writer, 200, json.dumps(said).encode(), {"ETag": '"abc"'}, is_head=request.method == "HEAD")


async def _me(fake: FakePostHog, request: Received, _reader: Any, writer: asyncio.StreamWriter) -> None:
    bearer = (request.header("authorization") or "").removeprefix("Bearer ")
    if bearer not in fake.valid_keys:
        respond(writer, 401, UNAUTHORISED)
        return
    respond(writer, 200, b'{"uuid":"0190aaaa-0000-0000-0000-000000000000","email":"fake@example.com"}')


async def _status(_fake: FakePostHog, request: Received, _reader: Any, writer: asyncio.StreamWriter) -> None:
    """`?code=418`: that status with a body that nobody would write like this."""
    code = int(request.query["code"][0])
    respond(writer, code, ODD_BODY, {"Retry-After": "17", "X-RateLimit-Remaining": "3"})


async def _persons(fake: FakePostHog, request: Received, _reader: Any, writer: asyncio.StreamWriter) -> None:
    """A page of a list, its `next` as the cloud writes it."""
    path = f"{fake.url}/api/projects/1/persons/"
    page = {
        "next": f"{path}?limit=10&offset=20",
        "previous": f"{path}?limit=10",
        "results": [{"properties": {"next": "not this one"}}],
    }
    body = json.dumps(page, indent=1).encode()
    how = request.query.get("how", [""])[0]
    if how == "gzip":
        respond(writer, 200, gzip.compress(body), {"Content-Encoding": "gzip"})
    elif how == "br":
        import brotli

        respond(writer, 200, brotli.compress(body), {"Content-Encoding": "br"})
    elif how == "bomb":
        respond(writer, 200, gzip.compress(b" " * (64 << 20) + body), {"Content-Encoding": "gzip"})
    else:
        respond(writer, 200, body, {"ETag": '"abc"'})


async def _redirect(_fake: FakePostHog, request: Received, _reader: Any, writer: asyncio.StreamWriter) -> None:
    code, to = request.query.get("code", ["302"])[0], request.query["to"][0]
    respond(writer, int(code), b"", {"Location": to})


async def _odd_headers(_fake: FakePostHog, _request: Received, _reader: Any, writer: asyncio.StreamWriter) -> None:
    respond(
        writer,
        200,
        b"<script>alert(1)</script>",
        {
            "Content-Type": "text/html; charset=utf-8",
            "Set-Cookie": "sessionid=x; Path=/",
            "Strict-Transport-Security": "max-age=1",
            "Access-Control-Allow-Origin": "*",
            "Alt-Svc": 'h3=":443"',
            "Clear-Site-Data": '"*"',
            "Server": "fake",
            "Connection": "keep-alive, X-Hop",
            "X-Hop": "1",
            "X-Request-Id": "theirs",
            "Hedgerow-Origin": "gateway",
            "X-Kept": "yes",
        },
    )


async def _big(_fake: FakePostHog, request: Received, _reader: Any, writer: asyncio.StreamWriter) -> None:
    """`?bytes=`: that many, in pieces, with a length."""
    left = int(request.query["bytes"][0])
    kind = "application/octet-stream"
    writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {left}\r\n\r\n".encode())
    block = bytes(range(256)) * 1024
    while left:
        piece = block[: min(left, len(block))]
        writer.write(piece)
        left -= len(piece)
        await writer.drain()


async def _chunks(_fake: FakePostHog, _request: Received, _reader: Any, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nContent-Type: text/csv\r\n\r\n")
    writer.write(chunked(b"one,", b"two\n", trailers="X-Sum: 7\r\nSet-Cookie: a=b\r\n"))


async def _until_close(_fake: FakePostHog, _request: Received, _reader: Any, writer: asyncio.StreamWriter) -> bool:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\n\r\nall,that\n")
    return False


async def _events(
    fake: FakePostHog, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    """Server-sent events: one at once, the second when the gate opens, then nothing until the caller leaves."""
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n\r\n")
    writer.write(b"d\r\ndata: first\n\n\r\n")
    await fake.gate.wait()
    writer.write(b"e\r\ndata: second\n\n\r\n")
    await fake.wait_for_hang_up(reader, request.target)
    return False


async def _silence(fake: FakePostHog, request: Received, reader: asyncio.StreamReader, _writer: Any) -> bool:
    """No answer at all, until the other side leaves."""
    await fake.wait_for_hang_up(reader, request.target)
    return False


async def _stall(
    fake: FakePostHog, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    """Half an answer, then silence."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: 100\r\n\r\nhalf")
    await fake.wait_for_hang_up(reader, request.target)
    return False


async def _cut(_fake: FakePostHog, request: Received, _reader: Any, writer: asyncio.StreamWriter) -> bool:
    """Half an answer, then the end of the connection."""
    framing = "Content-Length: 100" if request.query.get("how") == ["length"] else "Transfer-Encoding: chunked"
    writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\n{framing}\r\n\r\n".encode())
    writer.write(b"half" if "Length" in framing else b"4\r\nhalf\r\n")
    return False


async def _hang_up(_fake: FakePostHog, _request: Received, _reader: Any, _writer: Any) -> bool:
    return False


async def _early(fake: FakePostHog, request: Received, _reader: Any, writer: asyncio.StreamWriter) -> bool:
    """Answers before the body has come, and reads none of it."""
    del fake, request
    respond(writer, 413, ODD_BODY, {"Connection": "close"})
    await writer.drain()
    return False


async def _drop_once(fake: FakePostHog, request: Received, _reader: Any, writer: asyncio.StreamWriter) -> bool:
    """Keeps the connection after the first answer, and closes it without a word when the next request comes."""
    if sum(one.path == request.path and one.connection == request.connection for one in fake.received) > 1:
        return False
    respond(writer, 200, b"{}")
    return True


def raw(answer: bytes) -> Handler:
    """A handler that says exactly these bytes and closes."""

    async def handler(_fake: FakePostHog, _request: Received, _reader: Any, writer: asyncio.StreamWriter) -> bool:
        writer.write(answer)
        return False

    return handler


HANDLERS: dict[str, Handler] = {
    "/api/users/@me/": _me,
    "/api/projects/1/persons/": _persons,
    "/status": _status,
    "/redirect": _redirect,
    "/odd-headers": _odd_headers,
    "/big": _big,
    "/chunks": _chunks,
    "/until-close": _until_close,
    "/events": _events,
    "/silence": _silence,
    "/stall": _stall,
    "/cut": _cut,
    "/hang-up": _hang_up,
    "/early": _early,
    "/drop-once": _drop_once,
    "/bad/both-lengths": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc"),
    "/bad/two-lengths": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
    "/bad/no-http": raw(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "/bad/upgrade": raw(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nfoo"),
    "/bad/head": raw(b"HTTP/1.1 200 OK\r\nX: " + b"a" * (80 << 10) + b"\r\nContent-Length: 0\r\n\r\n"),
    "/bad/status": raw(b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n"),
    "/hint-first": raw(
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/csv\r\n\r\nok"
    ),
}
UNREAD = {_early}
"""Handlers that want the body still unread."""
