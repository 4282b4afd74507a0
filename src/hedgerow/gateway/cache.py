"""Answers that are kept because the caller asked for it: `Hedgerow-Cache: ttl=60` (gateway §5.2).

Reads alone: GET, and POST to the query endpoint. Kept are complete answers with status 200 of at most a megabyte, in memory,
for one connection, one version of its credential, one policy and one form of the answer. Identical reads at once are one
call. When the account refuses (429) or fails, an answer that is over by less than five minutes is better than none.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import UUID

import msgspec

from hedgerow.core.clock import Clock
from hedgerow.gateway.answers import GatewayError, Headers
from hedgerow.gateway.headers import Asked
from hedgerow.gateway.local import Send
from hedgerow.gateway.policy import Policy
from hedgerow.gateway.trace import Trace
from hedgerow.gateway.verdict import Call

ENTRY_BYTES_MAX: Final = 1 << 20
BYTES_MAX: Final = 64 << 20
STALE_SECONDS: Final = 300.0
_TTL: Final = re.compile(rb"ttl=([0-9]{1,5})")
_NOT_KEPT: Final = frozenset(
    {b"date", b"age", b"server-timing", b"proxy-status", b"x-request-id", b"hedgerow-origin", b"ratelimit"}
)
_POLICY: Final = msgspec.json.Encoder(order="deterministic")

Run = Callable[[Send], Awaitable[None]]
"""Sends the call, and its answer to the ASGI `send` that it is given."""


class Entry(msgspec.Struct):
    """One answer. Moments are the clock's monotonic seconds."""

    connection_id: UUID
    collection: str
    headers: Headers
    body: bytes
    tag: bytes
    stored_at: float
    fresh_until: float


def ttl_of(asked: Asked, call: Call, policies: tuple[Policy, ...]) -> float:
    """For how many seconds the caller takes a kept answer; 0 where nothing may be kept. Raises `GatewayError` 400."""
    said = asked.controls.get(b"hedgerow-cache")
    if said is None or said == b"no-store":
        return 0.0
    match = _TTL.fullmatch(said.replace(b" ", b""))
    if match is None:
        raise GatewayError(400, "invalid_request", "Hedgerow-Cache must be ttl=SECONDS or no-store.")
    if call.method != "GET" and not (call.is_query and call.is_read):
        return 0.0
    return float(min(int(match[1]), *(policy.cache_ttl_max for policy in policies)))


