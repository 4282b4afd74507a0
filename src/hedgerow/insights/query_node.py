"""The query of an insight: checked, wrapped, or made of the filters that old clients send (rest-api §10)."""

from __future__ import annotations

from typing import Any, Final, cast

import msgspec

from hedgerow.core.http import ParseFailed, ValidationFailed
from hedgerow.queries.registry import KINDS, kind_of
from hedgerow.queries.trends_query import NotComputed

NOT_AN_OBJECT: Final = "Query must be a valid JSON object"
DEPTH_MAX: Final = 40
"""Levels of objects and lists in a stored query."""
STORED_ONLY: Final = frozenset({
    "FunnelsQuery", "RetentionQuery", "LifecycleQuery", "StickinessQuery", "PathsQuery", "FunnelCorrelationQuery",
    "CalendarHeatmapQuery", "WebOverviewQuery", "WebStatsTableQuery", "RecordingsQuery", "SessionsTimelineQuery",
})  # fmt: skip
"""Kinds that may be saved, though this server gives no result for them."""
WRAPPED_BY: Final = {
    "InsightVizNode": ("TrendsQuery", "FunnelsQuery", "RetentionQuery", "LifecycleQuery", "StickinessQuery", "PathsQuery"),
    "DataVisualizationNode": ("HogQLQuery",),
}  # fmt: skip
_WRAPPERS: Final = {"DataTableNode", *WRAPPED_BY}


def checked_query(value: object, *, wraps: bool) -> dict[str, Any] | None:
    """What is stored of a query. `wraps` puts a bare one into the node that shows it.

    Raises ValidationFailed for what is no object, ParseFailed with the reason for an object that is no query.
    """
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ValidationFailed(NOT_AN_OBJECT, attr="query")
    query = cast("dict[str, Any]", value)
    if _depth(query) > DEPTH_MAX:
        raise ParseFailed(f"A query may be {DEPTH_MAX} levels deep.", attr="query")
    if innermost(query).get("kind") not in STORED_ONLY:
        try:
            kind, node = kind_of(query)
            kind.read(node)
        except NotComputed:
            pass
        except ValidationFailed as error:
            raise ParseFailed(error.detail, attr=error.attr or "query") from None
    if wraps:
        for wrapper, kinds in WRAPPED_BY.items():
            if query.get("kind") in kinds:
                return {"kind": wrapper, "source": query}
    return query


def innermost(query: dict[str, Any]) -> dict[str, Any]:
    """The query inside of what the app wraps it in."""
    source: Any = query.get("source")
    if query.get("kind") in _WRAPPERS and isinstance(source, dict):
        return innermost(cast("dict[str, Any]", source))
    return query


def _depth(value: object) -> int:
    deepest, waiting = 0, [(value, 1)]
    while waiting:
        each, depth = waiting.pop()
        deepest = max(deepest, depth)
        inner: list[object] = []
        if isinstance(each, dict):
            inner = list(cast("dict[str, object]", each).values())
        elif isinstance(each, list):
            inner = cast("list[object]", each)
        waiting += [(one, depth + 1) for one in inner]
    return deepest


def query_of_filters(filters: dict[str, Any]) -> dict[str, Any] | None:
    """The query that filters of an old client stand for; None where they are no trend of events or actions."""
    if str(filters.get("insight") or "TRENDS").upper() != "TRENDS":
        return None
    series = [
        *(_series(each, "EventsNode") for each in _objects(filters.get("events"))),
        *(_series(each, "ActionsNode") for each in _objects(filters.get("actions"))),
    ]
    if not series:
        return None
    ordered = [node for _, node in sorted(series, key=lambda each: each[0])]
    source: dict[str, Any] = {"kind": "TrendsQuery", "series": ordered}
    if filters.get("interval"):
        source["interval"] = filters["interval"]
    dates = {name: filters[name] for name in ("date_from", "date_to") if filters.get(name)}
    if filters.get("explicit_date") in (True, "true"):
        dates["explicitDate"] = True
    if dates:
        source["dateRange"] = dates
    if filters.get("properties"):
        source["properties"] = _properties(filters["properties"])
    if filters.get("filter_test_accounts") in (True, "true"):
        source["filterTestAccounts"] = True
    drawn = {
        "display": filters.get("display"),
        "formula": filters.get("formula"),
        "smoothingIntervals": filters.get("smoothing_intervals"),
        "showLegend": filters.get("show_legend"),
        "aggregationAxisFormat": filters.get("aggregation_axis_format"),
    }
    if drawn := {name: value for name, value in drawn.items() if value is not None}:
        source["trendsFilter"] = drawn
    if filters.get("breakdown") or filters.get("breakdowns"):
        names = ("breakdown", "breakdown_type", "breakdowns", "breakdown_limit", "breakdown_group_type_index")
        source["breakdownFilter"] = {name: filters[name] for name in names if filters.get(name) is not None}
    if filters.get("compare") in (True, "true"):
        source["compareFilter"] = {"compare": True}
    return {"kind": "InsightVizNode", "source": source}


def _series(given: dict[str, Any], kind: str) -> tuple[float, dict[str, Any]]:
    node: dict[str, Any] = {"kind": kind}
    node["event" if kind == "EventsNode" else "id"] = given.get("id")
    for name in ("name", "custom_name", "math", "math_property", "math_hogql", "math_group_type_index"):
        if given.get(name) is not None:
            node[name] = given[name]
    if given.get("properties"):
        node["properties"] = _properties(given["properties"])
    order = given.get("order")
    return (order if isinstance(order, int) else 0), node


def _properties(given: object) -> object:
    """A list or group as it is; the oldest form, `{"name__operator": value}`, as a list."""
    if not isinstance(given, dict) or "values" in given:
        return given
    found: list[dict[str, Any]] = []
    for name, value in cast("dict[str, Any]", given).items():
        key, _, operator = name.rpartition("__")
        found.append(
            {"type": "event", "key": key or operator, "operator": operator if key else "exact", "value": value}
        )
    return found


def _objects(given: object) -> list[dict[str, Any]]:
    if isinstance(given, str):
        try:
            given = msgspec.json.decode(given)
        except msgspec.DecodeError:
            return []
    if not isinstance(given, list):
        return []
    return [cast("dict[str, Any]", each) for each in cast("list[object]", given) if isinstance(each, dict)]


def is_computed(query: dict[str, Any] | None) -> bool:
    """Whether this server has results for it."""
    return query is not None and innermost(query).get("kind") in KINDS
