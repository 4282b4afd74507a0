"""Who is in a cohort is calculated by a job: ClickHouse asks itself and keeps the answer (rest-api §8, Calculation).

A run takes the cohort's next version, writes persons under it, and names it only if nobody took a later one meanwhile:
whoever changed the definition did, and has a job of their own. So two runs do not mix, and the last change wins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec
from sqlalchemy import or_, select

from hedgerow.core.errors import MetadataUnavailable
from hedgerow.core.storage.events import StoreError
from hedgerow.core.telemetry import log
from hedgerow.hogql import HogQLContext, HogQLError, ProjectSchema, QueryError, compile_select
from hedgerow.people.cohort_definition import cohorts_named
from hedgerow.people.cohort_query import Known, listed_by, people_of
from hedgerow.people.cohorts import JOB, definition_of
from hedgerow.people.models import Cohort, CohortCalculation
from hedgerow.queries.errors import from_store
from hedgerow.queries.run import query_limits

if TYPE_CHECKING:
    from hedgerow.core.clock import Clock
    from hedgerow.core.http import Team
    from hedgerow.core.jobs import Jobs, Progress
    from hedgerow.core.storage.events import EventStore
    from hedgerow.core.storage.metadata import Metadata
    from hedgerow.hogql import CompiledQuery
    from hedgerow.settings import Settings

MAX_SECONDS: Final = 600
EVERY_HOURS: Final = 24
"""How old a calculation gets before it is done again."""
LOOK_SECONDS: Final = 60.0
AT_ONCE_MAX: Final = 100
"""Cohorts that one look has calculated again."""
ERROR_LENGTH: Final = 2_000
CANNOT: Final = "This definition cannot be calculated."
_WRITE: Final = """
INSERT INTO cohort_people (team_id, cohort_id, version, person_id)
SELECT toInt64({}), toInt64({}), toUInt64({}), * FROM ({})
"""
_LIST: Final = """
INSERT INTO static_cohort_people (team_id, cohort_id, is_deleted, version, person_id)
SELECT toInt64({}), toInt64({}), false, toUInt64({}), * FROM ({})
"""
_LISTED: Final = """
SELECT count() FROM static_cohort_people FINAL
WHERE team_id = {team_id:Int64} AND cohort_id = {cohort_id:Int64} AND NOT is_deleted
"""
_MARK: Final = """
INSERT INTO cohort_versions (team_id, cohort_id, is_deleted, version)
SELECT {team_id:Int64}, {cohort_id:Int64}, {is_deleted:Bool}, {version:UInt64}
"""
_COUNT: Final = """
SELECT uniqExact(person_id) FROM cohort_people
WHERE team_id = {team_id:Int64} AND cohort_id = {cohort_id:Int64} AND version = {version:UInt64}
"""
_SWEEP: Final = """
DELETE FROM cohort_people
WHERE team_id = {team_id:Int64} AND cohort_id = {cohort_id:Int64} AND version < {version:UInt64}
"""


class _Asked(msgspec.Struct):
    """The payload."""

    team_id: int
    cohort_id: int


@dataclass(frozen=True)
class _Run:
    """One calculation."""

    cohort_id: int
    version: int
    former: int
    """The version that counted until then; its readers may not have ended."""
    filters: dict[str, Any]
    started_at: datetime
    query: dict[str, Any] | None = None
    """Of a list: what says who is on it."""
    is_deleted: bool = False


class CohortCalculations:
    """Calculates cohorts. `run` is the job; between `start` and `stop`, old calculations are done again."""

    def __init__(
        self,
        metadata: Metadata,
        events: EventStore,
        clock: Clock,
        settings: Settings,
        jobs: Jobs,
        *,
        team_of: Callable[[int], Awaitable[Team | None]],
        schema_of: Callable[[Team], Awaitable[ProjectSchema]],
        forget: Callable[[int], None],
    ) -> None:
        """Registers the kind of job. `forget` hears of a project one of whose cohorts has other persons now."""
        self._metadata = metadata
        self._events = events
        self._clock = clock
        self._settings = settings
        self._jobs = jobs
        self._team_of = team_of
        self._schema_of = schema_of
        self._forget = forget
        self._task: asyncio.Task[None] | None = None
        jobs.register(JOB, self.run)

    async def start(self) -> None:
        """Begin to look for calculations that are old."""
        self._task = asyncio.create_task(self._watch(), name="people: calculate cohorts again")

    async def stop(self) -> None:
        """End; jobs that run are the runner's to stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def run(self, payload: Any, progress: Progress) -> None:
        """Calculate a cohort, unless that was done since it was asked for.

        Raises `StoreUnavailable`, `MetadataUnavailable`, `LeaseLost`; run it again.
        """
        asked = msgspec.convert(payload, _Asked)
        team = await self._team_of(asked.team_id)
        run, cohorts = await self._begin(asked)
        if team is None or run is None:
            return
        if run.is_deleted:
            await self._events.command(_MARK, {**_ids(asked), "is_deleted": 1, "version": run.version})
            return
        count, error = None, None
        try:
            query = await self._compiled(team, run, cohorts)
            await self._write(asked, run, query)
            count = await self._counted(asked, run)
        except HogQLError as refused:
            error = refused.message
        except StoreError as refused:
            error = from_store(refused).detail
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            # values of a filter that no check foresaw: another try would end the same way
            log("people").exception("A cohort cannot be calculated", cohort=run.cohort_id)
            error = CANNOT
        await progress(0.9)
        if error is None and run.query is None:
            await self._events.command(_MARK, {**_ids(asked), "is_deleted": 0, "version": run.version})
        await self._end(asked, run, count, error)
        self._forget(asked.team_id)
        await self._events.command(_SWEEP, {**_ids(asked), "version": run.former})

    async def _begin(self, asked: _Asked) -> tuple[_Run | None, dict[int, Known]]:
        async with self._metadata.write() as session:
            mine = select(Cohort).where(Cohort.team_id == asked.team_id)
            row = await session.scalar(mine.where(Cohort.id == asked.cohort_id).with_for_update())
            if row is None or not (row.deleted or row.is_calculating):
                return None, {}
            row.pending_version = version = max(row.pending_version or 0, row.version or 0) + 1
            definition = definition_of(row.filters, row.groups)
            known = {
                each.id: Known(each.id, None if each.is_static else definition_of(each.filters, each.groups))
                for each in (await session.scalars(mine) if cohorts_named(definition) else ())
            }
            run = _Run(row.id, version, row.version or 0, {"properties": definition}, self._clock.now())
            run = replace(run, query=row.query if row.is_static else None, is_deleted=row.deleted)
        return run, known

    async def _compiled(self, team: Team, run: _Run, cohorts: dict[int, Known]) -> CompiledQuery:
        schema = await self._schema_of(team)

        def work() -> CompiledQuery:
            try:
                if run.query is not None:
                    return listed_by(run.query, schema)
                tree = people_of(run.filters["properties"], schema, run.started_at, cohorts)
            except RecursionError:
                raise QueryError("This cohort is nested too deep.") from None
            return compile_select(tree, HogQLContext(schema=schema, limit_top=None, max_limit=None))

        return await asyncio.to_thread(work)

    async def _write(self, asked: _Asked, run: _Run, query: CompiledQuery) -> None:
        kept = ("max_memory_usage", "max_threads", "os_threads_nice_value_query")
        limits = {name: value for name, value in query_limits(self._settings).items() if name in kept}
        settings = {**query.settings, **limits, "max_execution_time": MAX_SECONDS, "timeout_overflow_mode": "throw"}
        if run.query is None:
            sql = _WRITE.format(asked.team_id, asked.cohort_id, run.version, query.sql)
        else:
            sql = _LIST.format(asked.team_id, asked.cohort_id, self._clock.now_us(), query.sql)
        await self._events.command(sql, query.parameters, settings=settings)

    async def _counted(self, asked: _Asked, run: _Run) -> int:
        statement = _COUNT if run.query is None else _LISTED
        ((count,),) = await self._events.rows(statement, {**_ids(asked), "version": run.version}, settled=False)
        return int(count)

    async def _end(self, asked: _Asked, run: _Run, count: int | None, error: str | None) -> None:
        async with self._metadata.write() as session:
            row = await session.scalar(select(Cohort).where(Cohort.id == asked.cohort_id).with_for_update())
            if row is None:
                return
            finished = self._clock.now()
            said = None if error is None else error[:ERROR_LENGTH]
            session.add(
                CohortCalculation(
                    cohort_id=row.id,
                    filters=run.filters,
                    started_at=run.started_at,
                    finished_at=finished,
                    count=count,
                    error=said,
                )
            )
            if row.pending_version != run.version:  # it was changed, or somebody else calculates it
                return
            row.is_calculating = False
            row.last_error_message = said
            row.last_calculation = finished
            row.errors_calculating = 0 if error is None else row.errors_calculating + 1
            if error is None:
                row.version, row.count = run.version, count

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.ask_for_old_ones()
            except MetadataUnavailable as error:
                log("people").warning("Cohorts wait for the database", error=str(error))
            except Exception:  # noqa: BLE001 — it shall go on with the next round
                log("people").exception("Cohorts could not be looked at")

    async def ask_for_old_ones(self) -> None:
        """Add jobs for cohorts whose last calculation is `EVERY_HOURS` old. Raises `MetadataUnavailable`."""
        before = self._clock.now() - timedelta(hours=EVERY_HOURS)
        due = select(Cohort).where(
            Cohort.deleted.is_(False),
            Cohort.is_static.is_(False),
            Cohort.is_calculating.is_(False),
            or_(Cohort.last_calculation.is_(None), Cohort.last_calculation < before),
        )
        due = due.order_by(Cohort.last_calculation, Cohort.id).limit(AT_ONCE_MAX)
        async with self._metadata.read() as session:
            if await session.scalar(due) is None:
                return
        async with self._metadata.write() as session:
            for row in await session.scalars(due.with_for_update()):
                row.is_calculating = True
                payload = {"team_id": row.team_id, "cohort_id": row.id}
                await self._jobs.add(JOB, payload, team_id=row.team_id, connection=await session.connection())
        self._jobs.look()


def _ids(asked: _Asked) -> dict[str, object]:
    return {"team_id": asked.team_id, "cohort_id": asked.cohort_id}
