"""TrendsQuery: how often events came, or by how many people, per hour, day, week or month (queries §5.1)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

import msgspec

from hedgerow.hogql import CompiledQuery, HogQLContext, Modifiers, ProjectSchema, ast, compile_select, property_to_expr
from hedgerow.queries.date_range import BUCKETS_MAX, Bucket, Range, entry, label, resolved, starts
from hedgerow.queries.dates import parse_date
from hedgerow.queries.errors import QueryRefused
from hedgerow.queries.events_query import compared
from hedgerow.queries.freshness import Interval
from hedgerow.queries.hogql_query import modifiers_of
from hedgerow.queries.nodes import Node, NodeKind, read_node
from hedgerow.queries.run import KindAnswer, Run
from hedgerow.queries.selection import select_of, selected

SERIES_MAX: Final = 26
MATHS: Final = {"total": "count()", "dau": "count(DISTINCT person_id)"}
PLACES: Final[dict[Bucket, str]] = {
    "hour": "toString(toUnixTimestamp(toStartOfHour(timestamp)))",
    "day": "toString(toDate(toStartOfDay(timestamp)))",
    "week": "toString(toDate(toStartOfWeek(timestamp)))",
    "month": "toString(toDate(toStartOfMonth(timestamp)))",
}
GROUPS_DEPTH_MAX: Final = 20
TIME_SERIES: Final = frozenset({
    "ActionsLineGraph", "ActionsBar", "ActionsAreaGraph", "ActionsUnstackedBar", "ActionsStackedBar", "Metric",
})  # fmt: skip
"""Displays whose numbers are those of a line graph."""
DISPLAY_ONLY: Final = frozenset({
    "showLegend", "legendPosition", "aggregationAxisFormat", "aggregationAxisPrefix", "aggregationAxisPostfix",
    "decimalPlaces", "minDecimalPlaces", "xAxisLabel", "yAxisLabel", "showValuesOnSeries", "showLabelsOnSeries",
    "showPercentStackView", "stackBreakdownValues", "yAxisScaleType", "showMultipleYAxes", "hiddenLegendIndexes",
    "resultCustomizationBy", "resultCustomizations", "goalLines", "showConfidenceIntervals", "confidenceLevel",
    "showTrendLines", "showMovingAverage", "movingAverageIntervals", "detailedResultsAggregationType",
    "showAlertThresholdLines", "excludeBoxPlotOutliers", "hideWeekends", "showAnnotations",
})  # fmt: skip
"""Fields of `trendsFilter` that change how a result is drawn, and not the result."""
_LATER: Final = "{} is not supported yet."


class NotComputed(QueryRefused):
    """The query is well formed, but this server cannot answer it. It may be stored."""


class DateRange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """See queries §2.1."""

    date_from: str | None = None
    date_to: str | None = None
    explicit: bool | None = msgspec.field(default=None, name="explicitDate")


class Series(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Events of one name; of any name without one."""

    kind: str
    event: str | None = None
    name: str | None = None
    custom_name: str | None = None
    math: str | None = None
    properties: list[dict[str, Any]] | dict[str, Any] | None = None
    fixed_properties: list[dict[str, Any]] | dict[str, Any] | None = msgspec.field(default=None, name="fixedProperties")
    version: float | None = None
    limit: Any = None
    """This and the next three are ignored here (queries §2.5)."""
    order_by: Any = msgspec.field(default=None, name="orderBy")
    optional_in_funnel: Any = msgspec.field(default=None, name="optionalInFunnel")
    response: Any = None


class TrendsQuery(Node, frozen=True, kw_only=True):
    """The node."""

    series: list[Series]
    interval: Bucket | None = None
    dates: DateRange | None = msgspec.field(default=None, name="dateRange")
    properties: list[dict[str, Any]] | dict[str, Any] | None = None
    filter_test_accounts: bool | None = msgspec.field(default=None, name="filterTestAccounts")


class TrendsFields(msgspec.Struct, kw_only=True):
    """The kind's fields of the response, beside `results`."""

    hogql: str
    timings: list[dict[str, Any]]
    modifiers: dict[str, Any]
    resolved_date_range: dict[str, str]
    has_more: bool = msgspec.field(default=False, name="hasMore")
    error: str = ""


