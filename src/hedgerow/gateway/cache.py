"""Answers that are kept because the caller asked for it: `Hedgerow-Cache: ttl=60` (gateway §5.2).

Reads alone: GET, and POST to the query endpoint. Kept are complete answers with status 200 of at most a megabyte, in memory,
for one connection, one version of its credential, one policy and one form of the answer. Identical reads at once are one
call. What is over is asked about with the account's own `ETag`: a 304 renews it. When the account refuses (429) or fails, an
answer that is over by less than five minutes is better than none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, Self
from uuid import UUID

import msgspec

from hedgerow.core.clock import Clock
from hedgerow.gateway.answers import GatewayError, Headers
from hedgerow.gateway.cache_rules import (
    LIMITS,
    Keeping,
    Varies,
    collection_of,
    conditional,
    keeping_of,
    kept_headers,
    key_of,
    knows,
    made_tag,
    renewed_headers,
    tag_of,
    varies_of,
)
from hedgerow.gateway.forward import Cut
from hedgerow.gateway.headers import Asked
from hedgerow.gateway.local import Send
from hedgerow.gateway.policy import Policy
from hedgerow.gateway.trace import Trace
from hedgerow.gateway.verdict import Call

ENTRY_BYTES_MAX: Final = 1 << 20
BYTES_MAX: Final = 64 << 20
ENTRY_OVERHEAD: Final = 2 << 10
"""What an entry counts beside its body, in bytes: many small ones are bounded too."""
STALE_SECONDS: Final = 300.0
OVER_SECONDS_MAX: Final = 3_600.0
"""How long an answer that is over is kept to be asked about: what an account said does not stay in memory for ever."""

Run = Callable[[Send, Asked], Awaitable[None]]
"""Sends the call with these headers, and its answer to the ASGI `send` that it is given."""


class Entry(msgspec.Struct):
    """One answer. Moments are the clock's monotonic seconds."""

    connection_id: UUID
    collection: str
    headers: Headers
    body: bytes
    tag: bytes
    account_tag: bytes
    """The account's own `ETag`; empty where it gave none."""
    varies: Varies
    keeping: Keeping
    stored_at: float
    fresh_until: float


class Wish(msgspec.Struct, frozen=True):
    """A call whose caller takes a kept answer."""

    ttl: float
    """How old it may be, in seconds."""
    call: Call
    asked: Asked
    key: bytes

    @classmethod
    def of(cls, ttl: float, call: Call, asked: Asked, body: bytes, *, policy: Policy, at: str) -> Self:
        """`policy` is the key's; `at` is the address under which links in the answer lead back here."""
        return cls(ttl, call, asked, key_of(call, asked, body, policy, at))

    @property
    def is_get(self) -> bool:
        """Whether the account may be asked by `If-None-Match`, which on a POST would mean something else."""
        return self.call.method == "GET"


class _Flight(msgspec.Struct, eq=False):
    """A read that is on its way for itself and for identical ones."""

    connection_id: UUID
    collection: str
    over: asyncio.Event
    is_outdated: bool = False
    """Whether something was written meanwhile: then nobody else gets its answer."""
    came: Entry | None = None
    """What identical ones may have, too."""
    how: bytes = b"hit"


