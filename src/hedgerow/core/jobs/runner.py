"""Runs jobs: a few tasks that claim, work, renew their lease meanwhile, and try again what failed."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

from hedgerow.core import telemetry
from hedgerow.core.errors import MetadataUnavailable
from hedgerow.core.jobs.store import Job, JobStore, LeaseLost, Work
from hedgerow.core.storage.events import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from sqlalchemy.ext.asyncio import AsyncConnection

    from hedgerow.core.clock import Clock
    from hedgerow.core.storage.metadata import Metadata

AT_ONCE: Final = 2
"""Jobs that one process runs at a time."""
LOOK_SECONDS: Final = 1.0
"""Between two looks for jobs that other workers added or that became due. What this process adds is seen at once."""
LOOK_SECONDS_ALONE: Final = 5.0
"""The same where nobody else adds any."""
LEASE_SECONDS: Final = 60.0
"""A worker that has not been heard of for so long is dead, and its job another's. Clocks of workers may differ by
a good part of it, not by more."""
RENEW_SECONDS: Final = 15.0
ATTEMPTS_MAX: Final = 12
"""Runs of a job that fail before it is given up: about an hour and a half with the waits below."""
BACKOFF_SECONDS_MAX: Final = 1_800.0
OUTAGE_SECONDS: Final = 5.0
"""Wait after a store could not answer: that is no attempt, and is tried again for as long as it takes."""
ERROR_CHARACTERS_MAX: Final = 2_000
KEEP_DAYS: Final = 7
"""How long a job that is done stays to be seen."""
SWEEP_SECONDS: Final = 3_600.0


class Jobs:
    """The jobs of this process: a registry of kinds, and the tasks that run them."""

    def __init__(
        self, metadata: Metadata, clock: Clock, *, is_alone: bool, lease_seconds: float = LEASE_SECONDS
    ) -> None:
        """`is_alone`: no other process uses this database, so what it finds running at start is nobody's."""
        self._store = JobStore(metadata)
        self._clock = clock
        self._is_alone = is_alone
        self._look_seconds = LOOK_SECONDS_ALONE if is_alone else LOOK_SECONDS
        self._lease_us = int(lease_seconds * 1_000_000)
        self._renew_seconds = min(RENEW_SECONDS, lease_seconds / 4)
        self._kinds: dict[str, tuple[Work, int]] = {}
        self._added = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._swept = -SWEEP_SECONDS

    def register(self, kind: str, work: Work, *, attempts: int = ATTEMPTS_MAX) -> None:
        """Say what a kind of job does, and how often it is begun before it is given up."""
        self._kinds[kind] = (work, attempts)

    async def add(
        self,
        kind: str,
        payload: Any,
        *,
        team_id: int | None = None,
        key: str | None = None,
        connection: AsyncConnection | None = None,
    ) -> int:
        """Add a job and give its number; with `key`, that of the unfinished one of the same kind and key, if any.

        With `connection` the job is part of that transaction: it exists if and only if the rest does. Call `look` after
        the commit. Raises `MetadataUnavailable`.
        """
        now_us = self._clock.now_us()
        if connection is not None:
            return await self._store.add(connection, kind, payload, team_id=team_id, key=key, now_us=now_us)
        async with self._store.metadata.connection() as own:
            number = await self._store.add(own, kind, payload, team_id=team_id, key=key, now_us=now_us)
        self.look()
        return number

    def look(self) -> None:
        """There may be something to do: a transaction with a job was committed."""
        self._added.set()

    async def get(self, number: int) -> Job | None:
        """One job. Raises `MetadataUnavailable`."""
        return await self._store.get(number)

    async def of_project(self, team_id: int, *, limit: int = 100) -> list[Job]:
        """A project's jobs, newest first. Raises `MetadataUnavailable`."""
        return await self._store.of_project(team_id, limit)

    async def unfinished(self) -> list[Job]:
        """All jobs that wait, run or were given up. Raises `MetadataUnavailable`."""
        return await self._store.unfinished()

    async def start(self) -> None:
        """Begin to run jobs, those of a killed process first. Raises `MetadataUnavailable`."""
        if self._is_alone:
            await self._store.abandon_all()
        self._tasks = [asyncio.create_task(self._serve(), name=f"jobs: {number}") for number in range(AT_ONCE)]

    async def stop(self) -> None:
        """Interrupt what runs and put it back: whoever starts next runs it again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    # -- one task ----------------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        while True:
            self._added.clear()
            job: Job | None = None
            try:
                now_us = self._clock.now_us()
                job = await self._store.claim(list(self._kinds), now_us, now_us + self._lease_us)
                if job is None:
                    await self._keep_house()
            except MetadataUnavailable as error:
                telemetry.log("jobs").warning("Jobs wait for the database", error=str(error))
            except Exception:  # noqa: BLE001 — it shall go on with the next round
                telemetry.log("jobs").exception("Looking for jobs failed")
            if job is not None:
                self.look()  # there may be another one for the other task
                await self._run(job)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._look_seconds):
                    await self._added.wait()

    async def _keep_house(self) -> None:
        telemetry.jobs_waiting.set(await self._store.count_waiting())
        now = self._clock.monotonic()
        if now - self._swept >= SWEEP_SECONDS:
            self._swept = now
            await self._store.sweep(self._clock.now_us() - KEEP_DAYS * 86_400_000_000)

    async def _run(self, job: Job) -> None:
        work, attempts_max = self._kinds[job.kind]
        log = telemetry.log("jobs").bind(kind=job.kind, job=job.id, attempt=job.attempts)
        doing = asyncio.ensure_future(self._work(work, job))
        renewing = asyncio.create_task(self._renew_until_lost(job))
        try:
            await asyncio.wait({doing, renewing}, return_when=asyncio.FIRST_COMPLETED)
            if not doing.done():
                log.warning("The job was taken over by somebody else")
                return
            error = doing.exception()
            if isinstance(error, LeaseLost):
                log.warning("The job was taken over by somebody else")
            elif error is None:
                await self._tell(self._store.done(job, self._clock.now_us()))
                log.info("The job is done")
            elif isinstance(error, StoreUnavailable | MetadataUnavailable):
                log.warning("The job waits for a store", error=str(error))
                await self._put_back(job, error, OUTAGE_SECONDS, forgiven=True)
            else:
                is_over = job.attempts >= attempts_max
                log.error("The job failed", is_given_up=is_over, exc_info=error)
                wait = min(2.0**job.attempts, BACKOFF_SECONDS_MAX)
                await self._put_back(job, error, wait, is_over=is_over)
        except asyncio.CancelledError:
            await _ended(doing)
            await self._put_back(job, None, 0, forgiven=True)
            raise
        finally:
            await _ended(doing)
            await _ended(renewing)

    async def _work(self, work: Work, job: Job) -> None:
        async def progress(share: float) -> None:
            now_us = self._clock.now_us()
            await self._store.renew(job, now_us, now_us + self._lease_us, min(max(share, 0.0), 1.0))

        await work(job.payload, progress)

    async def _renew_until_lost(self, job: Job) -> None:
        """Return when the job must not go on: somebody else has it, or may have, as the lease could not be renewed."""
        until_us = self._clock.now_us() + self._lease_us
        while self._clock.now_us() < until_us:
            await asyncio.sleep(self._renew_seconds)
            try:
                now_us = self._clock.now_us()
                await self._store.renew(job, now_us, now_us + self._lease_us)
                until_us = now_us + self._lease_us
            except LeaseLost:
                return
            except MetadataUnavailable as error:
                telemetry.log("jobs").warning("A lease could not be renewed", job=job.id, error=str(error))

    async def _put_back(
        self,
        job: Job,
        error: BaseException | None,
        wait_seconds: float,
        *,
        forgiven: bool = False,
        is_over: bool = False,
    ) -> None:
        now_us = self._clock.now_us()
        said = None if error is None else f"{type(error).__name__}: {error}"[:ERROR_CHARACTERS_MAX]
        due_at_us = now_us + int(wait_seconds * 1_000_000)
        state = "failed" if is_over else "waiting"
        await self._tell(self._store.put_back(job, state, said, now_us, due_at_us, forgiven=forgiven))

    @staticmethod
    async def _tell(telling: Awaitable[None]) -> None:
        """Write down how a run ended. If that cannot be written the lease ends by itself and the job runs again."""
        with contextlib.suppress(MetadataUnavailable):
            await telling


async def _ended(task: asyncio.Future[None]) -> None:
    """Cancel a task and wait for its end, whatever that is."""
    task.cancel()
    await asyncio.wait({task})
