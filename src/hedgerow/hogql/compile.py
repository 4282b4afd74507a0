"""From a text or a tree to the SQL that ClickHouse runs: parse → limits → resolve and rules → print."""

from __future__ import annotations

from collections.abc import Mapping

from hedgerow.hogql import ast
from hedgerow.hogql.context import SETTINGS, CompiledQuery, HogQLContext
from hedgerow.hogql.errors import QueryError
from hedgerow.hogql.markup import without_markup
from hedgerow.hogql.parser import parse_select
from hedgerow.hogql.print_clickhouse import Printer
from hedgerow.hogql.print_hogql import print_hogql
from hedgerow.hogql.resolve import Resolver
from hedgerow.hogql.rules.limits import limited


def compile_select(
    query: str | ast.SelectQuery | ast.SelectSetQuery,
    context: HogQLContext,
    placeholders: Mapping[str, ast.Expr] | None = None,
) -> CompiledQuery:
    """A query as ClickHouse is to run it; raises HogQLError with the place in the text. A tree that is given stays as it is."""
    tree = parse_select(query, placeholders) if isinstance(query, str) else query
    try:
        tree, limit, offset = limited(tree, context)
        resolver = Resolver(context)
        lowered = resolver.subquery(tree)
        printer = Printer(context.schema.team_id)
        sql = printer.query(lowered)
        hogql = print_hogql(without_markup(tree) if resolver.has_markup else tree)
    except RecursionError:
        raise QueryError("This query is nested too deeply.", tree.start, tree.end) from None
    return CompiledQuery(
        sql=sql,
        parameters=printer.parameters,
        columns=[output.name for output in lowered.outputs],
        hogql=hogql,
        settings=SETTINGS,
        tables=frozenset(printer.tables),
        table_names=tuple(resolver.table_names),
        notices=tuple(resolver.notices),
        limit=limit,
        offset=offset,
    )
