"""The one door to persons and groups: one SQL transaction at a time, with the outbox of what it implies.

    async with people.change([team_id]) as change:
        await change.load(team_id, events)
        who = change.view(team_id).resolve(event)
    await people.outbox.deliver()

Leaving the block saves what the views hold, if anything, and commits. Whoever edits persons (the writer, the REST API)
goes through here, so that the order of edits is the order of their numbers, and the cache never lies.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from hedgerow.core import ids
from hedgerow.people import load, save, sql
from hedgerow.people.identity import TeamView
from hedgerow.people.outbox import Delivery, Outbox
from hedgerow.people.versions import KnownVersions

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Collection, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from hedgerow.core.clock import Clock
    from hedgerow.core.storage.events import EventStore
    from hedgerow.core.storage.metadata import Metadata
    from hedgerow.people.facts import PersonEvent
    from hedgerow.people.identity import IdState, PersonState, Who

CACHE_BYTES_MAX: Final = 96 * 1024 * 1024
"""About what the cached persons may weigh; beyond, the older half is forgotten."""

ID_BYTES: Final = 500
"""About what one cached distinct id weighs, its person's properties apart."""

EVENTS_AT_ONCE: Final = 500
"""Events resolved before others on the event loop get a turn: about 5 ms."""

WEIGHT_OF_TEXT: Final = 4
"""How many times its JSON text decoded properties weigh, with the text."""

_DROP_OVERRIDES: Final = """
DELETE FROM person_overrides WHERE team_id = :team_id AND distinct_id IN (
    SELECT distinct_id FROM person_overrides WHERE team_id = :team_id AND version <= :up_to LIMIT :limit
) RETURNING distinct_id
"""


class Change:
    """One transaction over the persons and groups of some projects. Its SQL begins when it is first needed."""

    def __init__(self, people: People, team_ids: Collection[int]) -> None:
        self._people = people
        self._team_ids = team_ids
        self._views: dict[int, TeamView] = {}
        self._stack = AsyncExitStack()
        self._connection: AsyncConnection | None = None
        self.changes = save.Changes()
        """For edits that no view expresses."""
        self.deliveries: list[Delivery] = []
        """What ClickHouse must get; known once the block is left."""

    async def connection(self) -> AsyncConnection:
        """The transaction, with its projects locked."""
        if self._connection is None:
            connection = await self._stack.enter_async_context(self._people.metadata.connection())
            self._connection = connection
            await sql.lock_projects(connection, self._team_ids)
        return self._connection

    async def load(self, team_id: int, events: Sequence[PersonEvent]) -> TeamView:
        """The view of a project with all that `resolve` needs for these events."""
        view = await self.view(team_id)
        people = self._people
        cached = view.remembered
        missing = False
        for distinct_id in load.named(events):
            state = cached.get(distinct_id)
            if state is None:
                missing = True
            else:
                view.ids[distinct_id] = state
        if not missing:
            for person in load.may_be_absorbed(view, events):
                missing = missing or person.distinct_ids is None
                for distinct_id in person.distinct_ids or ():
                    if distinct_id not in view.ids and not load.take_remembered(view, distinct_id):
                        missing = True
        if load.needs_groups(events):
            known = people.group_types.get(team_id)
            if known is None:
                known = await load.load_group_types(await self.connection(), team_id)
            view.group_types = known
        if missing or any(event.group_identify is not None for event in events):
            await load.load_for(await self.connection(), view, events)
        return view

    async def view(self, team_id: int) -> TeamView:
        """The view of a project, empty at first."""
        found = self._views.get(team_id)
        if found is None:
            found = self._views[team_id] = TeamView(team_id, {})
            found.remembered = self._people.cached(team_id)
            found.remembered_persons = self._people.persons
        return found

    async def resolve(self, events: Sequence[PersonEvent]) -> list[Who]:
        """Take events of any projects in their order, and say what each is stored with."""
        by_team: dict[int, list[PersonEvent]] = {}
        for event in events:
            by_team.setdefault(event.team_id, []).append(event)
        views = {team_id: await self.load(team_id, of_team) for team_id, of_team in by_team.items()}
        found: list[Who] = []
        for start in range(0, len(events), EVENTS_AT_ONCE):
            for event in events[start : start + EVENTS_AT_ONCE]:
                found.append(views[event.team_id].resolve(event))  # noqa: PERF401 — the loop's other users wait less
            await asyncio.sleep(0)
        return found

    @property
    def warnings(self) -> list[tuple[int, str, dict[str, object]]]:
        """What the projects should know: project, type, details."""
        return [
            (view.team_id, warning.type, warning.details) for view in self._views.values() for warning in view.warnings
        ]

    async def finish(self) -> None:
        """Save what changed, with its outbox rows and the removal of delivered ones, and commit."""
        people = self._people
        known = people.versions
        changes = self.changes
        if changes or any(save.has_changes(view, known) for view in self._views.values()):
            connection = await self.connection()
            version = await sql.next_version(connection)
            now_us = people.clock.now_us()
            for view in self._views.values():
                save.collect(view, version, now_us, known, changes)
            await changes.save(connection)
            token = ids.uuid7().hex
            self.deliveries = [
                Delivery(version, table, f"{token}-{table}", b"".join(lines)) for table, lines in changes.lines.items()
            ]
            await people.outbox.put(connection, self.deliveries)
        forgotten: list[int] = []
        if self._connection is not None:
            forgotten = await people.outbox.forget_delivered(self._connection)
        await self._stack.aclose()
        people.outbox.forgot(forgotten)
        people.outbox.add(self.deliveries)
        known.add(changes.new_versions)
        people.overrides_written.update(changes.teams_with_new_overrides)
        people.group_types_written.update(changes.teams_with_new_group_types)
        for view in self._views.values():
            people.remember(view)

    async def abandon(self, error: BaseException) -> None:
        """Roll back, and drop what memory holds of it."""
        self._people.forget_all()
        await self._stack.__aexit__(type(error), error, error.__traceback__)