class ResponseCache:
    """The kept answers. One for the process."""

    def __init__(self, clock: Clock, bytes_max: int = BYTES_MAX) -> None:
        """Keep at most `bytes_max` of bodies; the oldest go first."""
        self._clock = clock
        self._bytes_max = bytes_max
        self._bytes = 0
        self._entries: dict[bytes, Entry] = {}
        self._running: dict[bytes, asyncio.Event] = {}

    async def answer(
        self, ttl: float, call: Call, asked: Asked, body: bytes, policy: Policy, *, send: Send, trace: Trace, run: Run
    ) -> None:
        """Answer out of the memory, or by `run`, whose answer is then kept. Raises what `run` raises."""
        key = _key(call, asked, body, policy)
        while (entry := self._fresh(key, ttl)) is None and (event := self._running.get(key)) is not None:
            await event.wait()
            if self._fresh(key, ttl) is None and key not in self._running:
                break  # the one that ran kept nothing: this one asks itself
        if entry is not None:
            await self._give(entry, asked, send, trace)
            return
        self._running[key] = asyncio.Event()
        keeping = _Keeping(send, self._stale(key))
        try:
            await run(keeping)
        except GatewayError as error:
            if keeping.stale is None or error.status not in {502, 503, 504}:
                raise
            keeping.is_refused = True
        finally:
            self._running.pop(key).set()
        if keeping.is_refused and keeping.stale is not None:
            await self._give(keeping.stale, asked, send, trace, is_stale=True)
        elif keeping.is_good:
            self._keep(key, call, keeping, ttl)

    def written(self, call: Call) -> None:
        """A write has gone through: what was read of the same collection over the same connection is over."""
        collection = _collection(call)
        over = [
            key
            for key, entry in self._entries.items()
            if entry.connection_id == call.connection.id and entry.collection == collection
        ]
        for key in over:
            self._drop(key)

    def _fresh(self, key: bytes, ttl: float) -> Entry | None:
        entry = self._entries.get(key)
        now = self._clock.monotonic()
        return entry if entry is not None and now < min(entry.fresh_until, entry.stored_at + ttl) else None

    def _stale(self, key: bytes) -> Entry | None:
        entry = self._entries.get(key)
        return entry if entry is not None and self._clock.monotonic() < entry.fresh_until + STALE_SECONDS else None

    async def _give(self, entry: Entry, asked: Asked, send: Send, trace: Trace, *, is_stale: bool = False) -> None:
        is_known = any(name == b"if-none-match" and entry.tag in value for name, value in asked.forward)
        status, body = (304, b"") if is_known else (200, entry.body)
        trace.status, trace.origin, trace.code, trace.bytes_out = status, "cache", None, len(body)
        age = int(self._clock.monotonic() - entry.stored_at)
        headers = [
            pair for pair in entry.headers if not is_known or pair[0] not in {b"content-length", b"content-type"}
        ]
        headers += [
            (b"age", str(age).encode()),
            (b"hedgerow-origin", b"cache"),
            (b"hedgerow-cache", b"stale" if is_stale else b"hit"),
            (b"x-request-id", trace.request_id),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if trace.method == "HEAD" else body, "more_body": False})

    def _keep(self, key: bytes, call: Call, keeping: _Keeping, ttl: float) -> None:
        body = b"".join(keeping.pieces)
        headers = [pair for pair in keeping.headers if pair[0] not in _NOT_KEPT]
        tag = next((value for name, value in headers if name == b"etag"), b"")
        if not tag:
            tag = b'W/"' + hashlib.sha256(body).hexdigest()[:32].encode() + b'"'
            headers.append((b"etag", tag))
        if not any(name == b"content-length" for name, _ in headers):
            headers.append((b"content-length", str(len(body)).encode()))
        now = self._clock.monotonic()
        self._drop(key)
        while self._entries and self._bytes + len(body) > self._bytes_max:
            self._drop(next(iter(self._entries)))
        if len(body) <= self._bytes_max:
            self._entries[key] = Entry(call.connection.id, _collection(call), headers, body, tag, now, now + ttl)
            self._bytes += len(body)

    def _drop(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= len(entry.body)


class _Keeping:
    """An ASGI `send` that also keeps what it sends; it holds back a failure that something stale is better than."""

    def __init__(self, send: Send, stale: Entry | None) -> None:
        self._send = send
        self.stale = stale
        self.is_refused = False
        self.headers: Headers = []
        self.pieces: list[bytes] = []
        self._status = 0
        self._size = 0
        self._is_complete = False

    @property
    def is_good(self) -> bool:
        """Whether the answer may be given again."""
        return self._is_complete and self._status == 200 and self._size <= ENTRY_BYTES_MAX

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self._status, self.headers = message["status"], list(message["headers"])
            self.is_refused = self.stale is not None and (self._status == 429 or self._status >= 500)
            if not self.is_refused:
                await self._send({**message, "headers": [*self.headers, (b"hedgerow-cache", b"miss")]})
            return
        if self.is_refused:
            return
        piece = message.get("body", b"")
        self._size += len(piece)
        if self._size <= ENTRY_BYTES_MAX:
            self.pieces.append(piece)
        self._is_complete = not message.get("more_body", False)
        await self._send(message)


def _key(call: Call, asked: Asked, body: bytes, policy: Policy) -> bytes:
    """Everything that an answer depends on."""
    accepts = [value for name, value in asked.forward if name in {b"accept", b"accept-encoding", b"accept-language"}]
    connection = call.connection
    parts = [
        connection.id.bytes,
        str(connection.version).encode(),
        call.method.encode(),
        call.path.raw,
        call.query,
        _canonical(body),
        b"\n".join(accepts),
        _POLICY.encode(policy),
    ]
    return hashlib.sha256(b"".join(b"%d:%b" % (len(part), part) for part in parts)).digest()


def _canonical(body: bytes) -> bytes:
    """A JSON body in one spelling; anything else as it is."""
    if not body:
        return b""
    try:
        return msgspec.json.encode(msgspec.json.decode(body), order="deterministic")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body


def _collection(call: Call) -> str:
    """What a write changes: `/api/projects/1/insights`."""
    return "/".join(call.path.plain.split("/")[:5])