class ResponseCache:
    """The kept answers. One for the process."""

    def __init__(self, clock: Clock, bytes_max: int = BYTES_MAX) -> None:
        """Keep at most `bytes_max` of bodies; the oldest go first."""
        self._clock = clock
        self._bytes_max = bytes_max
        self._bytes = 0
        self._entries: dict[bytes, Entry] = {}
        self._running: dict[bytes, _Flight] = {}
        self._flights: set[_Flight] = set()

    def would(self, wish: Wish) -> str:
        """What would come of a call now: `hit`, `revalidate` or `miss`."""
        if self._fresh(wish.key, wish.ttl, wish.asked) is not None:
            return "hit"
        known = self._known(wish)
        return "revalidate" if known is not None and known.account_tag and wish.is_get else "miss"

    async def answer(self, wish: Wish, *, send: Send, trace: Trace, run: Run) -> None:
        """Answer out of the memory, or by `run`, whose answer is then kept. Raises what `run` raises."""
        key, ttl, call, asked = wish.key, wish.ttl, wish.call, wish.asked
        entry, how = self._fresh(key, ttl, asked), b"hit"
        if entry is None and (other := self._running.get(key)) is not None:
            await other.over.wait()
            if other.came is not None and not other.is_outdated and _suits(other.came, asked):
                entry, how = other.came, other.how
        if entry is not None:
            await self._give(entry, asked, send, trace, how)
            return
        flight = _Flight(call.connection.id, collection_of(call), asyncio.Event())
        self._flights.add(flight)
        is_first = self._running.setdefault(key, flight) is flight
        try:
            await self._ask(wish, flight, send=send, trace=trace, run=run)
        finally:
            self._flights.remove(flight)
            if is_first:
                del self._running[key]
            flight.over.set()

    def written(self, call: Call) -> None:
        """A write has gone through: what was read of the same collection over the same connection is over."""
        collection, connection_id = collection_of(call), call.connection.id
        for key, entry in list(self._entries.items()):
            if entry.connection_id == connection_id and entry.collection == collection:
                self._drop(key)
        for flight in self._flights:
            if flight.connection_id == connection_id and flight.collection == collection:
                flight.is_outdated = True

    async def forget_old(self) -> None:
        """Drop what has been over for long."""
        now = self._clock.monotonic()
        for key, entry in list(self._entries.items()):
            if now >= entry.fresh_until + OVER_SECONDS_MAX:
                self._drop(key)

    async def _ask(self, wish: Wish, flight: _Flight, *, send: Send, trace: Trace, run: Run) -> None:
        key, ttl, asked = wish.key, wish.ttl, wish.asked
        known = self._known(wish)
        asks = known is not None and bool(known.account_tag) and wish.is_get
        held = _Held(send, stale=self._as_stale(known), asks=asks)
        try:
            await run(held, conditional(asked, known.account_tag) if known is not None and asks else asked)
        except GatewayError as error:
            if held.has_begun or not (held.holds_back or (held.stale and error.status in {502, 503, 504})):
                raise
            held.is_refused = not held.is_unchanged
        except Cut:
            if not held.holds_back:
                raise
        if held.is_unchanged and known is not None:
            self._renew(key, known, held.headers, ttl, flight=flight, asked=asked)
            flight.came = known
            await self._give(known, asked, send, trace, b"revalidated", said=held.headers)
        elif held.is_refused and held.stale is not None:
            flight.came, flight.how = held.stale, b"stale"
            await self._give(held.stale, asked, send, trace, b"stale", said=held.headers)
        elif held.is_good:
            flight.came = self._keep(key, flight, held, ttl, asked)
        elif held.is_denied:
            self._drop(key)

    def _known(self, wish: Wish) -> Entry | None:
        """The answer that may be asked about."""
        entry = self._entries.get(wish.key)
        if entry is None or not _suits(entry, wish.asked):
            return None
        return entry if self._clock.monotonic() < entry.fresh_until + OVER_SECONDS_MAX else None

    def _fresh(self, key: bytes, ttl: float, asked: Asked) -> Entry | None:
        entry = self._entries.get(key)
        if entry is None or self._clock.monotonic() >= min(entry.fresh_until, entry.stored_at + ttl):
            return None
        return entry if _suits(entry, asked) else None

    def _as_stale(self, entry: Entry | None) -> Entry | None:
        if entry is None or not entry.keeping.may_be_stale:
            return None
        return entry if self._clock.monotonic() < entry.fresh_until + STALE_SECONDS else None

    async def _give(
        self, entry: Entry, asked: Asked, send: Send, trace: Trace, how: bytes, *, said: Headers | None = None
    ) -> None:
        """`said` are the headers of the account's answer, where it was asked: what they say of limits is passed on."""
        is_known = knows(asked, entry.tag)
        status, body = (304, b"") if is_known else (200, entry.body)
        trace.status, trace.origin, trace.code, trace.bytes_out = status, "cache", None, len(body)
        age = int(self._clock.monotonic() - entry.stored_at)
        headers = [
            pair for pair in entry.headers if not is_known or pair[0] not in {b"content-length", b"content-type"}
        ]
        headers += [pair for pair in said or () if pair[0].startswith(LIMITS)]
        headers += [
            (b"age", str(age).encode()),
            (b"hedgerow-origin", b"cache"),
            (b"hedgerow-cache", how),
            (b"x-request-id", trace.request_id),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    def _renew(self, key: bytes, entry: Entry, said: Headers, ttl: float, *, flight: _Flight, asked: Asked) -> None:
        """The account says that the answer is still the one."""
        entry.headers = renewed_headers(entry.headers, said)
        entry.keeping = keeping_of(entry.headers)
        entry.varies = varies_of(entry.keeping.names, asked.forward)
        entry.stored_at = self._clock.monotonic()
        entry.fresh_until = entry.stored_at + (ttl if entry.keeping.may_be_fresh else 0.0)
        if flight.is_outdated or not entry.keeping.may_be_kept:
            self._drop(key)

    def _keep(self, key: bytes, flight: _Flight, held: _Held, ttl: float, asked: Asked) -> Entry | None:
        self._drop(key)
        headers, body = kept_headers(held.headers), b"".join(held.pieces)
        keeping = keeping_of(headers)
        size = len(body) + ENTRY_OVERHEAD
        if flight.is_outdated or not keeping.may_be_kept or size > self._bytes_max:
            return None
        account_tag = tag_of(headers)
        if not keeping.may_be_fresh and not account_tag:
            return None  # it could never be given again
        tag = account_tag or made_tag(body)
        if not account_tag:
            headers = [*(pair for pair in headers if pair[0] != b"etag"), (b"etag", tag)]
        if not any(name == b"content-length" for name, _ in headers):
            headers.append((b"content-length", str(len(body)).encode()))
        while self._entries and self._bytes + size > self._bytes_max:
            self._drop(next(iter(self._entries)))
        now = self._clock.monotonic()
        self._bytes += size
        made = self._entries[key] = Entry(
            connection_id=flight.connection_id,
            collection=flight.collection,
            headers=headers,
            body=body,
            tag=tag,
            account_tag=account_tag,
            varies=varies_of(keeping.names, asked.forward),
            keeping=keeping,
            stored_at=now,
            fresh_until=now + ttl if keeping.may_be_fresh else now,
        )
        return made

    def _drop(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= len(entry.body) + ENTRY_OVERHEAD


def _suits(entry: Entry, asked: Asked) -> bool:
    return entry.varies == varies_of(entry.keeping.names, asked.forward)


class _Held:
    """An ASGI `send` that also keeps what it sends; it holds back a 304, and a failure that something stale is better than."""

    def __init__(self, send: Send, *, stale: Entry | None, asks: bool) -> None:
        self._send = send
        self.has_begun = False
        """Whether the caller has been sent anything."""
        self.stale = stale
        self.headers: Headers = []
        self.pieces: list[bytes] = []
        self.is_refused = False
        self.is_unchanged = False
        """Whether the account has answered 304 to the gateway's own question."""
        self._asks = asks
        self._status = 0
        self._size = 0
        self._is_complete = False

    @property
    def holds_back(self) -> bool:
        """Whether the account's answer is none for the caller."""
        return self.is_refused or self.is_unchanged

    @property
    def is_good(self) -> bool:
        """Whether the answer may be given again."""
        return self._is_complete and self._status == 200 and self._size <= ENTRY_BYTES_MAX

    @property
    def is_denied(self) -> bool:
        """Whether the account says that there is no such answer any more."""
        return 200 <= self._status < 500 and self._status not in {304, 429}

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self._status, self.headers = message["status"], list(message["headers"])
            self.is_unchanged = self._asks and self._status == 304
            self.is_refused = self.stale is not None and (self._status == 429 or self._status >= 500)
        if self.holds_back:
            return
        if message["type"] == "http.response.start":
            self.has_begun = True
            message = {**message, "headers": [*message["headers"], (b"hedgerow-cache", b"miss")]}
        if message["type"] == "http.response.body":
            piece = message.get("body", b"")
            self._size += len(piece)
            if self._size <= ENTRY_BYTES_MAX:
                self.pieces.append(piece)
            self._is_complete = not message.get("more_body", False)
        await self._send(message)
