"""When ClickHouse has every event that was identified before a commit, whichever worker identified it.

An event is identified in SQL and inserted a moment later. Whoever alters stored events by what a commit says (the squash
of overrides, the deletion of a person's events) must not miss one that was under way.

Where several workers share the stores each of them is asked over its lease: `asked_version` is the commit that matters;
the worker lets `settled_version` follow once what it had under way is inserted. A worker that has left needs no
asking, and one that was not heard of for ten minutes is dead: it inserts nothing any more.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from hedgerow.core.errors import MetadataUnavailable
from hedgerow.core.storage.events import StoreUnavailable
from hedgerow.core.telemetry import log
from hedgerow.people import sql

if TYPE_CHECKING:
    from hedgerow.people.store import People

LOOK_SECONDS: Final = 0.5
ANSWER_SECONDS: Final = 1.0
"""Between looks for another worker's question."""
DEAD_AFTER_SECONDS: Final = 600
OUTBOX_LOOKS_MAX: Final = 60

_ASK: Final = "UPDATE writer_leases SET asked_version = :version WHERE asked_version < :version"
_UNSETTLED: Final = """
SELECT count(*) FROM writer_leases
WHERE asked_version >= :version AND settled_version < :version AND expires_at_us > :dead_since_us
"""
_ASKED: Final = """
SELECT asked_version FROM writer_leases WHERE worker = :worker AND asked_version > settled_version
"""
_SETTLED: Final = "UPDATE writer_leases SET settled_version = :version WHERE worker = :worker"
_OWED: Final = "SELECT refusal FROM outbox WHERE version <= :version AND table_name = :table"


class InFlight(Protocol):
    """What this room must know of the writer of its process."""

    @property
    def worker(self) -> str | None:
        """The name of its lease; None where no other process writes."""
        ...

    async def settled(self) -> None:
        """Return when ClickHouse has every event that was identified before the call. Raises `StoreUnavailable`."""
        ...


class Settlement:
    """Waits for events and rows that are on their way to ClickHouse."""

    def __init__(self, people: People, in_flight: InFlight) -> None:
        """`in_flight` is the writer of this process."""
        self._people = people
        self._in_flight = in_flight

    async def newest_commit(self) -> int:
        """The number of the last commit; no commit of a smaller number comes after. Raises `MetadataUnavailable`."""
        async with self._people.metadata.connection() as connection:
            return await sql.newest_commit(connection)

    async def events_until(self, version: int) -> None:
        """Return when every event that was identified without knowing this commit is in ClickHouse.

        Raises `StoreUnavailable` and `MetadataUnavailable`.
        """
        await self._in_flight.settled()
        if self._in_flight.worker is None:
            return
        metadata = self._people.metadata
        async with metadata.connection() as connection:
            await sql.execute(connection, _ASK, {"version": version})
        while True:
            await self._answer()
            dead_since_us = self._people.clock.now_us() - DEAD_AFTER_SECONDS * 1_000_000
            async with metadata.connection(read_only=True) as connection:
                said = {"version": version, "dead_since_us": dead_since_us}
                unsettled = (await sql.rows(connection, _UNSETTLED, said))[0][0]
            if not unsettled:
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def rows_until(self, version: int, table: str) -> None:
        """Return when ClickHouse has all rows of a table that commits up to this one implied.

        Raises `StoreUnavailable`, `MetadataUnavailable`, and `RuntimeError` if ClickHouse refused some of them.
        """
        outbox = self._people.outbox
        for _ in range(OUTBOX_LOOKS_MAX):
            if outbox.is_unsure or not self._people.is_alone:
                await outbox.replay()
            else:  # what it owes was delivered with the events; a second delivery beside the writer's could land later
                await outbox.sweep()
            async with self._people.metadata.connection(read_only=True) as connection:
                owed = await sql.rows(connection, _OWED, {"version": version, "table": table})
            if any(refusal is not None for (refusal,) in owed):
                raise RuntimeError(f"ClickHouse refused rows of {table}: `hedgerow doctor` shows them")
            if not owed:
                return
            await self._in_flight.settled()
            await asyncio.sleep(LOOK_SECONDS)
        raise StoreUnavailable(f"Rows of {table} are still on their way to ClickHouse.")

    async def answer_others(self) -> None:
        """For as long as it runs, tell other workers what this one has inserted. Ends at once where there are none."""
        while self._in_flight.worker is not None:
            try:
                await self._answer()
            except (StoreUnavailable, MetadataUnavailable) as error:
                log("people").warning("Another worker's question waits for a store", error=str(error))
            except Exception:  # noqa: BLE001 — it shall go on with the next round
                log("people").exception("Another worker's question could not be answered")
            await asyncio.sleep(ANSWER_SECONDS)

    async def _answer(self) -> None:
        worker = self._in_flight.worker
        async with self._people.metadata.connection(read_only=True) as connection:
            asked = await sql.rows(connection, _ASKED, {"worker": worker})
        if asked:
            await self._in_flight.settled()
            async with self._people.metadata.connection() as connection:
                await sql.execute(connection, _SETTLED, {"worker": worker, "version": asked[0][0]})
