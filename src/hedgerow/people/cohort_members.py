"""The persons of static cohorts: found by any kind of id, put on the list, taken from it (rest-api §8).

The list is in ClickHouse, where a later row about a person outdoes an earlier one, so all of this may be done again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import select

from hedgerow.core import ids
from hedgerow.people import sql
from hedgerow.people.cohort_csv import Kind
from hedgerow.people.models import Cohort

if TYPE_CHECKING:
    from hedgerow.core.clock import Clock
    from hedgerow.core.jobs import Jobs, Progress
    from hedgerow.core.storage.events import EventStore
    from hedgerow.core.storage.metadata import Metadata

JOB: Final = "fill_cohort"
AT_ONCE: Final = 5_000
_PERSONS: Final[dict[Kind, str]] = {
    "person_id": "SELECT uuid FROM persons WHERE team_id = :team_id AND uuid IN @ids",
    "distinct_id": (
        "SELECT DISTINCT person_uuid FROM person_distinct_ids WHERE team_id = :team_id AND distinct_id IN @ids"
    ),
    "email": "SELECT uuid FROM persons WHERE team_id = :team_id AND email IN @ids",
}
_COUNT: Final = """
SELECT count() FROM static_cohort_people FINAL
WHERE team_id = {team_id:Int64} AND cohort_id = {cohort_id:Int64} AND NOT is_deleted
"""
_IS_IN: Final = _COUNT + " AND person_id = {person_id:UUID}"
_COPY: Final = """
INSERT INTO static_cohort_people (team_id, cohort_id, person_id, is_deleted, version)
SELECT team_id, {to:Int64}, person_id, false, {now_us:UInt64} FROM cohort_people
WHERE team_id = {team_id:Int64} AND cohort_id = {cohort_id:Int64} AND version = {version:UInt64}
"""


class _Asked(msgspec.Struct):
    """The payload: persons to put on a list; `copied` is a cohort and its calculation, whose persons are meant too."""

    team_id: int
    cohort_id: int
    persons: list[str]
    copied: tuple[int, int] | None = None


class CohortMembers:
    """The lists of all projects. `fill` is the job."""

    def __init__(
        self, metadata: Metadata, events: EventStore, clock: Clock, jobs: Jobs, *, forget: Callable[[int], None]
    ) -> None:
        """Registers the kind of job; `forget` hears of a project one of whose lists changed."""
        self._metadata = metadata
        self._events = events
        self._clock = clock
        self._forget = forget
        jobs.register(JOB, self.fill)

    async def persons(self, team_id: int, kind: Kind, wanted: Collection[str]) -> list[str]:
        """The uuids of those whom ids of a kind mean, each once; whoever is not there is left out."""
        if kind == "person_id":
            wanted = [uuid for each in wanted if (uuid := _uuid(each)) is not None]
        found: dict[str, None] = {}
        async with self._metadata.connection(read_only=True) as connection:
            for part in _parts(list(wanted)):
                rows = await sql.rows(connection, _PERSONS[kind], {"team_id": team_id, "ids": sql.listed(part)})
                found |= {str(row[0]): None for row in rows}
        return list(found)

    async def put(self, team_id: int, cohort_id: int, persons: Sequence[str], *, gone: bool = False) -> None:
        """Put persons on a list, or take them from it, and count it again. Raises StoreUnavailable."""
        version = self._clock.now_us()
        for part in _parts(persons):
            row = {"team_id": team_id, "cohort_id": cohort_id, "is_deleted": gone, "version": version}
            lines = b"".join(msgspec.json.encode({**row, "person_id": person}) + b"\n" for person in part)
            await self._events.insert("static_cohort_people", lines, token=str(ids.uuid4()))
        await self._counted(team_id, cohort_id)

    async def has(self, team_id: int, cohort_id: int, person: str) -> bool:
        """Whether a person is on a list."""
        said = {"team_id": team_id, "cohort_id": cohort_id, "person_id": person}
        ((count,),) = await self._events.rows(_IS_IN, said, priority="interactive", settled=False)
        return bool(count)

    async def fill(self, payload: Any, progress: Progress) -> None:
        """Put persons on a new list. Raises `StoreUnavailable`, `MetadataUnavailable`, `LeaseLost`; run it again."""
        asked = msgspec.convert(payload, _Asked)
        await progress(0)
        if asked.copied is not None:
            cohort_id, version = asked.copied
            said = {"team_id": asked.team_id, "cohort_id": cohort_id, "version": version, "to": asked.cohort_id}
            await self._events.command(_COPY, {**said, "now_us": self._clock.now_us()})
        await self.put(asked.team_id, asked.cohort_id, asked.persons)

    async def _counted(self, team_id: int, cohort_id: int) -> None:
        said = {"team_id": team_id, "cohort_id": cohort_id}
        ((count,),) = await self._events.rows(_COUNT, said, settled=False)
        async with self._metadata.write() as session:
            row = await session.scalar(select(Cohort).where(Cohort.id == cohort_id).with_for_update())
            if row is not None:
                row.count, row.last_calculation, row.is_calculating = int(count), self._clock.now(), False
        self._forget(team_id)


def _parts(items: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), AT_ONCE):
        yield items[start : start + AT_ONCE]


def _uuid(said: str) -> str | None:
    try:
        return str(UUID(said))
    except ValueError:
        return None
