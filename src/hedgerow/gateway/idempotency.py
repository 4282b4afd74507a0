"""`Idempotency-Key`: a write that is sent again is answered again, and never done again (gateway §5.2).

What came of a call is kept for a day under key and connection, its body sealed. If nobody knows what came of it (the account
failed, the connection broke, the answer was too large to keep), the next try is told so instead of being sent.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import delete
from sqlalchemy.dialects import postgresql, sqlite

from hedgerow.core.clock import Clock
from hedgerow.core.storage.metadata import Metadata
from hedgerow.gateway.answers import GatewayError, Headers
from hedgerow.gateway.local import Send
from hedgerow.gateway.models import IdempotentCall
from hedgerow.gateway.vault import CannotUnseal, Sealed, Vault

KEPT: Final = timedelta(days=1)
RUNNING_MAX: Final = timedelta(minutes=11)
"""Longer than any call may take: one that still stands as running was lost with its process."""
BODY_BYTES_MAX: Final = 1 << 20
METHODS: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_KEY: Final = re.compile(rb"[\x21-\x7e]{1,255}")
_NOT_KEPT: Final = frozenset(
    {b"date", b"server-timing", b"proxy-status", b"x-request-id", b"hedgerow-origin", b"ratelimit", b"ratelimit-policy"}
)
_READ: Final = msgspec.msgpack.Decoder(Sealed)


class Place(msgspec.Struct, frozen=True):
    """Which call it is."""

    key_id: UUID
    connection_id: UUID
    idempotency_key: str
    request_digest: str

    @property
    def owner(self) -> str:
        """What the sealed body belongs to."""
        return f"idempotent:{self.key_id}:{self.connection_id}:{self.idempotency_key}"


class Kept(msgspec.Struct, frozen=True):
    """An answer to give again."""

    status: int
    headers: Headers
    body: bytes


def idempotency_key(value: bytes | None, method: str) -> str | None:
    """The key of a call that has one and writes. Raises `GatewayError` 400 for one that is none."""
    if value is None or method not in METHODS:
        return None
    if not _KEY.fullmatch(value):
        raise GatewayError(400, "invalid_request", "Idempotency-Key must be 1 to 255 visible characters.")
    return value.decode("ascii")


def request_digest(method: str, path: bytes, query: bytes, body: bytes) -> str:
    """What makes two calls the same."""
    parts = (method.encode(), path, query, body)
    return hashlib.sha256(b"".join(b"%d:%b" % (len(part), part) for part in parts)).hexdigest()


class Recorder:
    """An ASGI `send` that also remembers what it sent, up to a megabyte; stored before the caller has the last of it."""

    def __init__(self, send: Send, store: Callable[[Kept | None], Awaitable[None]]) -> None:
        """Send on with `send`; `store` is called once, when the answer is complete."""
        self._send = send
        self._store = store
        self.is_stored = False
        self.status = 0
        self._headers: Headers = []
        self._pieces: list[bytes] = []
        self._size = 0
        self._is_complete = False

    async def __call__(self, message: Any) -> None:
        """ASGI."""
        if message["type"] == "http.response.start":
            self.status, self._headers = message["status"], list(message["headers"])
        else:
            piece = message.get("body", b"")
            self._size += len(piece)
            if self._size <= BODY_BYTES_MAX:
                self._pieces.append(piece)
            self._is_complete = not message.get("more_body", False)
        if self._is_complete:
            await self._store(self._answer())
            self.is_stored = True
        await self._send(message)

    def _answer(self) -> Kept | None:
        """What can be given again; None where the outcome has to count as unknown."""
        if self.status >= 500 or self._size > BODY_BYTES_MAX:
            return None
        headers = [pair for pair in self._headers if pair[0] not in _NOT_KEPT]
        return Kept(self.status, headers, b"".join(self._pieces))


class Idempotency:
    """The memory of calls. One for the process."""

    def __init__(self, metadata: Metadata, clock: Clock, vault: Vault) -> None:
        """Remember in `metadata`, bodies sealed by `vault`."""
        self._metadata = metadata
        self._clock = clock
        self._vault = vault

    async def begin(self, place: Place) -> Kept | None:
        """None when the call is to be sent; or what came of it earlier.

        Raises `GatewayError` 422 `idempotency_mismatch`, 409 `idempotency_in_flight`, 409 `outcome_unknown`;
        `MetadataUnavailable`.
        """
        now = self._clock.now()
        insert = sqlite.insert if self._metadata.dialect == "sqlite" else postgresql.insert
        key = (place.key_id, place.connection_id, place.idempotency_key)
        async with self._metadata.write() as session:
            row = await session.get(IdempotentCall, key)
            if row is not None and row.expires_at <= now:
                await session.delete(row)
                await session.flush()
                row = None
            if row is None:
                made = await session.execute(
                    insert(IdempotentCall)
                    .values(
                        key_id=place.key_id,
                        connection_id=place.connection_id,
                        idempotency_key=place.idempotency_key,
                        request_digest=place.request_digest,
                        state="running",
                        created_at=now,
                        expires_at=now + KEPT,
                    )
                    .on_conflict_do_nothing()
                    .returning(IdempotentCall.state)
                )
                if made.scalar_one_or_none() is not None:
                    return None
                row = await session.get_one(IdempotentCall, key)
        return self._again(place, row)

    def _again(self, place: Place, row: IdempotentCall) -> Kept:
        if row.request_digest != place.request_digest:
            raise GatewayError(422, "idempotency_mismatch", "This Idempotency-Key was used for another call.")
        is_lost = self._clock.now() - row.created_at > RUNNING_MAX
        if row.state == "running" and not is_lost:
            raise GatewayError(
                409, "idempotency_in_flight", "The call with this key still runs.", headers=[(b"retry-after", b"1")]
            )
        if row.state != "done" or row.status is None or row.body is None:
            raise GatewayError(
                409,
                "outcome_unknown",
                "Nobody knows whether the call with this key was done.",
                hint="Look at the object, then use a new key.",
            )
        try:
            body = self._vault.unseal(place.owner, 0, _READ.decode(row.body))
        except CannotUnseal:
            raise GatewayError(409, "outcome_unknown", "What came of the call cannot be read any more.") from None
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in row.headers or []]
        return Kept(row.status, headers, body)

    async def end(self, place: Place, kept: Kept | None, *, went: bool) -> None:
        """The call is over. Without `went` nothing was sent, and the key is free again. Raises `MetadataUnavailable`."""
        async with self._metadata.write() as session:
            row = await session.get(IdempotentCall, (place.key_id, place.connection_id, place.idempotency_key))
            if row is None:
                return
            if not went:
                await session.delete(row)
                return
            row.state = "unknown" if kept is None else "done"
            if kept is not None:
                row.status = kept.status
                row.headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in kept.headers]
                row.body = msgspec.msgpack.encode(self._vault.seal(place.owner, 0, kept.body))

    async def forget_old(self) -> None:
        """Drop what was kept long enough. Raises `MetadataUnavailable`."""
        async with self._metadata.connection() as connection:
            await connection.execute(delete(IdempotentCall).where(IdempotentCall.expires_at < self._clock.now()))
