"""How long a result may be given out again (queries §1.3), and whether the project's data changed since.

PostHog goes by age alone: six hours for a HogQL query. Here a result is also stale once the project has received
something, so that whoever asks after a 200 sees the event; except that an expensive result may serve for a minute more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final, Literal, Protocol

from hedgerow.core.storage.events import EventStore
from hedgerow.queries.cache import CachedResult

Interval = Literal["minute", "hour", "day", "week", "month"]
STALE_AFTER_SECONDS: Final[dict[Interval | None, int]] = {
    "minute": 300, "hour": 3_600, "day": 21_600, "week": 86_400, "month": 86_400, None: 21_600,
}  # fmt: skip
STALE_AFTER_SECONDS_LAX: Final[dict[Interval | None, int]] = {
    "minute": 900, "hour": 7_200, "day": 43_200, "week": 86_400, "month": 86_400, None: 43_200,
}  # fmt: skip
EXPENSIVE_SECONDS: Final = 1.0
"""A result that took longer is given out for `EXPENSIVE_GRACE_SECONDS` although the data changed."""
EXPENSIVE_GRACE_SECONDS: Final = 60.0


class DataState(Protocol):
    """Tells whether a project's data is what it was."""

    async def now(self, team_id: int) -> Any:
        """Something that differs after every change of the project's data."""
        ...


class SeenEvent(Protocol):
    """A stored event, as far as this is concerned."""

    @property
    def team_id(self) -> int: ...


class LocalWrites:
    """For the one process that writes: it is told of every change."""

    def __init__(self) -> None:
        """Nothing has changed yet."""
        self._changes: defaultdict[int, int] = defaultdict(int)

    def saw(self, events: Sequence[SeenEvent]) -> None:
        """Events were stored (`capture.event.EventObserver`)."""
        for team_id in {event.team_id for event in events}:
            self._changes[team_id] += 1

    def changed(self, team_id: int) -> None:
        """Something else of the project changed: persons were edited or deleted, definitions were set."""
        self._changes[team_id] += 1

    async def now(self, team_id: int) -> Any:
        """How many changes there were."""
        return self._changes.get(team_id, 0)


class StoreRows:
    """For several workers on one ClickHouse server: asks it how many rows its tables hold, over all projects."""

    def __init__(self, events: EventStore) -> None:
        """Ask `events`."""
        self._events = events

    async def now(self, team_id: int) -> Any:
        """The numbers of rows."""
        del team_id
        return await self._events.rows(
            "SELECT name, total_rows FROM system.tables WHERE database = currentDatabase() "
            "AND name IN ('events', 'persons', 'person_distinct_ids', 'person_overrides', 'groups') ORDER BY name"
        )


def is_fresh(result: CachedResult, interval: Interval | None, now_us: int, state: Any, *, lax: bool = False) -> bool:
    """Whether a result may be given out as it is; `lax` only goes by age, with the wider bounds."""
    age = (now_us - result.calculated_us) / 1_000_000
    if lax:
        return age < STALE_AFTER_SECONDS_LAX[interval]
    if age >= STALE_AFTER_SECONDS[interval]:
        return False
    return result.state == state or (result.seconds >= EXPENSIVE_SECONDS and age < EXPENSIVE_GRACE_SECONDS)
