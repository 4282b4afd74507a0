"""HogQLQuery: a text in HogQL, answered with rows (queries §3.1)."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime
from typing import Any, Final

import msgspec

from hedgerow.core.clock import ManualClock
from hedgerow.core.http import ApiError
from hedgerow.core.http.wording import reworded
from hedgerow.hogql import CompiledQuery, HogQLContext, Modifiers, ProjectSchema, compile_select, parse_select
from hedgerow.queries.compiled import Compiled
from hedgerow.queries.errors import QueryRefused
from hedgerow.queries.freshness import Interval
from hedgerow.queries.placeholders import Filler, HogQLFilters, HogQLVariable
from hedgerow.queries.query_log import TABLE as LOG_TABLE
from hedgerow.queries.run import LARGE_BYTES, KindAnswer, Run

PAGE_ROWS: Final = 100
"""Rows of a query that has no LIMIT of its own."""
MODIFIERS: Final = frozenset(
    {
        "bounceRateDurationSeconds", "bounceRatePageViewMode", "convertToProjectTimezone", "customChannelTypeRules",
        "dataWarehouseEventsModifiers", "debug", "forceClickhouseDataSkippingIndexes", "formatCsvAllowDoubleQuotes",
        "inCohortVia", "inlineCohortCalculation", "materializationMode", "materializedColumnsOptimizationMode",
        "optimizeJoinedFilters", "optimizeProjections", "parserMode", "personsArgMaxVersion", "personsJoinMode",
        "personsOnEventsMode", "propertyGroupsMode", "pushDownPredicates", "s3TableUseInvalidColumns",
        "sessionIdPushdown", "sessionPropertyPreAggregation", "sessionTableVersion", "sessionsV2JoinMode", "timings",
        "useMaterializedViews", "usePreaggregatedIntermediateResults", "usePreaggregatedTableTransforms",
        "useWebAnalyticsPreAggregatedTables",
    }
)  # fmt: skip
"""Every modifier of hogql §11: known, sent back, and mostly without effect on rows."""
_PERSONS_MODES: Final = "personsOnEventsMode"


class HogQLQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """The node. Fields that are only for the log, or only for the app, are read and left alone."""

    kind: str
    query: str
    values: dict[str, Any] | None = None
    variables: dict[str, HogQLVariable] | None = None
    filters: HogQLFilters | None = None
    name: str | None = None
    explain: bool | None = None
    connection_id: str | None = msgspec.field(default=None, name="connectionId")
    send_raw_query: bool | None = msgspec.field(default=None, name="sendRawQuery")
    modifiers: dict[str, Any] | None = None
    tags: dict[str, Any] | None = None
    version: float | None = None
    response: Any = None


class HogQLQueryFields(msgspec.Struct, kw_only=True, rename={"has_more": "hasMore"}):
    """The kind's fields of the response, beside `results`."""

    columns: list[str] | None
    types: list[tuple[str, str]] | None
    query: str
    hogql: str | None
    clickhouse: str | None = None
    explain: list[str] | None = None
    metadata: dict[str, Any] | None = None
    error: str | None = None
    has_more: bool | None
    limit: int | None
    offset: int | None
    timings: list[dict[str, Any]]
    modifiers: dict[str, Any]


class _Compilation(msgspec.Struct, frozen=True):
    """All that compiling a query needs beside the project's schema. Goes into a pickle."""

    text: str
    filler: Filler
    modifiers: Modifiers
    rows_max: int
    now: datetime
    is_whole: bool = False
    """Without an implicit limit: `rows_max` is the limit then."""

    def __call__(self, schema: ProjectSchema) -> CompiledQuery:
        context = HogQLContext(
            schema=schema,
            modifiers=self.modifiers,
            limit_top=self.rows_max if self.is_whole else PAGE_ROWS,
            max_limit=self.rows_max,
            page=not self.is_whole,
        )
        return compile_select(self.filler.fill(parse_select(self.text), schema, ManualClock(self.now)), context)


