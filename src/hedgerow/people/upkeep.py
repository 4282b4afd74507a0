"""What this room does in the background: its kinds of jobs, and when overrides are squashed.

A squash is due as soon as enough overrides wait (`squash_at_overrides`), and at the latest some time after the first was
seen (`squash_after_seconds`). It costs a look at every event, so after one that took long the next one is put off: no
more than a fifth of the time is spent on it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from hedgerow.core.errors import MetadataUnavailable
from hedgerow.core.telemetry import log
from hedgerow.people import deletion, squash
from hedgerow.people.settlement import Settlement

if TYPE_CHECKING:
    from hedgerow.core.jobs import Jobs
    from hedgerow.core.storage.events import EventStore
    from hedgerow.people.settlement import InFlight
    from hedgerow.people.store import People
    from hedgerow.settings import Settings

LOOK_SECONDS: Final = 5.0
REST: Final = 4.0
"""How many times its own duration a squash is followed by rest."""
REST_AFTER_FAILURE_SECONDS: Final = 3_600.0
"""After a squash was given up."""


class Upkeep:
    """The background work of one process: `start` after the writer, `stop` before it."""

    def __init__(self, people: People, events: EventStore, jobs: Jobs, in_flight: InFlight, settings: Settings) -> None:
        """Registers the room's kinds of jobs."""
        self._jobs = jobs
        self._clock = people.clock
        self._at = settings.squash_at_overrides
        self._after_seconds = settings.squash_after_seconds
        self._look_seconds = min(LOOK_SECONDS, max(0.05, settings.squash_after_seconds / 4))
        self._settlement = Settlement(people, in_flight)
        self.squash = squash.Squash(people, events, self._settlement)
        jobs.register(squash.KIND, self.squash.run)
        deletions = deletion.EventDeletion(events, self._settlement, people.edited)
        jobs.register(deletion.KIND, deletions.run)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to look for overrides, and to answer other workers."""
        self._tasks = [
            asyncio.create_task(self._settlement.answer_others(), name="people: answer others"),
            asyncio.create_task(self._watch(), name="people: watch overrides"),
        ]

    async def stop(self) -> None:
        """End; jobs that run are the runner's to stop."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def squash_now(self) -> None:
        """Have all overrides squashed, and return when that job is over. Raises `MetadataUnavailable`."""
        number = await self._jobs.add(squash.KIND, {}, key="all")
        while True:
            job = await self._jobs.get(number)
            if job is None or job.state == "done":
                return
            if job.state == "failed":
                raise squash.RewriteFailed(job.error or "no reason was given")
            await asyncio.sleep(self._look_seconds)

    async def _watch(self) -> None:
        first_seen: float | None = None
        rest_until = self._clock.monotonic()
        while True:
            await asyncio.sleep(self._look_seconds)
            try:
                pending = await self.squash.pending(max(1, self._at))
                now = self._clock.monotonic()
                if not pending:
                    first_seen = None
                    continue
                first_seen = now if first_seen is None else first_seen
                if now < rest_until or (pending < self._at and now - first_seen < self._after_seconds):
                    continue
                await self.squash_now()
                first_seen = None
                rest_until = self._clock.monotonic() + REST * (self._clock.monotonic() - now)
            except MetadataUnavailable as error:
                log("people").warning("Overrides wait for the database", error=str(error))
            except squash.RewriteFailed:
                rest_until = self._clock.monotonic() + REST_AFTER_FAILURE_SECONDS
            except Exception:  # noqa: BLE001 — it shall go on with the next round
                log("people").exception("Overrides could not be looked at")
