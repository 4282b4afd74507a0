"""The outbox: ClickHouse rows that a committed SQL transaction implies, until ClickHouse has them.

A row of the table `outbox` holds the lines of one commit for one ClickHouse table, and the token that every try to
insert them carries, so that a second try lands on the first. Rows about persons and groups carry the number of their
commit as version, so the order in which they arrive does not matter, and neither does arriving twice.

Delivered rows are deleted together with the next commit, or when nothing else goes on: no transaction of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from hedgerow.core.storage.events import StoreError
from hedgerow.core.telemetry import log
from hedgerow.people import sql

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from hedgerow.core.storage.events import EventStore
    from hedgerow.core.storage.metadata import Metadata

BATCH_BYTES: Final = 16 << 20
"""Lines that `deliver_together` puts into one insert, unless a single delivery is longer."""
REPLAY_ROWS: Final = 100
"""Outbox rows read at once at a replay."""

_PUT: Final = """
INSERT INTO outbox (version, table_name, token, lines) VALUES (:version, :table_name, :token, :lines)
"""
_WAITING: Final = """
SELECT id, version, table_name, token, lines FROM outbox WHERE refusal IS NULL AND id > :after ORDER BY id LIMIT :limit
"""
_DELETE_VERSIONS: Final = "DELETE FROM outbox WHERE refusal IS NULL AND version = :version"
_DELETE_ROW: Final = "DELETE FROM outbox WHERE id = :id"
_REFUSE: Final = "UPDATE outbox SET refusal = :refusal WHERE token = :token"


class Delivery(NamedTuple):
    """The lines of one commit for one ClickHouse table."""

    version: int
    table: str
    token: str
    lines: bytes


class Outbox:
    """What this process still owes ClickHouse."""

    def __init__(self, metadata: Metadata, events: EventStore) -> None:
        self._metadata = metadata
        self._events = events
        self._owed: dict[str, Delivery] = {}
        self._left_of: dict[int, int] = {}
        """Commit → how many of its deliveries are owed."""
        self._delivered: list[int] = []
        self.is_unsure = True
        """SQL may hold outbox rows that this process does not know: `replay` looks."""

    @property
    def owes(self) -> int:
        """How many deliveries wait."""
        return len(self._owed)

    @property
    def has_delivered(self) -> bool:
        """Whether SQL still holds rows that were delivered."""
        return bool(self._delivered)

    # -- inside a transaction ----------------------------------------------------------------------------------------

    async def put(self, connection: AsyncConnection, deliveries: Sequence[Delivery]) -> None:
        """Write deliveries down, in the transaction that implies them."""
        await sql.execute_many(
            connection,
            _PUT,
            [{"version": d.version, "table_name": d.table, "token": d.token, "lines": d.lines} for d in deliveries],
        )

    async def forget_delivered(self, connection: AsyncConnection) -> list[int]:
        """Delete the rows of delivered commits; `forgot` once the transaction is committed."""
        versions = list(self._delivered)
        await sql.execute_many(connection, _DELETE_VERSIONS, [{"version": version} for version in versions])
        return versions

    def forgot(self, versions: Iterable[int]) -> None:
        """Note that `forget_delivered` is committed."""
        gone = set(versions)
        self._delivered = [version for version in self._delivered if version not in gone]

    def add(self, deliveries: Iterable[Delivery]) -> None:
        """Owe these deliveries, now that they are committed."""
        for delivery in deliveries:
            self._owed[delivery.token] = delivery
            self._left_of[delivery.version] = self._left_of.get(delivery.version, 0) + 1

    # -- ClickHouse --------------------------------------------------------------------------------------------------

    async def deliver(self, deliveries: Iterable[Delivery] | None = None) -> None:
        """Insert these deliveries, or all that is owed. Raises `StoreUnavailable`; what is left stays owed."""
        for delivery in list(self._owed.values()) if deliveries is None else deliveries:
            if delivery.token not in self._owed:
                continue
            try:
                await self._events.insert(delivery.table, delivery.lines, token=delivery.token)
            except StoreError as error:
                await self._refused(delivery.token, delivery.table, error)
            if delivery.token in self._owed:  # else somebody else delivered it meanwhile
                self._delivered_one(delivery)

    async def deliver_together(self) -> None:
        """Insert all that is owed, one insert a table for many commits. Raises `StoreUnavailable`; the rest stays owed.

        The token names the first and the last delivery, because the same token must always mean the same rows. Rows
        that were inserted and are sent again, alone, by another process are harmless: they carry versions.
        """
        by_table: dict[str, list[Delivery]] = {}
        for delivery in self._owed.values():
            by_table.setdefault(delivery.table, []).append(delivery)
        for table, deliveries in by_table.items():
            for batch in _batches(deliveries):
                await self._deliver_batch(table, batch)

    async def _deliver_batch(self, table: str, batch: Sequence[Delivery]) -> None:
        if len(batch) == 1:
            await self.deliver(batch)
            return
        token = f"{batch[0].token}-to-{batch[-1].token}"
        try:
            await self._events.insert(table, b"".join(delivery.lines for delivery in batch), token=token)
        except StoreError:
            await self.deliver(batch)
            return
        for delivery in batch:
            if delivery.token in self._owed:
                self._delivered_one(delivery)

    def _delivered_one(self, delivery: Delivery) -> None:
        self._owed.pop(delivery.token, None)
        left = self._left_of[delivery.version] - 1
        if left:
            self._left_of[delivery.version] = left
        else:
            del self._left_of[delivery.version]
            self._delivered.append(delivery.version)

    async def sweep(self) -> None:
        """Delete delivered rows in a transaction of their own, for when nothing else commits."""
        if self._delivered:
            async with self._metadata.connection() as connection:
                versions = await self.forget_delivered(connection)
            self.forgot(versions)

    async def replay(self) -> int:
        """Deliver all that SQL's outbox holds, whoever wrote it; how many rows. Raises `StoreUnavailable`."""
        await self.deliver()
        await self.sweep()
        count = 0
        after = 0
        self.is_unsure = False
        try:
            while True:
                async with self._metadata.connection(read_only=True) as connection:
                    found = await sql.rows(connection, _WAITING, {"after": after, "limit": REPLAY_ROWS})
                if not found:
                    return count
                for row_id, _version, table, token, lines in found:
                    after = row_id
                    if token in self._owed:
                        continue
                    try:
                        await self._events.insert(table, bytes(lines), token=token)
                    except StoreError as error:
                        await self._refused(token, table, error)
                        continue
                    count += 1
                    async with self._metadata.connection() as connection:
                        await sql.execute(connection, _DELETE_ROW, {"id": row_id})
        except BaseException:
            self.is_unsure = True
            raise

    async def _refused(self, token: str, table: str, error: StoreError) -> None:
        """Keep a row that ClickHouse will never take, out of the way of the others, for a person to look at."""
        log("people").error("ClickHouse refused rows of the outbox", table=table, error=str(error))
        async with self._metadata.connection() as connection:
            await sql.execute(connection, _REFUSE, {"token": token, "refusal": str(error)})


def _batches(deliveries: Sequence[Delivery]) -> Iterable[list[Delivery]]:
    batch: list[Delivery] = []
    size = 0
    for delivery in deliveries:
        if batch and size + len(delivery.lines) > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(delivery)
        size += len(delivery.lines)
    if batch:
        yield batch
