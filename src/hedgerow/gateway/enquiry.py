"""Small questions of the gateway's own to an account's server: who is this, here is a code, take this token back.

They go over the same checked and pinned connections as calls do (`gateway.upstream`), never follow a redirect, and read no
more than a megabyte. This very server is asked in the same process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from hedgerow.gateway.apps import HostChoice
from hedgerow.gateway.channel import CannotConnect, ConnectionBroke, ProtocolBroken, UpstreamSlow
from hedgerow.gateway.local import LocalUpstream
from hedgerow.gateway.upstream import Target, UpstreamClient

BODY_BYTES_MAX: Final = 1 << 20
SECONDS_MAX: Final = 10.0
FORM: Final = "application/x-www-form-urlencoded"


class Reply(msgspec.Struct, frozen=True):
    """What came back. Its text may hold tokens: it never prints itself."""

    status: int
    headers: dict[str, str]
    """Names in lower case; of one that repeats, the last."""
    body: bytes

    def __repr__(self) -> str:
        return f"Reply({self.status}, {len(self.body)} bytes)"

    @property
    def fields(self) -> dict[str, Any] | None:
        """The JSON object in the body; None if there is none."""
        try:
            found: Any = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    @property
    def items(self) -> list[Any]:
        """The JSON list in the body; [] if there is none."""
        try:
            found: Any = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return []
        return found if isinstance(found, list) else []

    @property
    def retry_after(self) -> int | None:
        """`Retry-After` in seconds, where it is a number."""
        said = self.headers.get("retry-after", "").strip()
        return int(said) if said.isascii() and said.isdecimal() and len(said) <= 9 else None


class Enquirer:
    """Asks. One for the process."""

    def __init__(self, client: UpstreamClient) -> None:
        """Connections come from `client`."""
        self._client = client
        self.local: LocalUpstream | None = None
        """This very server; None where the gateway runs alone."""

    async def get(
        self, host: HostChoice | None, path: str, *, bearer: str | None = None, seconds: float = SECONDS_MAX
    ) -> Reply:
        """GET a path of a host; `host` None is this very server. Raises `UpstreamError`."""
        headers = {"accept": "application/json"}
        if bearer is not None:
            headers["authorization"] = f"Bearer {bearer}"
        return await self._ask(host, _Question("GET", path, headers), seconds)

    async def post_form(
        self, host: HostChoice | None, path: str, fields: Mapping[str, str], *, seconds: float = SECONDS_MAX
    ) -> Reply:
        """POST a form, and read JSON. Raises `UpstreamError`."""
        headers = {"accept": "application/json", "content-type": FORM}
        return await self._ask(host, _Question("POST", path, headers, urlencode(fields).encode()), seconds)

    async def post_json(
        self, host: HostChoice | None, path: str, value: Mapping[str, Any], *, seconds: float = SECONDS_MAX
    ) -> Reply:
        """POST JSON, and read JSON. Raises `UpstreamError`."""
        headers = {"accept": "application/json", "content-type": "application/json"}
        return await self._ask(host, _Question("POST", path, headers, msgspec.json.encode(value)), seconds)

    async def _ask(self, host: HostChoice | None, question: _Question, seconds: float) -> Reply:
        try:
            async with asyncio.timeout(seconds):
                if host is None:
                    return await self._here(question)
                return await self._there(host, question, seconds)
        except UnicodeEncodeError:
            raise ProtocolBroken("A header or the path cannot be written.") from None
        except TimeoutError:
            raise UpstreamSlow("No complete answer in time.") from None

    async def _there(self, host: HostChoice, question: _Question, seconds: float) -> Reply:
        target = Target.of(host.origin, is_private=host.is_private)
        head = question.head(target)
        is_repeatable = question.method == "GET"
        for attempt in (0, 1):
            # what may only arrive once goes over a connection that cannot have been closed meanwhile
            channel = await self._client.acquire(target, fresh=attempt > 0 or not is_repeatable)
            was_used = channel.uses > 0
            try:
                channel.begin(head + question.body, is_head=False, has_more=False)
                await channel.head(seconds)
                pieces: list[bytes] = []
                size = 0
                while piece := await channel.read(seconds):
                    pieces.append(piece)
                    size += len(piece)
                    if size > BODY_BYTES_MAX:
                        raise ProtocolBroken("The answer is too long.")
                named = {name.decode("latin-1"): value.decode("latin-1") for name, value in channel.headers}
                return Reply(channel.status, named, b"".join(pieces))
            except ConnectionBroke:
                if attempt or not was_used or channel.has_answered:
                    raise
            finally:
                self._client.release(channel)
        raise AssertionError

    async def _here(self, question: _Question) -> Reply:
        if self.local is None:
            raise CannotConnect("destination_unavailable")
        plain, _, query = question.path.partition("?")
        length = (b"content-length", str(len(question.body)).encode())
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": question.method,
            "scheme": "http",
            "path": plain,
            "raw_path": plain.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(b"host", self.local.host), *question.pairs, length],
            "client": ("127.0.0.1", 0),
            "server": ("127.0.0.1", 0),
            "state": {},
        }
        sent = False
        status = 0
        named: dict[str, str] = {}
        pieces: list[bytes] = []

        async def receive() -> dict[str, Any]:
            nonlocal sent
            if sent:
                await asyncio.Event().wait()
            sent = True
            return {"type": "http.request", "body": question.body, "more_body": False}

        async def send(message: Any) -> None:
            nonlocal status, named
            if message["type"] == "http.response.start":
                status = message["status"]
                named = {name.decode("latin-1"): value.decode("latin-1") for name, value in message["headers"]}
            elif message["type"] == "http.response.body":
                pieces.append(message.get("body", b""))

        await self.local(scope, receive, send)
        if status == 0:
            raise ConnectionBroke("This server did not answer.")
        return Reply(status, named, b"".join(pieces))


class _Question(msgspec.Struct, frozen=True):
    """One request. It may hold tokens: it never prints itself."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""

    def __repr__(self) -> str:
        return f"_Question({self.method} {self.path})"

    @property
    def pairs(self) -> list[tuple[bytes, bytes]]:
        return [(name.encode("ascii"), value.encode("latin-1")) for name, value in self.headers.items()]

    def head(self, target: Target) -> bytes:
        path = target.base_path + self.path.encode("ascii")
        lines = [b"%b %b HTTP/1.1" % (self.method.encode(), path), b"host: " + target.host_header]
        lines += [b"%b: %b" % pair for pair in self.pairs]
        lines += [b"accept-encoding: identity", b"user-agent: hedgerow"]
        if self.method != "GET":
            lines.append(b"content-length: %d" % len(self.body))
        return b"\r\n".join([*lines, b"", b""])