class HogQLQueryKind:
    """See `registry.Kind`."""

    name = "HogQLQuery"
    refresh_seconds = 60
    is_plain = False

    def read(self, query: dict[str, Any]) -> HogQLQuery:
        """The node. Raises `ValidationFailed` with the field that does not fit."""
        try:
            node = msgspec.convert(query, HogQLQuery)
        except msgspec.ValidationError as error:
            raise below_query(reworded(error)) from None
        if node.connection_id is not None or node.send_raw_query:
            raise QueryRefused("Invalid connectionId for this team", attr="query__connectionId")
        unknown = sorted((node.modifiers or {}).keys() - MODIFIERS)
        if unknown:
            raise QueryRefused(f"Object contains unknown field `{unknown[0]}`", attr="query__modifiers")
        modifiers_of(node.modifiers)
        return node

    def overridden(
        self, node: HogQLQuery, filters: dict[str, Any] | None, variables: dict[str, dict[str, Any]] | None
    ) -> HogQLQuery:
        """Dates of a dashboard replace the query's, its properties are added, values of its variables replace."""
        if filters is not None:
            laid = (node.filters or HogQLFilters()).under(filters)
            node = msgspec.structs.replace(node, filters=laid)
        if variables is not None and node.variables:
            merged = {
                key: variable.with_value_of(variables[key]) if key in variables else variable
                for key, variable in node.variables.items()
            }
            node = msgspec.structs.replace(node, variables=merged)
        return node

    def interval(self, node: HogQLQuery) -> Interval | None:
        """Such a query counts as one by day."""
        del node
        return "day"

    async def calculate(self, node: HogQLQuery, run: Run) -> KindAnswer:
        """Compile and run it. With `explain` or `debug`, an error is part of the answer."""
        if not node.explain and not (node.modifiers or {}).get("debug"):
            return await self._calculate(node, run, explained=False)
        try:
            return await self._calculate(node, run, explained=True)
        except ApiError as error:
            if error.status != QueryRefused.status:
                raise
            fields = HogQLQueryFields(
                columns=None,
                types=None,
                query=node.query,
                hogql=None,
                error=error.detail,
                has_more=None,
                limit=None,
                offset=None,
                timings=run.timings,
                modifiers=_echoed(node),
            )
            return KindAnswer([b"[]"], fields, may_be_kept=False)

    async def _calculate(self, node: HogQLQuery, run: Run, *, explained: bool) -> KindAnswer:
        compiled = await self._compile(node, run)
        query = compiled.query
        rows = await run.rows(compiled, query.limit)
        explanation = (await run.answer(query, "TabSeparatedRaw", "EXPLAIN ")).decode() if explained else None
        run.close()
        fields = HogQLQueryFields(
            columns=query.columns,
            types=list(zip(query.columns, rows.types, strict=True)),
            query=node.query,
            hogql=query.hogql,
            clickhouse=query.sql if explained else None,
            explain=None if explanation is None else explanation.splitlines(),
            metadata=_metadata(node, query) if explained else None,
            has_more=None if query.limit is None else rows.has_more,
            limit=query.limit,
            offset=query.offset,
            timings=run.timings,
            modifiers=_echoed(node),
        )
        return KindAnswer(rows.parts, fields, may_be_kept=LOG_TABLE not in query.tables)

    async def whole(self, node: HogQLQuery, run: Run, rows_max: int) -> CompiledQuery:
        """See `export.Exportable`."""
        return (await self._compile(node, run, rows_max)).query

    async def _compile(self, node: HogQLQuery, run: Run, whole_max: int | None = None) -> Compiled:
        most = run.settings.query_max_text_bytes
        if len(node.query) > most or len(node.query.encode(errors="replace")) > most:
            raise QueryRefused("Query size exceeded.", code="query_size_exceeded", attr="query__query")
        modifiers = modifiers_of(node.modifiers)
        filler = Filler(node.values, node.variables, node.filters, run.team.test_account_filters)
        rows_max = run.settings.query_max_rows if whole_max is None else whole_max
        work = _Compilation(node.query, filler, modifiers, rows_max, run.clock.now(), whole_max is not None)
        return await run.compile(node.query, self._key(node, run, modifiers, whole_max), work)

    def _key(self, node: HogQLQuery, run: Run, modifiers: Modifiers, whole_max: int | None) -> Hashable | None:
        """What a compiled query is kept by; None for filters, whose dates move with the time, and for what is large."""
        if node.filters is not None or run.size >= LARGE_BYTES:
            return None
        filled = msgspec.json.encode((node.values, node.variables)) if node.values or node.variables else b""
        return (run.team.id, node.query, modifiers, filled, whole_max)


def below_query(error: ApiError) -> ApiError:
    """The error of a node's field, with its place in the request."""
    error.attr = "query" if error.attr is None else f"query__{error.attr}"
    return error


def modifiers_of(modifiers: dict[str, Any] | None) -> Modifiers:
    """Those modifiers that change rows. Raises `ValidationFailed`."""
    try:
        given = {name: value for name, value in (modifiers or {}).items() if value is not None}
        return msgspec.convert(given, Modifiers)
    except msgspec.ValidationError as error:
        refused = reworded(error)
        refused.attr = "modifiers" if refused.attr is None else f"modifiers__{refused.attr}"
        raise below_query(refused) from None


def _echoed(node: HogQLQuery) -> dict[str, Any]:
    return {_PERSONS_MODES: Modifiers().persons_on_events_mode, **(node.modifiers or {})}


def _metadata(node: HogQLQuery, query: CompiledQuery) -> dict[str, Any]:
    """What HogQLMetadata would say of a valid query (queries §3.2)."""
    return {
        "query": node.query,
        "isValid": True,
        "isUsingIndices": "undecisive",
        "errors": [],
        "warnings": [],
        "notices": [{**msgspec.to_builtins(notice), "fix": None} for notice in query.notices],
        "table_names": list(query.table_names),
        "ch_table_names": sorted(query.tables),
        "query_status": None,
    }
