"""Squashing overrides: what `person_overrides` says is written into the events, so that queries need no join.

    1. the cut     C, the newest commit. Every event that was identified before it is waited for, so that none lands
                   later with a person that an override up to C corrects; overrides written after C are left alone.
    2. the table   `squashing_…`, ENGINE = Join: the overrides up to C, by project and hash of the distinct id.
    3. the rewrite a mutation, or one a month where there are many events; only `person_id` is written anew, and only in
                   parts with such events.
    4. the end     overrides up to C are deleted, in ClickHouse, then in SQL, whose answer decides whether queries join.

Until step 4 queries join and get the same answer, from events that are rewritten or not; so every moment is right. A kill
anywhere is no harm: the next run ends what is left of this one and begins again, with a newer cut
(docs/decisions/0004). An override that is written again after C, because its distinct id moved once more, has a newer
version and survives.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from hedgerow.core import ids
from hedgerow.core.telemetry import log
from hedgerow.people import sql
from hedgerow.people.save import OVERRIDES

if TYPE_CHECKING:
    from hedgerow.core.jobs import Progress
    from hedgerow.core.storage.events import EventStore
    from hedgerow.people.settlement import Settlement
    from hedgerow.people.store import People

KIND: Final = "squash_overrides"
PREFIX: Final = "squashing_"
OVERRIDES_AT_ONCE: Final = 1_000_000
"""In one Join table, which weighs about 125 bytes for each; more are squashed in several rounds."""
EVENTS_AT_ONCE: Final = 20_000_000
"""Stored events up to which one mutation goes over all; beyond, month by month, which costs 1.4 times the CPU and gives
merges and the writer their turn in between."""
SQL_ROWS_AT_ONCE: Final = 2_000
"""Deleted in one SQL transaction: about 10 ms in which no group can be committed."""
LOOK_SECONDS: Final = (0.02, 0.05, 0.1, 0.2, 0.5)
"""Between looks at a mutation; the last one repeats."""

_PENDING: Final = "SELECT count(*) FROM (SELECT 1 FROM person_overrides LIMIT :limit) AS some_of_them"
_PROJECTS: Final = "SELECT DISTINCT team_id FROM person_overrides WHERE version <= :version ORDER BY team_id"

_LEFT_MUTATIONS: Final = f"""
KILL MUTATION WHERE database = currentDatabase() AND table = 'events' AND position(command, '{PREFIX}') > 0
AND NOT is_done SYNC
"""
_LEFT_TABLES: Final = f"""
SELECT name FROM system.tables WHERE database = currentDatabase() AND startsWith(name, '{PREFIX}')
"""
_COUNT: Final = "SELECT count() FROM person_overrides FINAL WHERE NOT is_deleted AND version <= {cut:UInt64}"
_TABLE: Final = "CREATE TABLE {name} (team_id Int64, k UInt64, person_id UUID) ENGINE = Join(ANY, LEFT, team_id, k)"
_FILL: Final = """
INSERT INTO {name} SELECT team_id, cityHash64(distinct_id), person_id FROM person_overrides FINAL
WHERE NOT is_deleted AND version <= {cut} AND cityHash64(distinct_id) % {rounds} = {round}
"""
_MONTHS: Final = """
SELECT partition_id, sum(rows) FROM system.parts
WHERE database = currentDatabase() AND table = 'events' AND active GROUP BY partition_id ORDER BY partition_id
"""
_REWRITE: Final = """
ALTER TABLE events UPDATE person_id = joinGet('{database}.{name}', 'person_id', team_id, distinct_id_hash)
{part} WHERE (team_id, distinct_id_hash) IN (SELECT team_id, k FROM {name})
"""
_MUTATION: Final = """
SELECT is_done, latest_fail_reason FROM system.mutations WHERE database = currentDatabase() AND table = 'events'
AND position(command, {name:String}) > 0 AND position(command, {part:String}) > 0
"""
_DROP: Final = "DROP TABLE IF EXISTS {name} SYNC"
_FORGET: Final = "ALTER TABLE person_overrides DELETE WHERE version <= {cut}"


class RewriteFailed(Exception):  # noqa: N818 — what happened
    """ClickHouse could not rewrite events; the message says why. The overrides are all still there."""


class Squash:
    """Writes overrides into the events. `run` is the job."""

    def __init__(self, people: People, events: EventStore, settlement: Settlement) -> None:
        """Over the stores of `people`."""
        self._people = people
        self._events = events
        self._settlement = settlement

    async def pending(self, limit: int) -> int:
        """How many overrides wait, counted up to `limit`. Raises `MetadataUnavailable`."""
        async with self._people.metadata.connection(read_only=True) as connection:
            return int((await sql.rows(connection, _PENDING, {"limit": limit}))[0][0])

    async def run(self, payload: Any, progress: Progress) -> None:
        """Squash all overrides that there are now.

        Raises `StoreUnavailable`, `MetadataUnavailable`, `StoreError`, `RewriteFailed`, `LeaseLost`; run it again.
        """
        del payload
        await self._end_what_is_left()
        cut = await self._settlement.newest_commit()
        projects = await self._projects(cut)
        if not projects:
            return
        await self._settlement.events_until(cut)
        await self._settlement.rows_until(cut, OVERRIDES)
        count = int((await self._events.rows(_COUNT, {"cut": cut}))[0][0])
        rounds = -(-count // OVERRIDES_AT_ONCE)
        log("people").info("Overrides are squashed", overrides=count, cut=cut)
        for number in range(rounds):
            await self._rewrite(cut, number, rounds, progress)
        await progress(0.9)
        await self._events.command(_FORGET.format(cut=cut), settings={"mutations_sync": 1})
        for team_id in projects:
            while await self._people.drop_overrides(team_id, cut, SQL_ROWS_AT_ONCE) == SQL_ROWS_AT_ONCE:
                pass

    async def _projects(self, cut: int) -> list[int]:
        async with self._people.metadata.connection(read_only=True) as connection:
            return [row[0] for row in await sql.rows(connection, _PROJECTS, {"version": cut})]

    async def _end_what_is_left(self) -> None:
        """An interrupted run may have left mutations that go on by themselves, and tables that they read."""
        await self._events.query(_LEFT_MUTATIONS, fmt="TabSeparated", priority="background")
        for (name,) in await self._events.rows(_LEFT_TABLES):
            await self._events.command(_DROP.format(name=name))

    async def _rewrite(self, cut: int, number: int, rounds: int, progress: Progress) -> None:
        """Write one part of the overrides into all events."""
        name = f"{PREFIX}{ids.uuid7().hex}"
        await progress(0.9 * number / rounds)
        await self._events.command(_TABLE.format(name=name))
        await self._events.command(_FILL.format(name=name, cut=cut, rounds=rounds, round=number))
        database = (await self._events.rows("SELECT currentDatabase()"))[0][0]
        months = await self._events.rows(_MONTHS)
        parts = [f"IN PARTITION ID '{month}'" for month, _ in months]
        if sum(events for _, events in months) <= EVENTS_AT_ONCE:
            parts = [""]
        for done, part in enumerate(parts):
            await progress(0.9 * (number + done / len(parts)) / rounds)
            statement = _REWRITE.format(database=database, name=name, part=part)
            await self._events.command(statement, settings={"mutations_sync": 0})
            await self._rewritten(name, part)
        await self._events.command(_DROP.format(name=name))

    async def _rewritten(self, name: str, part: str) -> None:
        """Wait for a mutation. Raises `RewriteFailed`."""
        looks = 0
        said = {"name": name, "part": part}
        while True:
            found = await self._events.rows(_MUTATION, said, settled=False)
            if not found:
                raise RewriteFailed("the mutation was killed")
            is_done, reason = found[0]
            if is_done:
                return
            if reason:
                await self._end_what_is_left()
                raise RewriteFailed(str(reason))
            await asyncio.sleep(LOOK_SECONDS[min(looks, len(LOOK_SECONDS) - 1)])
            looks += 1
