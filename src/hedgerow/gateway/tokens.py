"""The credential of every call, also of connections whose tokens end (gateway §3.2, §3.4), and the sweep that keeps them fresh."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select, update

from hedgerow.core.clock import Clock
from hedgerow.core.errors import MetadataUnavailable
from hedgerow.core.storage.metadata import Metadata
from hedgerow.core.telemetry import log
from hedgerow.gateway.connections import Connection, connection_of
from hedgerow.gateway.credentials import (
    ConnectionLost,
    Credential,
    CredentialUnavailable,
    bearer,
    unseal_credential,
)
from hedgerow.gateway.lifecycle import Lifecycle
from hedgerow.gateway.models import ConnectionRow
from hedgerow.gateway.refresh import ACTOR, Refresher
from hedgerow.gateway.sessions import Links
from hedgerow.gateway.vault import Vault

SWEEP_SECONDS: Final = 300.0
AT_ONCE: Final = 4
"""Refreshes of a sweep that run side by side."""
SPARE_SECONDS: Final = 5.0
"""A token with less left than this is not sent any more: the call has to arrive before it ends."""
FORCED_EVERY: Final = 30.0
"""Between two refreshes that a 401 forced, for one connection."""
REJECTED_AGAIN_AFTER: Final = timedelta(seconds=60)
REJECTED_AGAIN_WITHIN: Final = timedelta(hours=1)
"""What cannot be refreshed and is refused again in this span is lost; after a longer one it counts as the first time."""


class Tokens:
    """Implements `credentials.Credentials`. One for the process; `start` begins the sweep."""

    def __init__(
        self,
        *,
        metadata: Metadata,
        clock: Clock,
        vault: Vault,
        refresher: Refresher,
        lifecycle: Lifecycle,
        links: Links,
    ) -> None:
        """Refresh with `refresher`; the sweep also ends what nobody completed."""
        self._metadata = metadata
        self._clock = clock
        self._vault = vault
        self._refresher = refresher
        self._lifecycle = lifecycle
        self._links = links
        self._forced: dict[UUID, float] = {}
        self._sweeper: asyncio.Task[None] | None = None

    async def for_connection(self, connection: Connection) -> Credential:
        """The bearer. Waits only for a token that has ended; one that is due is refreshed beside the call."""
        if connection.expires_at is None:
            return self._bearer(connection)
        left = self._seconds_left(connection)
        if left > SPARE_SECONDS:
            if self._is_due(connection):
                self._refresher.begin(connection)
            return self._bearer(connection)
        return self._bearer(await self._refresher.newer(connection))

    async def after_refusal(self, connection: Connection, refused: Credential) -> Credential | None:
        """A newer credential after a 401; None to pass the 401 on (gateway §3.4)."""
        try:
            row = await self._row(connection.id)
            now = self._clock.monotonic()
            is_just_done = now - self._forced.get(connection.id, -FORCED_EVERY) < FORCED_EVERY
            if is_just_done and not self._refresher.runs(connection.id):
                row = await self._row(connection.id)  # it may have ended while the row was on its way
            if row is None or row.status != "ACTIVE":
                self._lifecycle.note()
                return None
            if row.version > refused.version:
                self._lifecycle.note()
                return self._bearer(connection_of(row))
            if row.expires_at is None or row.next_refresh_at is None:  # nothing that could be refreshed
                await self._note_rejection(row)
                return None
            if is_just_done and not self._refresher.runs(row.id):
                return None
            if len(self._forced) > 10_000:
                self._forced.clear()
            self._forced[row.id] = now
            return self._bearer(await self._refresher.newer(connection_of(row)))
        except (CredentialUnavailable, MetadataUnavailable):
            return None

    async def _row(self, connection_id: UUID) -> ConnectionRow | None:
        async with self._metadata.read() as session:
            return await session.scalar(select(ConnectionRow).where(ConnectionRow.id == connection_id))

    async def _note_rejection(self, row: ConnectionRow) -> None:
        """The account does not take what cannot be refreshed. Twice, a minute apart, and it is lost; it may be a hiccup."""
        now = self._clock.now()
        since = None if row.rejected_at is None else now - row.rejected_at
        if since is None or not timedelta(0) <= since <= REJECTED_AGAIN_WITHIN:
            async with self._metadata.write() as session:
                await session.execute(
                    update(ConnectionRow)
                    .where(ConnectionRow.id == row.id, ConnectionRow.version == row.version)
                    .values(rejected_at=now)
                    .execution_options(synchronize_session=False)
                )
        elif row.method != "LOCAL" and since >= REJECTED_AGAIN_AFTER:
            reason = "key_rejected" if row.method == "API_KEY" else "refresh_rejected"
            await self._lifecycle.lose(ACTOR, row.id, row.version, reason)

    # Beside the calls

    async def start(self) -> None:
        """Begin the sweep."""
        self._sweeper = asyncio.create_task(self._sweep_for_ever(), name="gateway: sweep of tokens")

    async def stop(self) -> None:
        """End the sweep, and wait for refreshes that run."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper
        await self._refresher.close()

    async def sweep(self) -> int:
        """Refresh what is due, and end what nobody completed. How many were refreshed. Raises `MetadataUnavailable`."""
        await self._lifecycle.expire()
        await self._links.sweep()
        async with self._metadata.read() as session:
            due = await session.scalars(
                select(ConnectionRow)
                .where(
                    ConnectionRow.status == "ACTIVE",
                    ConnectionRow.next_refresh_at <= self._clock.now(),
                    ConnectionRow.expires_at.is_not(None),
                )
                .order_by(ConnectionRow.next_refresh_at)
                .limit(1_000)
            )
            waiting = [connection_of(row) for row in due]
        places = asyncio.Semaphore(AT_ONCE)

        async def one(connection: Connection) -> int:
            async with places:
                try:
                    await self._refresher.newer(connection)
                except (CredentialUnavailable, ConnectionLost, MetadataUnavailable):
                    return 0
                return 1

        return sum(await asyncio.gather(*(one(connection) for connection in waiting)))

    async def _sweep_for_ever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                await self.sweep()
            except MetadataUnavailable as error:
                log("gateway").warning("sweep_put_off", error=str(error))
            except Exception:  # noqa: BLE001 — the next sweep shall come
                log("gateway").exception("sweep_failed")

    def _bearer(self, connection: Connection) -> Credential:
        return bearer(unseal_credential(connection, self._vault), connection.version)

    def _seconds_left(self, connection: Connection) -> float:
        """How long the token lives. What this process received itself is measured by the clock that nobody can set."""
        end = self._refresher.ends.get((connection.id, connection.version))
        if end is not None:
            return end - self._clock.monotonic()
        assert connection.expires_at is not None
        return (connection.expires_at - self._clock.now()).total_seconds()

    def _is_due(self, connection: Connection) -> bool:
        due = connection.next_refresh_at
        return due is not None and due <= self._clock.now()
