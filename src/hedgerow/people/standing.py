"""What queries must know of a project's people before they are compiled."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select

from hedgerow.core.clock import Clock
from hedgerow.core.storage.metadata import Metadata
from hedgerow.people.models import GroupType, PersonOverride

REMEMBER_SECONDS = 30.0


class PeopleStanding:
    """Answers from SQL, so that a query right after a merge sees it. Raises `MetadataUnavailable`."""

    def __init__(self, metadata: Metadata, clock: Clock) -> None:
        self._metadata = metadata
        self._clock = clock
        self._merged_until: dict[int, float] = {}

    async def group_types(self, team_id: int) -> Mapping[str, int]:
        """Group type → its index, 0 to 4 (sdk-wire §8.7)."""
        statement = select(GroupType.group_type, GroupType.group_type_index).where(GroupType.team_id == team_id)
        async with self._metadata.read() as session:
            return dict((await session.execute(statement)).tuples().all())

    async def group_type_rows(self, team_id: int) -> list[GroupType]:
        """The same as rows, by index."""
        statement = select(GroupType).where(GroupType.team_id == team_id).order_by(GroupType.group_type_index)
        async with self._metadata.read() as session:
            return list(await session.scalars(statement))

    async def has_person_overrides(self, team_id: int) -> bool:
        """Whether any stored event of the project carries a person id that a merge made stale.

        A yes is remembered for 30 seconds, since it only costs a join too many; a no is asked again each time.
        """
        if self._merged_until.get(team_id, 0.0) > self._clock.monotonic():
            return True
        statement = select(PersonOverride.distinct_id).where(PersonOverride.team_id == team_id).limit(1)
        async with self._metadata.read() as session:
            found = await session.scalar(statement) is not None
        if found:
            self._merged_until[team_id] = self._clock.monotonic() + REMEMBER_SECONDS
        return found
