"""A writer over real stores, events to give it, and stores that fail on demand."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection
from tests.stores.opened import Stores

from hedgerow.capture.event import GroupIdentify, IncomingEvent, IngestionWarning, MergeRequest
from hedgerow.capture.writer import Writer
from hedgerow.core import ids
from hedgerow.core.clock import Clock
from hedgerow.core.errors import MetadataUnavailable
from hedgerow.core.storage.events import EventStore, StoreError, StoreUnavailable
from hedgerow.core.storage.metadata import Metadata
from hedgerow.people import properties as rules
from hedgerow.people.store import People
from hedgerow.settings import Settings

NOW_US = 1_790_000_000_000_000
_teams = itertools.count(1_000)


def an_event(
    distinct_id: str = "ada",
    event: str = "seen",
    *,
    team_id: int = 1,
    uuid: bytes | None = None,
    at_us: int = NOW_US,
    received_us: int = NOW_US,
    personless: bool = False,
    properties: dict[str, Any] | None = None,
    set_: dict[str, Any] | None = None,
    set_once: dict[str, Any] | None = None,
    unset: list[str] | None = None,
    merges: str | None = None,
    dangerously: bool = False,
    groups: dict[str, str] | None = None,
    group: tuple[str, str, dict[str, Any]] | None = None,
) -> IncomingEvent:
    """An event as `capture.normalise` makes them."""
    keys = properties or {}
    return IncomingEvent(
        team_id=team_id,
        uuid=uuid or os.urandom(16),
        event=event,
        distinct_id=distinct_id,
        timestamp_us=at_us,
        created_at_us=received_us,
        properties=rules.encode(keys),
        keys=keys,
        person_mode=1 if personless else 0,
        set=set_,
        set_once=set_once,
        unset=unset,
        merge=None if merges is None else MergeRequest(merges, dangerously),
        groups=groups,
        group_identify=None if group is None else GroupIdentify(*group),
        elements_chain="",
        session_id="",
        window_id="",
        historical=False,
    )


class Steps:
    """Counts the steps that stores take for the writer and lets one fail: before it is done, or after."""

    def __init__(self) -> None:
        self.taken = 0
        self.fails_at: range = range(0)
        self.after = False

    def fail(self, first: int, times: int = 1, *, after: bool = False) -> None:
        self.taken = 0
        self.fails_at = range(first, first + times)
        self.after = after

    def next_fails(self) -> bool:
        self.taken += 1
        return self.taken in self.fails_at


class FailingEvents:
    """The real event store, but an insert may fail."""

    def __init__(self, events: EventStore, steps: Steps) -> None:
        self._events = events
        self._steps = steps
        self.refuses: bytes | None = None
        self.is_down = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._events, name)

    async def insert(self, table: str, lines: bytes | Path, *, token: str) -> None:
        text = lines.read_bytes() if isinstance(lines, Path) else lines  # noqa: ASYNC240
        if self.refuses is not None and self.refuses in text:
            raise StoreError(27, "CANNOT_PARSE_INPUT_ASSERTION_FAILED", "no such row, please")
        if self.is_down:
            raise StoreUnavailable("nobody answers")
        fails = self._steps.next_fails()
        if not fails or self._steps.after:
            await self._events.insert(table, lines, token=token)
        if fails:
            raise StoreUnavailable("the disk is full")


class FailingMetadata:
    """The real SQL store, but a transaction may fail."""

    def __init__(self, metadata: Metadata, steps: Steps) -> None:
        self._metadata = metadata
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        return getattr(self._metadata, name)

    @asynccontextmanager
    async def connection(self, *, read_only: bool = False) -> AsyncGenerator[AsyncConnection]:
        fails = not read_only and self._steps.next_fails()
        async with self._metadata.connection(read_only=read_only) as connection:
            yield connection
            if fails and not self._steps.after:
                raise MetadataUnavailable("the connection was lost before the commit")
        if fails:
            raise MetadataUnavailable("the connection was lost after the commit")


@dataclass
class World:
    """One worker over shared stores, with a project of its own. `restart` forgets all that is only in memory."""

    stores: Stores
    clock: Clock
    settings: Settings
    is_alone: bool | None = None
    team_id: int = field(default_factory=lambda: next(_teams))
    steps: Steps = field(default_factory=Steps)
    warnings: list[IngestionWarning] = field(default_factory=list[IngestionWarning])
    observed: list[IncomingEvent] = field(default_factory=list[IncomingEvent])

    def __post_init__(self) -> None:
        self.build()

    def build(self) -> None:
        self.events = FailingEvents(self.stores.events, self.steps)
        events = cast("EventStore", self.events)
        metadata = cast("Metadata", FailingMetadata(self.stores.metadata, self.steps))
        self.people = People(metadata, events, self.clock)
        if self.is_alone is not None:
            self.people.is_alone = self.is_alone
        self.writer = Writer(self.people, events, self.settings, self.clock, observers=[self], keep_warnings=self._keep)

    async def _keep(self, _connection: AsyncConnection, warnings: Sequence[IngestionWarning]) -> None:
        self.warnings += warnings

    def saw(self, events: Sequence[IncomingEvent]) -> None:
        self.observed += events

    async def start(self) -> None:
        await self.writer.start()
        await self.writer.refilled()

    async def restart(self) -> None:
        await self.writer.stop()
        self.build()
        await self.start()

    async def sends(self, *events: IncomingEvent) -> None:
        """One request."""
        for event in events:
            event.team_id = self.team_id
        await self.writer.submit(list(events))

    async def rows(self, sql: str) -> list[list[Any]]:
        return await self.stores.events.rows(sql.replace("TEAM", str(self.team_id)))

    async def count(self) -> int:
        """Events by plain count(), without FINAL."""
        return int((await self.rows("SELECT count() FROM events WHERE team_id = TEAM"))[0][0])

    async def counts(self, events: int) -> None:
        """Wait until ClickHouse, which may have failed to take them once, has so many events."""
        for _ in range(200):
            if await self.count() == events:
                return
            await asyncio.sleep(0.02)
        assert await self.count() == events

    def own_uuid(self, distinct_id: str) -> str:
        return str(ids.person_uuid(self.team_id, distinct_id))

    async def person_of_events(self) -> dict[str, set[str]]:
        """Distinct id → the persons that its events have in a query that knows overrides."""
        found: dict[str, set[str]] = {}
        for distinct_id, person in await self.rows(
            "SELECT DISTINCT e.distinct_id, toString(if(empty(o.distinct_id), e.person_id, o.person_id)) FROM events AS e"
            " LEFT JOIN (SELECT * FROM person_overrides FINAL WHERE team_id = TEAM) AS o ON o.distinct_id = e.distinct_id"
            " WHERE e.team_id = TEAM"
        ):
            found.setdefault(distinct_id, set()).add(person)
        return found

    async def persons(self) -> dict[str, dict[str, Any]]:
        """Person uuid → properties, as ClickHouse has them."""
        rows = await self.rows(
            "SELECT toString(id), properties FROM persons FINAL WHERE team_id = TEAM AND NOT is_deleted"
        )
        return {uuid: rules.decode(text) for uuid, text in rows}

    async def owners(self) -> dict[str, str]:
        """Distinct id → person, as ClickHouse has them."""
        rows = await self.rows(
            "SELECT distinct_id, toString(person_id) FROM person_distinct_ids FINAL WHERE team_id = TEAM AND NOT is_deleted"
        )
        return {str(UUID(p)) and d: p for d, p in rows}
