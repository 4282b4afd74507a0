"""TeamTaxonomyQuery: the events of a project and how many of each there are (queries §9.2)."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from hedgerow.hogql import CompiledQuery, HogQLContext, Modifiers, ProjectSchema, compile_select
from hedgerow.queries.hogql_query import modifiers_of
from hedgerow.queries.nodes import Node, NodeKind
from hedgerow.queries.run import KindAnswer, Run

TEXT: Final = (
    "SELECT event, count() AS count FROM events WHERE timestamp >= now() - INTERVAL 30 DAY"
    " GROUP BY event ORDER BY count DESC, event LIMIT 100"
)


class TeamTaxonomyQuery(Node, frozen=True, kw_only=True):
    """The node."""


class EventCount(msgspec.Struct, frozen=True):
    """One event."""

    event: str
    count: int


class TaxonomyFields(msgspec.Struct, kw_only=True):
    """The kind's fields of the response, beside `results`."""

    hogql: str
    timings: list[dict[str, Any]]
    modifiers: dict[str, Any] | None


class _Compilation(msgspec.Struct, frozen=True):
    modifiers: Modifiers

    def __call__(self, schema: ProjectSchema) -> CompiledQuery:
        return compile_select(TEXT, HogQLContext(schema=schema, modifiers=self.modifiers))


class TeamTaxonomyQueryKind(NodeKind[TeamTaxonomyQuery]):
    """See `registry.Kind`."""

    name = "TeamTaxonomyQuery"
    node = TeamTaxonomyQuery

    async def calculate(self, node: TeamTaxonomyQuery, run: Run) -> KindAnswer:
        """Compile and run it."""
        modifiers = modifiers_of(node.modifiers)
        compiled = await run.compile(TEXT, (run.team.id, TEXT, modifiers), _Compilation(modifiers))
        answered = await run.rows(compiled, None)
        run.close()
        rows = msgspec.json.decode(b"".join(answered.parts), type=list[tuple[str, int]])
        fields = TaxonomyFields(hogql=compiled.query.hogql, timings=run.timings, modifiers=node.modifiers)
        return KindAnswer([msgspec.json.encode([EventCount(event, count) for event, count in rows])], fields)
