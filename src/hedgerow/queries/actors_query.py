"""ActorsQuery: persons, all of a project or those that a query gives (queries §4.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from hedgerow.core.clock import ManualClock
from hedgerow.hogql import (
    CompiledQuery,
    HogQLContext,
    Modifiers,
    ProjectSchema,
    QueryError,
    ast,
    compile_select,
    parse_select,
    property_to_expr,
)
from hedgerow.hogql.parser import parse_expr
from hedgerow.queries.dates import parse_date
from hedgerow.queries.errors import QueryRefused
from hedgerow.queries.hogql_query import HogQLQuery, HogQLQueryKind, modifiers_of
from hedgerow.queries.nodes import Cells, Node, NodeKind, RowFields, cells_of, row_fields
from hedgerow.queries.persons_of import display_name
from hedgerow.queries.placeholders import Filler
from hedgerow.queries.run import KindAnswer, Run
from hedgerow.queries.selection import (
    LIMIT_DEFAULT,
    Limit,
    Offset,
    Selected,
    ordered,
    select_of,
    selected,
)

SELECT: Final = ("person", "id", "person.$delete")
KEYS: Final = ("group_key", "actor_id", "person_id")
"""Names of a source's column that says who; else the first whose name holds `id`."""
IDS_MAX: Final = 100
"""Distinct ids of a person that a row shows."""
DISTINCT_IDS: Final = (
    "SELECT toString(person_id), groupArray({most})(distinct_id) FROM"
    " (SELECT person_id, distinct_id FROM person_distinct_ids WHERE toString(person_id) IN {ids} ORDER BY distinct_id)"
    " GROUP BY person_id"
)
_PERSON: Final = ("id", "properties", "is_identified", "created_at")
_CREATED: Final = "created_at"
_FOUND: Final = (
    "properties.email ILIKE {contains} OR properties.name ILIKE {contains} OR toString(id) ILIKE {contains}"
    " OR id IN (SELECT person_id FROM person_distinct_ids WHERE distinct_id ILIKE {contains})"
)
_SOURCE: Final = "source"
_ACTOR: Final = "actor_id"


class ActorsQuery(Node, frozen=True, kw_only=True):
    """The node."""

    source: dict[str, Any] | None = None
    select: list[str] | None = None
    search: str | None = None
    properties: list[dict[str, Any]] | dict[str, Any] | None = None
    fixed_properties: list[dict[str, Any]] | None = msgspec.field(default=None, name="fixedProperties")
    order_by: list[str] | None = msgspec.field(default=None, name="orderBy")
    limit: Limit | None = None
    offset: Offset | None = None


class ActorsFields(RowFields, kw_only=True):
    """The kind's fields of the response, beside `results`."""

    missing_actors_count: int


class _Compilation(msgspec.Struct, frozen=True):
    node: ActorsQuery
    source: HogQLQuery | None
    modifiers: Modifiers
    names: tuple[str, ...] | None
    test_account_filters: tuple[dict[str, Any], ...]
    now: datetime
    limit: int

    def __call__(self, schema: ProjectSchema) -> CompiledQuery:
        node, specials = self.node, specials_of(self.names, has_source=self.source is not None)
        columns = selected(node.select or SELECT, specials)
        query = select_of(
            "persons", columns, self._where(schema), self._order(columns), limit=self.limit, offset=node.offset or 0
        )
        if self.source is not None:
            query.select_from = self._joined_to(self.source, schema)
        return compile_select(query, HogQLContext(schema=schema, modifiers=self.modifiers, max_limit=None))

    def _where(self, schema: ProjectSchema) -> list[ast.Expr]:
        node, now = self.node, self.now.astimezone(ZoneInfo(schema.timezone))
        found = [
            property_to_expr(filters, "person", schema, lambda text: parse_date(text, now))
            for filters in (node.properties, node.fixed_properties)
            if filters
        ]
        if node.search:
            pattern = ast.Constant(value=f"%{node.search.strip()}%")
            found.append(parse_expr(_FOUND, {"contains": pattern}))
        return found

    def _order(self, columns: Sequence[Selected]) -> list[ast.OrderExpr]:
        shown = display_name(self.names, ast.Call(name="toString", args=[ast.Field(chain=["id"])]), of=None)
        specials = specials_of(self.names, has_source=False)
        special = {**specials, "person": shown, "actor": shown, "person_display_name": shown}
        order_by = ordered(self.node.order_by, columns, special, _CREATED)
        if not any(each.is_aggregate for each in columns):
            order_by.append(ast.OrderExpr(expr=ast.Field(chain=["id"])))
        return order_by

    def _joined_to(self, source: HogQLQuery, schema: ProjectSchema) -> ast.JoinExpr:
        """The actors of the source, each with the person that it is, if there is one."""
        filler = Filler(source.values, source.variables, source.filters, self.test_account_filters)
        inner = filler.fill(parse_select(source.query), schema, ManualClock(self.now))
        names = compile_select(inner, HogQLContext(schema=schema, modifiers=self.modifiers, limit_top=None)).columns
        key = key_of(names)
        if key is None:
            raise QueryError("Source query must have an id column")
        actors = ast.SelectQuery(
            select=[ast.Alias(alias=_ACTOR, expr=ast.Call(name="toString", args=[ast.Field(chain=[key])]))],
            distinct=True,
            select_from=ast.JoinExpr(table=inner),
        )
        on = ast.CompareOperation(
            left=ast.Call(name="toString", args=[ast.Field(chain=["persons", "id"])]),
            right=ast.Field(chain=[_SOURCE, _ACTOR]),
            op="==",
        )
        return ast.JoinExpr(
            table=actors,
            alias=_SOURCE,
            next_join=ast.JoinExpr(
                table=ast.Field(chain=["persons"]),
                join_type="LEFT JOIN",
                constraint=ast.JoinConstraint(expr=on, constraint_type="ON"),
            ),
        )


