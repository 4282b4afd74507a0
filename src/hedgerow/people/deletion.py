"""Deleting the events of deleted persons: a job, because it rewrites parts and must survive a kill.

Sessions go first: those that lose an event are deleted, computed anew from the events that stay, and then the events are
deleted. A kill in between is no harm: the next run finds the same events and does all three again, and a state that is
there twice counts once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from hedgerow.core.storage.schema.sessions import V7_OF_EVENT, insert_sessions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from hedgerow.core.jobs import Jobs, Progress
    from hedgerow.core.storage.events import EventStore
    from hedgerow.people.settlement import Settlement

KIND: Final = "delete_events"
IDS_AT_ONCE: Final = 1_000
"""Distinct ids in one DELETE."""

_ASKED: Final = (
    """distinct_id IN {ids:Array(String)} AND created_at <= fromUnixTimestamp64Micro({before_us:Int64}, 'UTC')"""
)
_LOSING: Final = f"""
(SELECT {V7_OF_EVENT} FROM events WHERE team_id = {{team_id:Int64}} AND `$session_id` != '' AND {_ASKED})
"""
_DELETE_SESSIONS: Final = f"DELETE FROM raw_sessions WHERE team_id = {{team_id:Int64}} AND session_id_v7 IN {_LOSING}"
_SESSIONS_ANEW: Final = insert_sessions(
    f"team_id = {{team_id:Int64}} AND {V7_OF_EVENT} IN {_LOSING} AND NOT (events.{_ASKED})"
)
_DELETE: Final = f"DELETE FROM events WHERE team_id = {{team_id:Int64}} AND {_ASKED}"


class _Asked(msgspec.Struct):
    """The payload."""

    team_id: int
    distinct_ids: list[str]
    before_us: int


async def ask_for(
    jobs: Jobs, connection: AsyncConnection, team_id: int, distinct_ids: Sequence[str], before_us: int
) -> None:
    """Have the events of these distinct ids deleted that arrived until `before_us`, once the transaction is committed.

    What arrives later, perhaps of a new person with the same distinct id, stays.
    """
    asked = _Asked(team_id, list(distinct_ids), before_us)
    await jobs.add(KIND, msgspec.to_builtins(asked), team_id=team_id, connection=connection)


class EventDeletion:
    """Deletes events. `run` is the job."""

    def __init__(self, events: EventStore, settlement: Settlement, deleted: Callable[[int], None] | None) -> None:
        """`deleted` is told the project once its events are gone."""
        self._events = events
        self._settlement = settlement
        self._deleted = deleted

    async def run(self, payload: Any, progress: Progress) -> None:
        """Delete what `ask_for` asked for, also what was still on its way to ClickHouse.

        Raises `StoreUnavailable`, `MetadataUnavailable`, `StoreError`, `LeaseLost`; run it again.
        """
        asked = msgspec.convert(payload, _Asked)
        await self._settlement.events_until(await self._settlement.newest_commit())
        for start in range(0, len(asked.distinct_ids), IDS_AT_ONCE):
            await progress(start / len(asked.distinct_ids))
            said = {"ids": asked.distinct_ids[start : start + IDS_AT_ONCE], "before_us": asked.before_us}
            for statement in (_DELETE_SESSIONS, _SESSIONS_ANEW, _DELETE):
                await self._events.command(statement, {"team_id": asked.team_id, **said})
        if self._deleted is not None:
            self._deleted(asked.team_id)
