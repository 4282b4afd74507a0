"""GroupsQuery: the groups of a type (queries §4.5)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import msgspec

from hedgerow.hogql import CompiledQuery, HogQLContext, Modifiers, ProjectSchema, ast, compile_select, property_to_expr
from hedgerow.hogql.parser import parse_expr
from hedgerow.queries.dates import parse_date
from hedgerow.queries.events_query import compared
from hedgerow.queries.hogql_query import modifiers_of
from hedgerow.queries.nodes import Cells, Node, NodeKind, RowFields, cells_of, row_fields
from hedgerow.queries.run import KindAnswer, Run
from hedgerow.queries.selection import LIMIT_DEFAULT, Limit, Offset, Selected, ordered, select_of, selected

NAME: Final = "group_name"
SPECIALS: Final = {NAME: parse_expr("tuple(coalesce(nullIf(toString(properties.name), ''), key), key)")}
"""What is read for the special column."""
_CREATED: Final = "created_at"
_FOUND: Final = "properties.name ILIKE {contains} OR key ILIKE {contains}"
_CLOSENESS: Final = (
    "multiIf(lower(key) = {lower} OR lower(toString(properties.name)) = {lower}, 0,"
    " startsWith(lower(key), {lower}) OR startsWith(lower(ifNull(toString(properties.name), '')), {lower}), 1, 2)"
)


class GroupsQuery(Node, frozen=True, kw_only=True):
    """The node."""

    group_type_index: Annotated[int, msgspec.Meta(ge=0, le=4)]
    select: list[str] | None = None
    search: str | None = None
    properties: list[dict[str, Any]] | None = None
    order_by: list[str] | None = msgspec.field(default=None, name="orderBy")
    limit: Limit | None = None
    offset: Offset | None = None


class GroupsFields(RowFields, kw_only=True):
    """The kind's fields of the response, beside `results`."""

    kind: str


class _Compilation(msgspec.Struct, frozen=True):
    node: GroupsQuery
    modifiers: Modifiers
    now: datetime
    limit: int

    def __call__(self, schema: ProjectSchema) -> CompiledQuery:
        node, now = self.node, self.now.astimezone(ZoneInfo(schema.timezone))
        columns = columns_of(node)
        where: list[ast.Expr] = [compared("index", "==", node.group_type_index)]
        if node.search:
            where.append(parse_expr(_FOUND, {"contains": ast.Constant(value=f"%{_literal(node.search)}%")}))
        if node.properties:
            where.append(property_to_expr(node.properties, "group", schema, lambda text: parse_date(text, now)))
        query = select_of("groups", columns, where, self._order(columns), limit=self.limit, offset=node.offset or 0)
        return compile_select(query, HogQLContext(schema=schema, modifiers=self.modifiers, max_limit=None))

    def _order(self, columns: Sequence[Selected]) -> list[ast.OrderExpr]:
        node = self.node
        if any(each.is_aggregate for each in columns):
            return []
        given = ordered(node.order_by, columns, SPECIALS, _CREATED) if node.order_by else []
        newest = [] if given else [ast.OrderExpr(expr=ast.Field(chain=[_CREATED]), order="DESC")]
        closest: list[ast.OrderExpr] = []
        if node.search:
            lower = ast.Constant(value=node.search.lower())
            closest = [ast.OrderExpr(expr=parse_expr(_CLOSENESS, {"lower": lower}))]
        last = [ast.OrderExpr(expr=ast.Field(chain=["key"]))]
        return [*given, *closest, *newest, *last]


class GroupsQueryKind(NodeKind[GroupsQuery]):
    """See `registry.Kind`."""

    name = "GroupsQuery"
    node = GroupsQuery

    async def calculate(self, node: GroupsQuery, run: Run) -> KindAnswer:
        """Compile and run it, then make values of its special column."""
        limit = min(node.limit or LIMIT_DEFAULT, run.settings.query_max_rows)
        work = _Compilation(node, modifiers_of(node.modifiers), run.clock.now(), limit)
        compiled = await run.compile(" ".join(node.select or ()), None, work)
        answered = await run.rows(compiled, limit)
        columns, parts = columns_of(node), answered.parts
        if any(each.special for each in columns):
            aside, cells = await cells_of(parts)
            parts = [await aside(_written, columns, cells)]
        run.close()
        page = (limit, node.offset or 0)
        fields = row_fields(GroupsFields, columns, answered, compiled, node, page, run, kind=self.name)
        return KindAnswer(parts, fields)


def columns_of(node: GroupsQuery) -> list[Selected]:
    """The columns, each once. Raises HogQLError."""
    return selected(list(dict.fromkeys(node.select or [NAME])), SPECIALS)


def _literal(text: str) -> str:
    """The text as a pattern of ILIKE that means itself."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _written(columns: Sequence[Selected], rows: Cells) -> bytes:
    def value(column: Selected, cell: msgspec.Raw) -> Any:
        if column.special is None:
            return cell
        return dict(zip(("display_name", "key"), msgspec.json.decode(cell), strict=True))

    return msgspec.json.encode([[value(*pair) for pair in zip(columns, row, strict=True)] for row in rows])