class ActorsQueryKind(NodeKind[ActorsQuery]):
    """See `registry.Kind`."""

    name = "ActorsQuery"
    node = ActorsQuery

    def check(self, node: ActorsQuery) -> None:
        """Raise `QueryRefused` for what the fields alone do not tell."""
        if node.source is not None:
            kind = node.source.get("kind")
            if kind != HogQLQueryKind.name:
                raise QueryRefused(f"Unsupported query kind: {str(kind)[:100]}", attr="query__source")
            HogQLQueryKind().read(node.source)

    async def calculate(self, node: ActorsQuery, run: Run) -> KindAnswer:
        """Compile and run it, then make values of its special columns."""
        limit = min(node.limit or LIMIT_DEFAULT, run.settings.query_max_rows)
        names, modifiers = run.team.person_display_name_properties, modifiers_of(node.modifiers)
        source = None if node.source is None else HogQLQueryKind().read(node.source)
        filters = run.team.test_account_filters
        work = _Compilation(node, source, modifiers, names, filters, run.clock.now(), limit)
        compiled = await run.compile(" ".join(node.select or SELECT), None, work)
        answered = await run.rows(compiled, limit)
        columns = selected(node.select or SELECT, specials_of(names, has_source=source is not None))
        parts, missing = answered.parts, 0
        if any(each.special for each in columns):
            aside, cells = await cells_of(parts)
            rows = _Rows(columns)
            ids = await _distinct_ids(run, modifiers, rows.ids(cells))
            parts = [await aside(rows.written, cells, ids)]
            missing = rows.missing
        run.close()
        page = (limit, node.offset or 0)
        fields = row_fields(ActorsFields, columns, answered, compiled, node, page, run, missing_actors_count=missing)
        return KindAnswer(parts, fields)


def key_of(names: Sequence[str]) -> str | None:
    """The column of a source that says who: None if there is none."""
    known = next((name for name in KEYS if name in names), None)
    return known or next((name for name in names if "id" in name), None)


def specials_of(names: Sequence[str] | None, *, has_source: bool) -> Mapping[str, ast.Expr]:
    """The special columns, and what is read for each."""
    own_id = ast.Call(name="toString", args=[ast.Field(chain=["id"])])
    actor_id: ast.Expr = ast.Field(chain=[_SOURCE, _ACTOR]) if has_source else own_id
    person = ast.Tuple(exprs=[actor_id, own_id, *(ast.Field(chain=[name]) for name in _PERSON[1:])])
    return {
        "person": person,
        "actor": person,
        "id": actor_id,
        "person.$delete": ast.Constant(value=1),
        "person_display_name": ast.Tuple(exprs=[display_name(names, actor_id, of=None), actor_id]),
    }


async def _distinct_ids(run: Run, modifiers: Modifiers, ids: set[str]) -> dict[str, list[str]]:
    """Person id → its distinct ids, in order."""
    if not ids:
        return {}
    compiled = await run.compile(DISTINCT_IDS, None, _Ids(tuple(sorted(ids)), modifiers))
    answered = await run.rows(compiled, None)
    return dict(msgspec.json.decode(b"".join(answered.parts), type=list[tuple[str, list[str]]]))


class _Ids(msgspec.Struct, frozen=True):
    ids: tuple[str, ...]
    modifiers: Modifiers

    def __call__(self, schema: ProjectSchema) -> CompiledQuery:
        listed = ast.Tuple(exprs=[ast.Constant(value=each) for each in self.ids])
        query = parse_select(DISTINCT_IDS.replace("{most}", str(IDS_MAX)), {"ids": listed})
        return compile_select(query, HogQLContext(schema=schema, modifiers=self.modifiers, limit_top=None))


class _Rows:
    """Cells of special columns become what people read."""

    def __init__(self, columns: Sequence[Selected]) -> None:
        self._columns = columns
        self.missing = 0
        """Actors whose person is gone."""

    def ids(self, rows: Cells) -> set[str]:
        """Whose distinct ids are shown."""
        places = [place for place, each in enumerate(self._columns) if each.special in {"person", "actor"}]
        return {msgspec.json.decode(row[place])[0] for row in rows for place in places}

    def written(self, rows: Cells, ids: Mapping[str, list[str]]) -> bytes:
        """The rows as JSON."""
        return msgspec.json.encode(
            [[self._value(each, cell, ids) for each, cell in zip(self._columns, row, strict=True)] for row in rows]
        )

    def _value(self, column: Selected, cell: msgspec.Raw, ids: Mapping[str, list[str]]) -> Any:
        if column.special in {"person", "actor"}:
            actor_id, own_id, properties, is_identified, created_at = msgspec.json.decode(cell)
            if actor_id != own_id:
                self.missing += 1
                return {"id": actor_id}
            return {
                "id": actor_id,
                "properties": msgspec.Raw((properties or "{}").encode()),
                "is_identified": bool(is_identified),
                "created_at": created_at,
                "distinct_ids": ids.get(actor_id, []),
            }
        if column.special == "person_display_name":
            return dict(zip(("display_name", "id"), msgspec.json.decode(cell), strict=True))
        return cell
