"""From a request to a response: cached or calculated, now or in the background (queries §1.2 to §1.4)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

import msgspec

from hedgerow.core import ids
from hedgerow.core.clock import Clock, from_us, iso
from hedgerow.core.http import ApiError, NotFound, Team
from hedgerow.core.storage.events import BULK_THREADS, EventStore, StoreError, StoreUnavailable
from hedgerow.core.telemetry import log, queries_run
from hedgerow.hogql import ProjectSchema
from hedgerow.queries.cache import CachedResult, MemoryCache, ResultCache, cache_key
from hedgerow.queries.compiled import Compiler
from hedgerow.queries.errors import QueryRefused, TooBusy
from hedgerow.queries.export import Export, Exportable, Format, opened
from hedgerow.queries.freshness import STALE_AFTER_SECONDS, DataState, is_fresh
from hedgerow.queries.gate import Gate
from hedgerow.queries.long_lane import LongLane
from hedgerow.queries.query_log import TEXT_CHARACTERS_MAX, Entry, QueryLog, Who, seconds_text, status_of
from hedgerow.queries.refresh import Cached, act_for, mode_of
from hedgerow.queries.registry import Kind, kind_of
from hedgerow.queries.run import LARGE_BYTES, Run, Tools, cores_for_queries, query_limits
from hedgerow.queries.schemas import QueryRequest, RunFields
from hedgerow.queries.status import Progress, Status, Statuses
from hedgerow.queries.ticket import Ticket
from hedgerow.settings import Settings

SchemaOf = Callable[[Team], Awaitable[ProjectSchema]]
Body = tuple[bytes, ...]
CACHE_VERSION: Final = 2
NOBODY: Final = Who()
NOT_CLICKHOUSES: Final = -1
"""The exception code of what ClickHouse never saw."""
EXPORTS_WAITING_MAX: Final = 8
_PROGRESS = """
    SELECT sum(read_rows), sum(read_bytes), sum(total_rows_approx), max(elapsed),
           sum(ProfileEvents['OSCPUVirtualTimeMicroseconds'])
    FROM system.processes WHERE startsWith(query, {mark:String})"""


class Asked(msgspec.Struct, frozen=True):
    """One query of one asker, ready to be looked up or calculated."""

    team: Team
    key: str
    """Whose places it takes."""
    kind: Kind
    node: Any
    cache_key: str
    size: int
    """Bytes of the request: what is large is worked on in a thread."""
    who: Who = Who()


class Queries:
    """The query endpoint's engine. One per process."""

    def __init__(
        self,
        events: EventStore,
        settings: Settings,
        clock: Clock,
        *,
        schema_of: SchemaOf,
        data: DataState,
        cache: ResultCache | None = None,
    ) -> None:
        """`schema_of` gives a project's schema, `data` tells when its data changed, `cache` keeps results."""
        self.events = events
        self._clock = clock
        self._schema_of = schema_of
        self._data = data
        self._cache = cache or MemoryCache(settings.query_cache_bytes)
        self._statuses = Statuses(clock, settings.query_cache_bytes)
        gate = Gate(
            settings.query_concurrency,
            settings.query_concurrency_per_key,
            settings.query_waiting,
            settings.query_max_seconds,
        )
        limits = query_limits(settings)
        lane = None
        if events.embedded:  # the writer works on the same cores
            places = max(1, cores_for_queries() // int(str(limits["max_threads"])))
            lane = LongLane(places, settings.query_waiting, settings.query_max_seconds)
        line = Gate(1, 1, settings.query_waiting, settings.query_max_seconds)
        self.log = QueryLog(events)
        self._tools = Tools(events, settings, clock, gate, lane, Compiler(line), limits, self.log)
        self._settings = settings
        self._exports = Gate(BULK_THREADS, BULK_THREADS, EXPORTS_WAITING_MAX, settings.query_max_seconds)
        self._jobs_max = settings.query_waiting + settings.query_concurrency
        self._jobs: set[asyncio.Task[None]] = set()
        self._tickets: dict[tuple[int, str], Ticket] = {}

    # -- asking ----------------------------------------------------------------------------------------------------

    async def answer(
        self, team: Team, key: str, request: QueryRequest, size: int, who: Who = NOBODY
    ) -> tuple[int, Body]:
        """The HTTP status and the body, in pieces; `size` is that of the request, in bytes. Raises an ApiError.

        Cancelling it ends the query in ClickHouse too.
        """
        if size < LARGE_BYTES:
            asked = self._asked(team, key, request, size, who)
        else:
            asked = await asyncio.to_thread(self._asked, team, key, request, size, who)
        query_id = request.client_query_id or ids.uuid7().hex
        mode = mode_of(request.refresh, request.async_)
        found = None if mode.startswith("force_") and mode != "force_cache" else await self._cache.get(asked.cache_key)
        act = act_for(mode, "none" if found is None else await self._state_of(asked, found, lax=mode == "lazy_async"))
        if act == "calculate":
            return 200, self._response(asked, await self._calculate_now(asked, query_id), is_cached=False)
        if act == "give":
            assert found is not None
            return 200, self._response(asked, found, is_cached=True)
        status = self._start(asked, query_id)
        if act == "give and start":
            assert found is not None
            return status.http_status, self._response(asked, found, is_cached=True, status=status)
        return status.http_status, (msgspec.json.encode({"query_status": status}),)

    async def kept(self, team: Team, request: QueryRequest) -> Body | None:
        """The newest result at hand, fresh or not. Nothing is calculated. Raises `QueryRefused`."""
        asked = self._asked(team, "", request, 0, NOBODY)
        found = await self._cache.get(asked.cache_key)
        return None if found is None else self._response(asked, found, is_cached=True)

    @asynccontextmanager
    async def export(
        self, team: Team, key: str, request: QueryRequest, size: int, fmt: Format, *, who: Who = NOBODY
    ) -> AsyncGenerator[Export]:
        """The rows of a query in bulk, for as long as the block runs. Raises an ApiError.

        Its progress and its end can be asked for by its id, as those of an asynchronous query can.
        """
        asked = await asyncio.to_thread(self._asked, team, key, request, size, who)
        if not isinstance(asked.kind, Exportable):
            raise QueryRefused(f"A {asked.kind.name} can be had as JSON only.", attr="query__kind")
        query_id = request.client_query_id or ids.uuid7().hex
        ticket = self._ticket(asked, query_id)
        ticket.task = asyncio.current_task()
        status = self._statuses.start(team.id, query_id, ids.uuid4().hex)
        began_us, started = self._clock.now_us(), self._clock.monotonic()
        run = Run(self._tools, team, await self._schema_of(team), key, ticket, size)
        try:
            async with self._exports.place(key):
                self._statuses.pick_up(status)
                query = await asked.kind.whole(asked.node, run, self._settings.query_export_max_rows)
                async with opened(run, query, fmt, query_id) as export:
                    yield export
        except BaseException as error:
            refused = error if isinstance(error, ApiError) else None
            if isinstance(error, asyncio.CancelledError) and ticket.is_cancelled:
                refused = QueryRefused("Query was cancelled.", code="query_was_cancelled")
            self._statuses.end(status, error_message=None if refused is None else refused.detail)
            self._count(asked, refused or error)
            self._note(asked, ticket, run, began_us, started, refused or error)
            if refused is None or refused is error:
                raise
            raise refused from None
        else:
            self._statuses.end(status, results=b"null")
            self._count(asked, None)
            self._note(asked, ticket, run, began_us, started, None)
        finally:
            self._forget(ticket)

    async def status(self, team_id: int, query_id: str, *, show_progress: bool) -> Status:
        """The status of an asynchronous query. Raises `NotFound`."""
        status = self._statuses.find(team_id, query_id)
        if status is None:
            raise NotFound(f"Query {query_id} not found for team {team_id}")
        if not show_progress:
            return status
        return msgspec.structs.replace(status, query_progress=await self._progress(team_id, query_id))

    async def cancel(self, team_id: int, query_id: str, *, dequeue_only: bool = False) -> str:
        """End a query that waits or runs; what became of it, in words."""
        ticket = self._tickets.get((team_id, query_id))
        if ticket is None:
            return "There is no such query any more."
        if dequeue_only and ticket.stage == "running":
            return "The query runs already."
        await ticket.cancel(self.events)
        return "Query cancelled."

    async def close(self) -> None:
        """End everything that still runs."""
        for ticket in list(self._tickets.values()):
            await ticket.cancel(self.events)
        if self._jobs:
            await asyncio.wait(self._jobs)
        self._tools.compiler.close()
        await self.log.close()

    # -- cache -----------------------------------------------------------------------------------------------------

    def _asked(self, team: Team, key: str, request: QueryRequest, size: int, who: Who) -> Asked:
        kind, query = kind_of(request.query)
        node = kind.overridden(kind.read(query), request.filters_override, request.variables_override)
        parts = {
            "runner": kind.name,
            "query": {name: part for name, part in msgspec.to_builtins(node).items() if name != "tags"},
            "team": team.id,
            "limit_context": request.limit_context,
            "timezone": team.timezone,
            "week_start": team.week_start_day,
            "version": CACHE_VERSION,
        }
        return Asked(team, key, kind, node, cache_key(team.id, parts), size, who)

    async def _state_of(self, asked: Asked, found: CachedResult, *, lax: bool) -> Cached:
        state = None if lax else await self._data.now(asked.team.id)
        interval = asked.kind.interval(asked.node)
        return "fresh" if is_fresh(found, interval, self._clock.now_us(), state, lax=lax) else "stale"

    def _response(self, asked: Asked, result: CachedResult, *, is_cached: bool, status: Status | None = None) -> Body:
        if asked.kind.is_plain:
            return result.body
        calculated = from_us(result.calculated_us)
        stale_after = STALE_AFTER_SECONDS[asked.kind.interval(asked.node)]
        run = RunFields(
            is_cached=is_cached,
            cache_key=asked.cache_key,
            last_refresh=calculated.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            next_allowed_client_refresh=iso(calculated + timedelta(seconds=asked.kind.refresh_seconds)),
            cache_target_age=iso(calculated + timedelta(seconds=stale_after)),
            timezone=asked.team.timezone,
            query_status=status,
            query_metadata={},
        )
        *body, last = result.body
        return (*body, last[:-1] + b"," + msgspec.json.encode(run)[1:])

    # -- calculating -----------------------------------------------------------------------------------------------

    async def _calculate_now(self, asked: Asked, query_id: str) -> CachedResult:
        ticket = self._open(asked, query_id)
        assert ticket.task is not None
        try:
            return await asyncio.shield(ticket.task)
        except asyncio.CancelledError:
            if ticket.task.cancelled() and ticket.is_cancelled:
                raise QueryRefused("Query was cancelled.", code="query_was_cancelled") from None
            await asyncio.shield(ticket.cancel(self.events))
            raise

    def _start(self, asked: Asked, query_id: str) -> Status:
        if len(self._jobs) >= self._jobs_max:
            raise TooBusy
        status = self._statuses.start(asked.team.id, query_id, ids.uuid4().hex)
        ticket = self._open(asked, query_id)
        job = asyncio.create_task(self._finish(asked, ticket, status))
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)
        return status

    async def _finish(self, asked: Asked, ticket: Ticket, status: Status) -> None:
        assert ticket.task is not None
        self._statuses.pick_up(status)
        try:
            result = await ticket.task
        except ApiError as error:
            self._statuses.end(status, error_message=error.detail if error.status != 500 else None)
        except asyncio.CancelledError:
            self._statuses.end(status, error_message="Query was cancelled.")
        except Exception:  # noqa: BLE001 — a task of its own: nobody else would hear of it
            log("queries").exception("asynchronous query failed", query_id=status.id)
            self._statuses.end(status)
        else:
            self._statuses.end(status, results=b"".join(self._response(asked, result, is_cached=False)))

    def _open(self, asked: Asked, query_id: str) -> Ticket:
        ticket = self._ticket(asked, query_id)
        ticket.task = asyncio.create_task(self._calculate(asked, ticket))

        def closed(task: asyncio.Task[CachedResult]) -> None:
            self._forget(ticket)
            if not task.cancelled():
                task.exception()  # whoever asked may be gone: then nobody else looks at it

        ticket.task.add_done_callback(closed)
        return ticket

    def _ticket(self, asked: Asked, query_id: str) -> Ticket:
        ticket = self._tickets[asked.team.id, query_id] = Ticket(asked.team.id, query_id)
        return ticket

    def _forget(self, ticket: Ticket) -> None:
        place = (ticket.team_id, ticket.query_id)
        if self._tickets.get(place) is ticket:
            del self._tickets[place]

    @staticmethod
    def _count(asked: Asked, error: BaseException | None) -> None:
        outcome = "answered"
        if error is not None:
            outcome = "refused" if isinstance(error, ApiError) and error.status < 500 else "failed"
        queries_run.labels(asked.kind.name, outcome).inc()

    async def _calculate(self, asked: Asked, ticket: Ticket) -> CachedResult:
        state = await self._data.now(asked.team.id)
        calculated_us, started = self._clock.now_us(), self._clock.monotonic()
        run = Run(self._tools, asked.team, await self._schema_of(asked.team), asked.key, ticket, asked.size)
        try:
            answer = await asked.kind.calculate(asked.node, run)
        except BaseException as error:
            self._count(asked, error)
            self._note(asked, ticket, run, calculated_us, started, error)
            raise
        self._count(asked, None)
        self._note(asked, ticket, run, calculated_us, started, None)
        result = CachedResult(answer.body(), calculated_us, self._clock.monotonic() - started, state)
        if answer.may_be_kept:
            await self._cache.put(asked.cache_key, result)
        return result

    def _note(  # noqa: PLR0917 — the one who calls has them all
        self, asked: Asked, ticket: Ticket, run: Run, began_us: int, started: float, error: BaseException | None
    ) -> None:
        """An entry of the query log."""
        if asked.kind.is_plain:
            return
        usage, node, who = run.usage, asked.node, asked.who
        text = getattr(node, "query", None)
        if not isinstance(text, str):
            text = msgspec.json.encode(node).decode()
        self.log.add(
            Entry(
                team_id=asked.team.id,
                event_time=seconds_text(self._clock.now_us()),
                query_start_time=seconds_text(began_us),
                query_id=ticket.query_id,
                endpoint=f"/api/projects/{asked.team.id}/query/",
                kind=asked.kind.name,
                query=text[:TEXT_CHARACTERS_MAX].encode(errors="replace").decode(),
                hogql_name=getattr(node, "name", None) or "",
                query_duration_ms=int((self._clock.monotonic() - started) * 1000),
                read_rows=usage.read_rows,
                read_bytes=usage.read_bytes,
                result_rows=usage.result_rows,
                result_bytes=usage.result_bytes,
                memory_usage=usage.memory_usage,
                cpu_microseconds=usage.cpu_microseconds,
                status=status_of(error, usage),
                exception_code=usage.exception_code or (0 if error is None else NOT_CLICKHOUSES),
                exception=error.detail
                if isinstance(error, ApiError)
                else ""
                if error is None
                else type(error).__name__,
                created_by=who.user_id,
                key_id=who.key_id,
                is_personal_api_key_request=who.is_personal_key,
            )
        )

    async def _progress(self, team_id: int, query_id: str) -> Progress:
        ticket = self._tickets.get((team_id, query_id))
        if ticket is None:
            return Progress()
        try:
            rows = await self.events.rows(_PROGRESS, {"mark": f"/* {ticket.tag} */"}, settled=False)
        except (StoreError, StoreUnavailable):
            return Progress()
        read, size, total, seconds, cpu = rows[0]
        return Progress(
            bytes_read=size, rows_read=read, estimated_rows_total=total, time_elapsed=seconds, active_cpu_time=cpu
        )