class People:
    """Persons and groups of all projects."""

    def __init__(
        self, metadata: Metadata, events: EventStore, clock: Clock, *, edited: Callable[[int], None] | None = None
    ) -> None:
        """`edited` is told the project whenever persons changed other than by an event."""
        self.metadata = metadata
        self.clock = clock
        self.edited = edited
        self.is_alone = events.embedded
        """No other process writes these stores: what SQL says may be remembered."""
        self.outbox = Outbox(metadata, events)
        self.versions = KnownVersions()
        self.group_types: dict[int, dict[str, int]] = {}
        """Group types by project, where remembered."""
        self.overrides_written: Counter[int] = Counter()
        self.group_types_written: Counter[int] = Counter()
        """Commits of this process that gave a project overrides, or group types, or took them away (`standing`)."""
        self.persons: WeakValueDictionary[tuple[int, str], PersonState] = WeakValueDictionary()
        """The persons of cached distinct ids, by project and uuid."""
        self._cache: dict[int, dict[str, IdState]] = {}
        self._cache_bytes = 0
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def change(self, team_ids: Collection[int]) -> AsyncGenerator[Change]:
        """One transaction over these projects: committed when the block ends well.

        Raises `MetadataUnavailable`; then nothing is stored, or, if the connection broke in the very commit, all of
        it is, with an outbox that `Outbox.replay` finds.
        """
        async with self._turn:
            change = Change(self, team_ids)
            try:
                yield change
                await change.finish()
            except BaseException as error:
                self.outbox.is_unsure = True
                await change.abandon(error)
                raise

    async def drop_overrides(self, team_id: int, up_to: int, limit: int) -> int:
        """Forget overrides that commits up to a number wrote and that the events carry by now; how many, `limit` at most.

        Raises `MetadataUnavailable`.
        """
        async with self._turn:
            try:
                async with self.metadata.connection() as connection:
                    await sql.lock_projects(connection, [team_id])
                    gone = await sql.rows(
                        connection, _DROP_OVERRIDES, {"team_id": team_id, "up_to": up_to, "limit": limit}
                    )
            except BaseException:  # perhaps they are gone nevertheless
                self.forget_all()
                raise
            cached = self.cached(team_id)
            for (distinct_id,) in gone:
                state = cached.get(distinct_id)
                if state is not None:
                    state.override = None
            self.overrides_written[team_id] += 1
        return len(gone)

    # -- memory ------------------------------------------------------------------------------------------------------

    def cached(self, team_id: int) -> dict[str, IdState]:
        """Distinct ids of a project that memory holds; none where several processes write."""
        return self._cache.get(team_id) or {}

    def remember(self, view: TeamView) -> None:
        """Keep a saved view's distinct ids and group types for the next batch."""
        if not self.is_alone:
            return
        if view.group_types:
            self.group_types[view.team_id] = view.group_types
        cache = self._cache.setdefault(view.team_id, {})
        for distinct_id, state in view.ids.items():
            if distinct_id not in cache:
                cache[distinct_id] = state
                self._cache_bytes += _weight(state)
            person = state.person
            if person is not None and not person.is_remembered:
                person.is_remembered = True
                self.persons[view.team_id, person.uuid] = person
        if self._cache_bytes > CACHE_BYTES_MAX:
            self._forget_half()

    def forget(self, team_id: int, distinct_ids: Collection[str]) -> None:
        """Let the next batch read these distinct ids from SQL."""
        cache = self._cache.get(team_id, {})
        for distinct_id in distinct_ids:
            cache.pop(distinct_id, None)

    def forget_all(self) -> None:
        """Let the next batch read all from SQL."""
        self._cache.clear()
        self.persons.clear()
        self.group_types.clear()
        self._cache_bytes = 0

    def _forget_half(self) -> None:
        weight = 0
        for team_id, cache in self._cache.items():
            kept = list(cache.items())[len(cache) // 2 :]
            self._cache[team_id] = dict(kept)
            weight += sum(_weight(state) for _, state in kept)
        self._cache_bytes = weight


def _weight(state: IdState) -> int:
    return ID_BYTES + (0 if state.person is None else len(state.person.text) * WEIGHT_OF_TEXT)
