"""Notices definitions in the events that were stored, and saves them behind their backs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from heapq import nsmallest
from typing import Any, Final, Protocol

from hedgerow.core.clock import Clock
from hedgerow.core.errors import MetadataUnavailable
from hedgerow.core.storage.metadata import Metadata
from hedgerow.core.telemetry import log
from hedgerow.taxonomy import store
from hedgerow.taxonomy.memory import PERSONS, Definitions, Owner
from hedgerow.taxonomy.models import GROUP

SAVE_SECONDS: Final = 0.5
"""Between two saves; also how long after it was noticed a definition may be missing in SQL."""
GROUPS_WAITING_MAX: Final = 10_000
"""`$groupidentify` events that wait for the number of their group type; the oldest are dropped beyond it."""
OTHERS_SECONDS: Final = 1.0
"""How old what is known of other workers' definitions may be."""

GroupTypes = Callable[[int], Awaitable[Mapping[str, int]]]
"""Gives a project's group types and their numbers."""


class SeenGroup(Protocol):
    """What a `$groupidentify` said."""

    @property
    def type(self) -> str: ...
    @property
    def set(self) -> dict[str, Any]: ...


class SeenEvent(Protocol):
    """What is read of a stored event; `capture.event.IncomingEvent` has it."""

    @property
    def team_id(self) -> int: ...
    @property
    def event(self) -> str: ...
    @property
    def keys(self) -> dict[str, Any]: ...
    @property
    def set(self) -> dict[str, Any] | None: ...
    @property
    def set_once(self) -> dict[str, Any] | None: ...
    @property
    def created_at_us(self) -> int: ...
    @property
    def group_identify(self) -> SeenGroup | None: ...


class Taxonomy:
    """Every project's definitions, in memory, saved every half second. One per process."""

    def __init__(
        self,
        metadata: Metadata,
        clock: Clock,
        group_types: GroupTypes,
        *,
        properties_max: int = 50_000,
        has_other_workers: bool = False,
    ) -> None:
        """`properties_max` bounds each project's properties. Other workers' definitions are looked for if there are any."""
        self._metadata = metadata
        self._clock = clock
        self._group_types = group_types
        self._properties_max = properties_max
        self._has_other_workers = has_other_workers
        self._projects: dict[int, Definitions] = {}
        self._loading: dict[int, asyncio.Lock] = {}
        self._states: dict[int, tuple[float, store.State]] = {}
        self._groups: list[tuple[int, str, dict[str, Any], int]] = []
        self._waker = asyncio.Event()
        self._saver: asyncio.Task[None] | None = None
        self._stopping = False

    # -- events ----------------------------------------------------------------------------------------------------

    def saw(self, events: Sequence[SeenEvent]) -> None:
        """Take note of events that were stored. Cheap, never raises."""
        projects = self._projects
        for event in events:
            project = projects.get(event.team_id) or self._project(event.team_id)
            at_us = event.created_at_us
            if event.group_identify is not None:
                project.notice(event.event, {}, at_us)
                self._groups.append((event.team_id, event.group_identify.type, event.group_identify.set, at_us))
                continue
            project.notice(event.event, event.keys, at_us)
            if event.set:
                project.notice(PERSONS, event.set, at_us)
            if event.set_once:
                project.notice(PERSONS, event.set_once, at_us)
        self._waker.set()

    def property_type(self, team_id: int, owner: Owner, name: str) -> str | None:
        """The type of a property, from memory; None when it has none or the project was not loaded."""
        project = self._projects.get(team_id)
        return None if project is None else project.property_type(owner, name)

    def property_names(self, team_id: int, owner: Owner, contains: str, most: int) -> list[str]:
        """Names of known properties that hold a text in any letter case, in order, at most so many; from memory."""
        project, part = self._projects.get(team_id), contains.lower()
        known = {} if project is None else project.properties.get(owner, {})
        return nsmallest(most, (name for name in known if part in name.lower()))

    # -- SQL -------------------------------------------------------------------------------------------------------

    async def load(self, team_id: int) -> None:
        """Make `property_type` know what SQL knows. Nearly free once that is so. Raises MetadataUnavailable."""
        project = self._projects.get(team_id) or self._project(team_id)
        if project.loaded and not self._has_other_workers:
            return
        async with self._loading.setdefault(team_id, asyncio.Lock()):
            if not project.loaded:
                await store.load(self._metadata, team_id, project)
                return
            checked, known = self._states.get(team_id, (float("-inf"), (0, None)))
            now = self._clock.monotonic()
            if now - checked < OTHERS_SECONDS:
                return
            state = await store.state(self._metadata, team_id)
            if state != known:
                await store.load(self._metadata, team_id, project)
            self._states[team_id] = (now, state)

    async def forget(self, team_id: int) -> None:
        """Definitions of the project were changed in SQL: they are read anew. What waits is saved first.

        Raises MetadataUnavailable.
        """
        project = self._projects.pop(team_id, None)
        self._states.pop(team_id, None)
        if project is None or not project.changed:
            return
        for _ in project.settle():
            await asyncio.sleep(0)
        await store.save(self._metadata, team_id, project)

    async def start(self) -> None:
        """Save in the background from now on."""
        self._stopping = False
        self._saver = asyncio.create_task(self._save_for_ever(), name="taxonomy")

    async def stop(self) -> None:
        """Save what is left, then end."""
        self._stopping = True
        self._waker.set()
        if self._saver is not None:
            await self._saver
            self._saver = None
        await self.save()

    async def save(self) -> None:
        """Save everything that changed. Raises MetadataUnavailable; then it stays to be saved."""
        await self._notice_groups()
        for team_id, project in list(self._projects.items()):
            if not project.changed:
                continue
            await self.load(team_id)
            for _ in project.settle():
                await asyncio.sleep(0)
            await store.save(self._metadata, team_id, project)

    async def _save_for_ever(self) -> None:
        while not self._stopping:
            await self._waker.wait()
            self._waker.clear()
            try:
                await self.save()
            except MetadataUnavailable as error:
                log("taxonomy").warning("definitions wait to be saved", reason=str(error))
                self._waker.set()
            if not self._stopping:
                await asyncio.sleep(SAVE_SECONDS)

    async def _notice_groups(self) -> None:
        groups, self._groups = self._groups, []
        try:
            while groups:
                team_id, group_type, properties, at_us = groups[-1]
                index = (await self._group_types(team_id)).get(group_type)
                if index is not None:
                    self._project(team_id).notice((GROUP, index), properties, at_us)
                groups.pop()
        finally:
            self._groups = (groups + self._groups)[-GROUPS_WAITING_MAX:]

    def _project(self, team_id: int) -> Definitions:
        project = self._projects.get(team_id)
        if project is None:
            project = self._projects[team_id] = Definitions(self._properties_max)
        return project