class _Compilation(msgspec.Struct, frozen=True):
    """One series. Goes into a pickle."""

    node: TrendsQuery
    place: int
    span: Range
    now: datetime
    modifiers: Modifiers
    test_account_filters: tuple[dict[str, Any], ...]

    def __call__(self, schema: ProjectSchema) -> CompiledQuery:
        node, series = self.node, self.node.series[self.place]
        columns = selected([PLACES[node.interval or "day"], MATHS[series.math or "total"]], {})
        where: list[ast.Expr] = [
            compared("timestamp", ">=", self.span.since(node.interval or "day")),
            compared("timestamp", "<=", self.span.last),
        ]
        if series.event is not None:
            where.append(compared("event", "==", series.event))
        filters = [*listed(node.properties), *listed(series.properties), *listed(series.fixed_properties)]
        if node.filter_test_accounts:
            filters += self.test_account_filters
        if filters:
            now = self.now.astimezone(ZoneInfo(schema.timezone))
            where.append(property_to_expr(filters, "event", schema, lambda text: parse_date(text, now)))
        query = select_of("events", columns, where, [], limit=BUCKETS_MAX, offset=0)
        return compile_select(query, HogQLContext(schema=schema, modifiers=self.modifiers, max_limit=None))


class TrendsQueryKind(NodeKind[TrendsQuery]):
    """See `registry.Kind`."""

    name = "TrendsQuery"
    node = TrendsQuery
    refresh_seconds = 900

    def read(self, query: dict[str, Any]) -> TrendsQuery:
        """The node. Raises `QueryRefused` for what is part of the contract and not computed here."""
        node = read_node(_computed(query), self.node)
        self.check(node)
        return node

    def check(self, node: TrendsQuery) -> None:
        """Raise `QueryRefused` for what the fields alone do not tell."""
        if not 1 <= len(node.series) <= SERIES_MAX:
            raise QueryRefused(f"A trend has 1 to {SERIES_MAX} series.", attr="query__series")
        for series in node.series:
            if series.kind != "EventsNode":
                raise NotComputed(_LATER.format(f"A series of {series.kind[:100]}"), attr="query__series")
            if (series.math or "total") not in MATHS:
                raise NotComputed(_LATER.format(f"The math {str(series.math)[:100]}"), attr="query__series")
            _check_groups([*listed(series.properties), *listed(series.fixed_properties)], "query__series")
        _check_groups(listed(node.properties), "query__properties")
        if node.dates is not None and node.dates.date_from == "all":
            raise NotComputed(_LATER.format("A range from the first event"), attr="query__dateRange__date_from")

    def overridden(
        self, node: TrendsQuery, filters: dict[str, Any] | None, variables: dict[str, dict[str, Any]] | None
    ) -> TrendsQuery:
        """Dates of a dashboard replace the query's, its properties are added."""
        del variables
        if filters is None:
            return node
        if filters.get("breakdown_filter"):
            raise NotComputed(_LATER.format("breakdown_filter"), attr="filters_override")
        first, last, properties = (filters.get(name) for name in ("date_from", "date_to", "properties"))
        if isinstance(first, str) or isinstance(last, str):
            dates = DateRange(
                first if isinstance(first, str) else None, last if isinstance(last, str) else None,
                bool(filters.get("explicitDate")),
            )  # fmt: skip
            node = msgspec.structs.replace(node, dates=dates)
            self.check(node)
        if isinstance(properties, list):
            added: list[Any] = [each for each in properties if isinstance(each, dict)]
            node = msgspec.structs.replace(node, properties=[*listed(node.properties), *added])
            self.check(node)
        return node

    def interval(self, node: TrendsQuery) -> Interval | None:
        """As the node says."""
        return node.interval or "day"

    async def calculate(self, node: TrendsQuery, run: Run) -> KindAnswer:
        """Ask once a series, then fill the buckets that had nothing."""
        interval, dates, modifiers = node.interval or "day", node.dates or DateRange(), modifiers_of(node.modifiers)
        now = run.clock.now().astimezone(ZoneInfo(run.team.timezone))
        span = resolved(dates.date_from, dates.date_to, now, interval, explicit=bool(dates.explicit))
        buckets = starts(span, interval, monday=run.team.week_start_day == 1)
        keys = [str(int(each.timestamp())) if interval == "hour" else entry(each, interval) for each in buckets]
        results: list[dict[str, Any]] = []
        hogql: list[str] = []
        for place in range(len(node.series)):
            work = _Compilation(node, place, span, now, modifiers, run.team.test_account_filters)
            compiled = await run.compile(PLACES[interval], None, work)
            answered = await run.rows(compiled, BUCKETS_MAX)
            counts = dict(msgspec.json.decode(b"".join(answered.parts), type=list[tuple[str, int]]))
            results.append(_result(node, place, span, buckets, [float(counts.get(key, 0)) for key in keys]))
            hogql.append(compiled.query.hogql)
        run.close()
        fields = TrendsFields(
            hogql="\n\n".join(hogql),
            timings=run.timings,
            modifiers=node.modifiers or {},
            resolved_date_range={"date_from": span.first.isoformat(), "date_to": span.last.isoformat()},
        )
        return KindAnswer([msgspec.json.encode(results)], fields)


