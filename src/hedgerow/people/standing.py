"""What queries must know of a project's people before they are compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from sqlalchemy import select

from hedgerow.people.models import GroupType, PersonOverride

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Awaitable, Callable, Mapping

    from hedgerow.core.clock import Clock
    from hedgerow.people.store import People

REMEMBER_SECONDS = 30.0
PROJECTS_MAX = 10_000

T = TypeVar("T")


class _Remembered(Generic[T]):
    """What SQL said of projects, until a commit of this process may have changed it, 30 seconds at most."""

    def __init__(self, load: Callable[[int], Awaitable[T]], written: Counter[int], clock: Clock) -> None:
        """`written` counts the commits that concern a project."""
        self._load = load
        self._written = written
        self._clock = clock
        self._kept: dict[int, tuple[T, int, float]] = {}

    async def get(self, team_id: int) -> T:
        now, number = self._clock.monotonic(), self._written[team_id]
        kept = self._kept.get(team_id)
        if kept is not None and kept[1] == number and now < kept[2]:
            return kept[0]
        found = await self._load(team_id)
        if len(self._kept) >= PROJECTS_MAX:
            self._kept.clear()
        self._kept[team_id] = (found, number, now + REMEMBER_SECONDS)
        return found


class PeopleStanding:
    """Answers from SQL, so that a query right after a merge sees it. Raises `MetadataUnavailable`.

    Where no other process writes, answers are remembered: the two reads would cost each query 4 ms. Elsewhere only a
    yes about overrides is, for 30 seconds: it costs no more than a join that is not needed.
    """

    def __init__(self, people: People) -> None:
        self._people = people
        self._merged_until: dict[int, tuple[float, int]] = {}
        self._types = _Remembered(self._load_group_types, people.group_types_written, people.clock)
        self._overrides = _Remembered(self._load_has_overrides, people.overrides_written, people.clock)

    async def group_types(self, team_id: int) -> Mapping[str, int]:
        """Group type → its index, 0 to 4 (sdk-wire §8.7)."""
        return await (self._types.get(team_id) if self._people.is_alone else self._load_group_types(team_id))

    async def group_type_rows(self, team_id: int) -> list[GroupType]:
        """The same as rows, by index."""
        statement = select(GroupType).where(GroupType.team_id == team_id).order_by(GroupType.group_type_index)
        async with self._people.metadata.read() as session:
            return list(await session.scalars(statement))

    async def has_person_overrides(self, team_id: int) -> bool:
        """Whether any stored event of the project carries a person id that a merge made stale."""
        if self._people.is_alone:
            return await self._overrides.get(team_id)
        now = self._people.clock.monotonic()
        until, number = self._merged_until.get(team_id, (0.0, 0))
        written = self._people.overrides_written[team_id]
        if until > now and number == written:
            return True
        found = await self._load_has_overrides(team_id)
        if found:
            self._merged_until[team_id] = (now + REMEMBER_SECONDS, written)
        return found

    async def _load_group_types(self, team_id: int) -> dict[str, int]:
        statement = select(GroupType.group_type, GroupType.group_type_index).where(GroupType.team_id == team_id)
        async with self._people.metadata.read() as session:
            rows = await session.execute(statement)
            return {row.group_type: row.group_type_index for row in rows}

    async def _load_has_overrides(self, team_id: int) -> bool:
        statement = select(PersonOverride.distinct_id).where(PersonOverride.team_id == team_id).limit(1)
        async with self._people.metadata.read() as session:
            return await session.scalar(statement) is not None
