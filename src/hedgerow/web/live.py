"""What just arrived, for a page that is open: read from the store, so that what it shows is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec

from hedgerow.core.clock import Clock
from hedgerow.core.identity.teams import Team
from hedgerow.core.storage.events import EventStore

_SQL: Final = (Path(__file__).parent / "live.sql").read_text(encoding="utf-8")
_BEFORE_MS: Final = 5_000
DISTINCT_IDS_MAX: Final = 20


class LiveEvent(msgspec.Struct, frozen=True):
    """One stored event as a page shows it."""

    uuid: str
    event: str
    distinct_id: str
    timestamp: str
    """When it happened, RFC 3339, UTC."""
    stored_ms: int
    """When it was stored: milliseconds since the Unix epoch."""
    lib: str
    path: str
    element_text: str


class LiveEvents(msgspec.Struct, frozen=True):
    """The newest first, at most 30, and the moment to ask from next time."""

    since: int
    events: list[LiveEvent]


async def live_events(
    store: EventStore, clock: Clock, team: Team, *, since_ms: int | None, distinct_ids: list[str]
) -> LiveEvents:
    """The project's events that were stored since `since_ms`, or in the last five seconds.

    Only those of `distinct_ids` when there are any. Raises StoreUnavailable.
    """
    since = clock.now_us() // 1000 - _BEFORE_MS if since_ms is None else since_ms
    parameters: dict[str, Any] = {"team_id": team.id, "since_ms": since, "distinct_ids": distinct_ids}
    rows = await store.rows(_SQL, parameters)
    return LiveEvents(since, [LiveEvent(*row) for row in rows])