def listed(properties: list[dict[str, Any]] | dict[str, Any] | None) -> list[dict[str, Any]]:
    """Filters that all must hold; a group of filters is one of them."""
    return [properties] if isinstance(properties, dict) else properties or []


def _check_groups(filters: list[dict[str, Any]], attr: str, depth: int = 0) -> None:
    for each in filters:
        if "values" not in each or "key" in each:
            continue
        inner: Any = each["values"]
        if not isinstance(inner, list) or not all(isinstance(one, dict) for one in cast("list[object]", inner)):
            raise QueryRefused("A group of filters has a list of filters or groups as its values.", attr=attr)
        if depth == GROUPS_DEPTH_MAX:
            raise QueryRefused(f"Groups of filters may be {GROUPS_DEPTH_MAX} deep.", attr=attr)
        _check_groups(cast("list[dict[str, Any]]", inner), attr, depth + 1)


def _computed(query: dict[str, Any]) -> dict[str, Any]:
    """The query without what does not change its result. Raises `QueryRefused` for what would, and is not computed."""
    kept = {key: value for key, value in query.items() if value is not None and key != "dataColorTheme"}
    ineffective: dict[str, Callable[[dict[str, Any]], bool]] = {
        "trendsFilter": _is_drawing,
        "compareFilter": lambda given: not given.get("compare"),
        "breakdownFilter": lambda given: not given.get("breakdown") and not given.get("breakdowns"),
        "conversionGoal": lambda given: not given,
        "calendarHeatmapFilter": lambda _: True,
    }
    for field, has_no_effect in ineffective.items():
        given = kept.pop(field, {})
        if not isinstance(given, dict):
            raise QueryRefused(
                f'Expected a dictionary of items but got type "{type(given).__name__}".',
                code="not_a_dict", attr=f"query__{field}",
            )  # fmt: skip
        if not has_no_effect(cast("dict[str, Any]", given)):
            raise NotComputed(_LATER.format(field), attr=f"query__{field}")
    for field, plain in (("samplingFactor", 1), ("aggregation_group_type_index", None)):
        if kept.pop(field, plain) != plain:
            raise NotComputed(_LATER.format(field), attr=f"query__{field}")
    series: Any = kept.get("series")
    if isinstance(series, list):
        kept["series"] = [_without_null(each) for each in cast("list[object]", series)]
    return kept


def _without_null(value: object) -> object:
    if not isinstance(value, dict):
        return value
    return {key: part for key, part in cast("dict[str, Any]", value).items() if part is not None}


def _is_drawing(given: dict[str, Any]) -> bool:
    """Whether a `trendsFilter` asks for nothing but a line graph's numbers. Raises `QueryRefused` for what it must not have."""
    for name, value in given.items():
        if value is None or name in DISPLAY_ONLY:
            continue
        if name == "display" and isinstance(value, str) and value in TIME_SERIES:
            continue
        if name == "smoothingIntervals" and value == 1:
            continue
        if name in {"formulas", "formulaNodes", "formula"} and not value:
            continue
        raise NotComputed(_LATER.format(f"{name[:100]}"), attr=f"query__trendsFilter__{name[:100]}")
    return True


def _result(node: TrendsQuery, place: int, span: Range, buckets: list[datetime], data: list[float]) -> dict[str, Any]:
    series, interval = node.series[place], node.interval or "day"
    name = "All events" if series.event is None else series.event
    return {
        "data": data,
        "labels": [label(each, interval, span) for each in buckets],
        "days": [entry(each, interval) for each in buckets],
        "count": sum(data),
        "label": name,
        "order": place,
        "filter": {
            "insight": "TRENDS", "properties": node.properties or [], "entity_type": "events", "interval": interval,
            "filter_test_accounts": bool(node.filter_test_accounts),
            "date_from": span.first.astimezone(UTC), "date_to": span.last.astimezone(UTC),
        },
        "action": {
            "days": [each.astimezone(UTC) for each in buckets], "id": series.event, "type": "events", "order": place,
            "name": series.name or name, "custom_name": series.custom_name, "math": series.math or "total",
            "math_property": None, "math_hogql": None, "math_group_type_index": None, "properties": {},
        },
    }  # fmt: skip
