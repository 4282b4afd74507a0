"""EventTaxonomyQuery: the properties that an event came with, and some of their values (queries §9.2)."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from hedgerow.hogql import CompiledQuery, HogQLContext, Modifiers, ProjectSchema, ast, compile_select, parse_select
from hedgerow.hogql.parser import parse_expr
from hedgerow.queries.errors import QueryRefused
from hedgerow.queries.hogql_query import modifiers_of
from hedgerow.queries.nodes import Node, NodeKind
from hedgerow.queries.run import KindAnswer, Run

LIMIT: Final = 500
LATEST_EVENTS: Final = 100
"""So many are read where no properties are named."""
VALUES_DEFAULT: Final = 5
VALUES_MAX: Final = 100
LEFT_OUT: Final = (
    r"(\$set|\$time|\$set_once|\$sent_at|distinct_id|\$ip|\$feature/|\$feature_enrollment/|\$feature_interaction/"
    r"|\$product_tour|__|survey_dismiss|survey_responded|phjs|partial_filter|changed_action|changed_event|window-id)"
)
"""Keys that have this anywhere in them describe no event."""
TEXT: Final = """
SELECT key AS property, arraySlice(arrayDistinct(groupArray(value)), 1, {most}) AS sample_values,
    count(DISTINCT value) AS sample_count
FROM (
    SELECT pair.1 AS key, if(startsWith(pair.2, '"'), JSONExtractString(pair.2), pair.2) AS value
    FROM (SELECT properties FROM events WHERE timestamp >= now() - INTERVAL 30 DAY AND {condition} {latest})
    ARRAY JOIN JSONExtractKeysAndValuesRaw(properties) AS pair
    WHERE {keys}
)
GROUP BY property ORDER BY sample_count DESC, property LIMIT {limit} OFFSET {offset}
"""
_LATEST: Final = f" ORDER BY timestamp DESC LIMIT {LATEST_EVENTS}"
_SKIPPED: Final = "pair.2 != 'null' AND not(match(pair.1, {left_out}))"
_NAMED: Final = "pair.1 IN {names} AND pair.2 NOT IN ('null', '\"\"')"


class EventTaxonomyQuery(Node, frozen=True, kw_only=True):
    """The node."""

    event: str | None = None
    action_id: int | None = msgspec.field(default=None, name="actionId")
    properties: list[str] | None = None
    max_property_values: Annotated[int, msgspec.Meta(ge=1, le=VALUES_MAX)] | None = msgspec.field(
        default=None, name="maxPropertyValues"
    )
    limit: Annotated[int, msgspec.Meta(ge=1)] | None = None
    offset: Annotated[int, msgspec.Meta(ge=0)] | None = None


class Sampled(msgspec.Struct, frozen=True):
    """One property."""

    property: str
    sample_values: list[str]
    sample_count: int


class EventTaxonomyFields(msgspec.Struct, kw_only=True, rename={"has_more": "hasMore"}):
    """The kind's fields of the response, beside `results`."""

    hogql: str
    has_more: bool
    limit: int
    offset: int
    timings: list[dict[str, Any]]
    modifiers: dict[str, Any] | None


class _Compilation(msgspec.Struct, frozen=True):
    node: EventTaxonomyQuery
    modifiers: Modifiers

    def __call__(self, schema: ProjectSchema) -> CompiledQuery:
        node = self.node
        names = node.properties
        text = TEXT.replace("{latest}", "" if names else _LATEST)
        condition = parse_expr("event = {event}", {"event": ast.Constant(value=node.event)})
        if node.event is None:
            condition = ast.Call(name="matchesAction", args=[ast.Constant(value=node.action_id)])
        keys = (
            parse_expr(_NAMED, {"names": ast.Tuple(exprs=[ast.Constant(value=name) for name in names])})
            if names
            else parse_expr(_SKIPPED, {"left_out": ast.Constant(value=LEFT_OUT)})
        )
        most, limit = node.max_property_values or VALUES_DEFAULT, limit_of(node)
        values = {"most": most, "limit": limit + 1, "offset": node.offset or 0}
        filled: dict[str, ast.Expr] = {name: ast.Constant(value=value) for name, value in values.items()}
        query = parse_select(text, {**filled, "condition": condition, "keys": keys})
        return compile_select(query, HogQLContext(schema=schema, modifiers=self.modifiers))


def limit_of(node: EventTaxonomyQuery) -> int:
    """Properties of a page."""
    return min(node.limit or LIMIT, LIMIT)


class EventTaxonomyQueryKind(NodeKind[EventTaxonomyQuery]):
    """See `registry.Kind`."""

    name = "EventTaxonomyQuery"
    node = EventTaxonomyQuery

    def check(self, node: EventTaxonomyQuery) -> None:
        """Raise `QueryRefused` for what the fields alone do not tell."""
        if node.event is None and node.action_id is None:
            raise QueryRefused("Either event or action ID must be provided.")

    async def calculate(self, node: EventTaxonomyQuery, run: Run) -> KindAnswer:
        """Compile and run it."""
        limit = limit_of(node)
        compiled = await run.compile(TEXT, None, _Compilation(node, modifiers_of(node.modifiers)))
        answered = await run.rows(compiled, limit)
        run.close()
        rows = msgspec.json.decode(b"".join(answered.parts), type=list[tuple[str, list[str], int]])
        fields = EventTaxonomyFields(
            hogql=compiled.query.hogql,
            has_more=answered.has_more,
            limit=limit,
            offset=node.offset or 0,
            timings=run.timings,
            modifiers=node.modifiers,
        )
        return KindAnswer([msgspec.json.encode([Sampled(*row) for row in rows])], fields)
