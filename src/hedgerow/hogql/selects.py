"""SELECT: FROM and its joins, the list of columns, the clauses; and sets of SELECTs (hogql §2, §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hedgerow.hogql import ast
from hedgerow.hogql.columns import outputs_of
from hedgerow.hogql.database import BUILT_IN_VIEWS
from hedgerow.hogql.errors import NotSupported, QueryError
from hedgerow.hogql.lowered import (
    Column,
    Name,
    Named,
    Select,
    SelectSet,
    Template,
    constant,
    native,
    sql_name,
    template,
)
from hedgerow.hogql.parser import parse_select
from hedgerow.hogql.print_clickhouse import SET_OPERATORS
from hedgerow.hogql.scopes import AliasEntry, JoinedSource, QuerySource, Scope, Source, TableSource
from hedgerow.hogql.types import ANY, BOOLEAN, element

if TYPE_CHECKING:
    from hedgerow.hogql.database import Table
    from hedgerow.hogql.resolve import Resolver

_KEEPS_RIGHT = ("RIGHT", "FULL")
_HASHES = 2**64


def select_or_set(
    resolver: Resolver, query: ast.SelectQuery | ast.SelectSetQuery | ast.Placeholder, parent: Scope | None
) -> Select | SelectSet:
    """A query with its names resolved. The resolver's scope is the query's own afterwards."""
    if isinstance(query, ast.SelectSetQuery):
        return _set(resolver, query, parent)
    if isinstance(query, ast.Placeholder):
        resolver.expr(query)
        raise QueryError("You can not use placeholders here", query.start, query.end)
    return _select(resolver, query, parent)


def _set(resolver: Resolver, query: ast.SelectSetQuery, parent: Scope | None) -> SelectSet:
    selects = [("", select_or_set(resolver, query.initial_select_query, parent))]
    first = query.initial_select_query
    if isinstance(first, ast.SelectQuery) and first.ctes:  # WITH before the first one is for all of them
        shared = Scope(parent)
        shared.ctes = {cte.name: cte for cte in first.ctes}
        parent = shared
    for each in query.subsequent_select_queries:
        if each.set_operator not in SET_OPERATORS:
            raise NotSupported(f"{each.set_operator} is not supported", each.start, each.end)
        selects += [(each.set_operator, select_or_set(resolver, each.select_query, parent))]
    lowered = SelectSet(selects=selects, limit_with_ties=query.limit_with_ties)
    scope = Scope(parent)
    scope.sources.append(QuerySource(lowered, "", ""))
    resolver.scope = scope
    if query.order_by:
        lowered.order_by = [resolver.order(each) for each in query.order_by]
    _check_limit(query)
    lowered.limit = resolver.maybe(query.limit)
    lowered.offset = resolver.maybe(query.offset)
    return lowered


def _check_limit(query: ast.SelectQuery | ast.SelectSetQuery) -> None:
    if query.limit_percent:
        raise NotSupported("LIMIT … % is not supported", query.start, query.end)
    if query.limit_with_ties and not query.order_by:
        raise QueryError("LIMIT … WITH TIES needs an ORDER BY", query.start, query.end)


def _select(resolver: Resolver, query: ast.SelectQuery, parent: Scope | None) -> Select:
    scope = Scope(parent)
    resolver.scope = scope
    for cte in query.ctes or ():
        if cte.recursive:
            raise NotSupported("Recursive CTEs are not supported", cte.start, cte.end)
        scope.ctes[cte.name] = cte
    lowered = Select(outputs=[], distinct=query.distinct, limit_with_ties=query.limit_with_ties)
    if query.select_from is not None:
        _from(resolver, scope, query.select_from)
    _array_join(resolver, scope, query, lowered)
    for each in query.select:
        if isinstance(each, ast.Alias) and not each.hidden:
            resolver.declare_alias(each)
    lowered.outputs = outputs_of(resolver, query)
    where = [resolver.expr(each) for each in (query.prewhere, query.where) if each is not None]
    lowered.group_by = _group_by(resolver, query)
    lowered.group_by_mode = query.group_by_mode
    lowered.having = resolver.maybe(query.having)
    if query.window_exprs:
        windows = {sql_name(name): resolver.window(each) for name, each in query.window_exprs.items()}
        lowered.windows = {name: each for name, each in windows.items() if each is not None}
    lowered.qualify = resolver.maybe(query.qualify)
    if query.order_by:
        lowered.order_by = [resolver.order(each) for each in query.order_by]
    if query.interpolate:
        raise NotSupported("INTERPOLATE is not supported", query.start, query.end)
    if query.limit_by is not None:
        by = query.limit_by
        lowered.limit_by = ast.LimitByExpr(
            n=resolver.expr(by.n),
            exprs=[resolver.expr(each) for each in by.exprs],
            offset_value=resolver.maybe(by.offset_value),
        )
    _check_limit(query)
    lowered.limit = resolver.maybe(query.limit)
    lowered.offset = resolver.maybe(query.offset)
    lowered.prewhere, lowered.where = scope.conditions(where)
    lowered.sources = scope.from_clause()
    return lowered


def _group_by(resolver: Resolver, query: ast.SelectQuery) -> list[Any] | None:
    if query.group_by is None:
        return None
    keys: list[Any] = []
    for each in query.group_by:
        if isinstance(each, ast.GroupingSet):
            keys.append(ast.GroupingSet(exprs=[resolver.expr(key) for key in each.exprs]))
        else:
            keys.append(resolver.expr(each))
    return keys


def _array_join(resolver: Resolver, scope: Scope, query: ast.SelectQuery, lowered: Select) -> None:
    if not query.array_join_op or not query.array_join_list:
        return
    if query.select_from is None:
        raise QueryError("ARRAY JOIN must be used with a FROM clause", query.start, query.end)
    lowered.array_join_op = query.array_join_op
    for each in query.array_join_list:
        if not isinstance(each, ast.Alias):
            raise QueryError("ARRAY JOIN arrays must have an alias", each.start, each.end)
        value = resolver.expr(each.expr)
        lowered.array_join.append(Named(expr=value, name=sql_name(each.alias), type=value.type))
        resolver.declare_alias(each)
        entry = AliasEntry(each)
        entry.resolved = Name(name=sql_name(each.alias), type=element(value.type))
        scope.aliases[each.alias] = entry


# --- FROM -----------------------------------------------------------------------------------------------------------


def _from(resolver: Resolver, scope: Scope, first: ast.JoinExpr) -> None:
    joins: list[ast.JoinExpr] = []
    join: ast.JoinExpr | None = first
    while join is not None:
        joins.append(join)
        join = join.next_join
    keeps_right = any(kept in (each.join_type or "") for each in joins[1:] for kept in _KEEPS_RIGHT)
    for place, each in enumerate(joins):
        source = _source(resolver, scope, each, inline=place == 0 and not keeps_right)
        scope.add(source, each)
        if place == 0:
            continue
        source.join_type = each.join_type or "JOIN"
        if each.constraint is not None:
            _constraint(resolver, source, each.constraint)
        elif "CROSS" not in source.join_type:
            raise QueryError(f"{source.join_type} needs a condition: ON or USING", each.start, each.end)


def _constraint(resolver: Resolver, source: Source, constraint: ast.JoinConstraint) -> None:
    if constraint.constraint_type == "USING":
        source.on = _using(resolver, source, constraint.expr)
        return
    resolver.in_join_condition = True
    try:
        source.on = resolver.expr(constraint.expr)
    finally:
        resolver.in_join_condition = False


def _using(resolver: Resolver, source: Source, expr: ast.Expr) -> Any:
    """USING as the equalities that it stands for: the left side is the first source before this one that has the name."""
    fields = expr.exprs if isinstance(expr, ast.Tuple) else [expr]
    equal: list[Any] = []
    for field in fields:
        if not isinstance(field, ast.Field) or len(field.chain) != 1:
            raise QueryError("USING expects names of columns", field.start, field.end)
        name = str(field.chain[0])
        left = next((each for each in resolver.scope.sources if each is not source and each.has(name)), None)
        if left is None or not source.has(name):
            raise QueryError(f"Unable to resolve field: {name}", field.start, field.end)
        equal.append(native("equals", left.field([name], field), source.field([name], field), type=BOOLEAN))
    return equal[0] if len(equal) == 1 else native("and", *equal, type=BOOLEAN)


def _source(resolver: Resolver, scope: Scope, join: ast.JoinExpr, *, inline: bool) -> Source:
    table = join.table
    if isinstance(table, ast.SelectQuery | ast.SelectSetQuery):
        query = resolver.subquery(table)
        alias = resolver.new_alias()
        return QuerySource(query, join.alias or alias, alias, join.column_aliases)
    if not isinstance(table, ast.Field):
        if isinstance(table, ast.Placeholder):
            resolver.expr(table)
        kind = type(table).__name__
        raise QueryError(
            f"Only selecting from a table or a subquery is supported. Unexpected type: {kind}"
            if not scope.sources
            else f"JoinExpr with table of type {kind} not supported",
            table.start,
            table.end,
        )
    name = join.alias or str(table.chain[-1])
    expanded = _cte_or_view(resolver, scope, table)
    if expanded is not None:
        return QuerySource(expanded, name, resolver.new_alias(), join.column_aliases)
    found = resolver.table_named(table.chain)
    if found is None:
        raise QueryError(f"Unknown table `{'.'.join(map(str, table.chain))}`.", table.start, table.end)
    resolver.table_names[found.name] = None
    source = TableSource(resolver, found, name, resolver.new_alias()) if inline else JoinedSource(resolver, found, name)
    read = source if isinstance(source, TableSource) else source.inner
    read.args, read.final = _table_args(resolver, found, join), join.table_final
    _sample(read, join)
    return source


def _cte_or_view(resolver: Resolver, scope: Scope, table: ast.Field) -> Select | SelectSet | None:
    if len(table.chain) == 1:
        found = scope.cte(str(table.chain[0]))
        if found is not None and found[0].cte_type == "subquery":
            return _expand_cte(resolver, found[0], found[1], table)
        if resolver.table_named(table.chain) is not None:
            return None
    name = ".".join(map(str, table.chain))
    if name in BUILT_IN_VIEWS:
        query = parse_select(BUILT_IN_VIEWS[name])
    elif views := resolver.context.schema.view(name):
        query = views[0].query
    else:
        return None
    resolver.count_expansion(table)
    outer = resolver.scope
    resolver.scope = Scope()
    try:
        return resolver.subquery(query)
    finally:
        resolver.scope = outer


def _expand_cte(resolver: Resolver, cte: ast.CTE, owner: Scope, at: ast.Field) -> Select | SelectSet:
    resolver.count_expansion(at)
    query = cte.expr
    if not isinstance(query, ast.SelectQuery | ast.SelectSetQuery):
        raise QueryError(f"CTE {cte.name} is not a query", at.start, at.end)
    outer = resolver.scope
    resolver.scope = _before(owner, cte)
    try:
        lowered = resolver.subquery(query)
    finally:
        resolver.scope = outer
    if cte.columns:
        for output, name in zip(lowered.outputs, cte.columns, strict=False):
            output.name = name
    return lowered


def _before(owner: Scope, cte: ast.CTE) -> Scope:
    """What a CTE sees: its outer SELECTs' CTEs and those written before it."""
    scope = Scope(owner.parent)
    for name, each in owner.ctes.items():
        if each is cte:
            break
        scope.ctes[name] = each
    return scope


def _table_args(resolver: Resolver, table: Table, join: ast.JoinExpr) -> tuple[Any, ...] | None:
    args = join.table_args
    if table.min_args is None or table.max_args is None:
        if args is not None:
            raise QueryError(f"Table '{table.name}' does not accept arguments", join.start, join.end)
        return None
    if args is None:
        raise QueryError(f"Table function '{table.name}' requires arguments", join.start, join.end)
    for wrong, word, count in (
        (len(args) < table.min_args, "least", table.min_args),
        (len(args) > table.max_args, "most", table.max_args),
    ):
        if wrong:
            plural = "" if count == 1 else "s"
            raise QueryError(
                f"Table function '{table.name}' requires at {word} {count} argument{plural}", join.start, join.end
            )
    return tuple(resolver.expr(arg) for arg in args)


_HASHED = template("cityHash64({0})")
_UP_TO = template("{0} <= {1}")
_ABOVE = template("{0} > {1}")


def _sample(source: TableSource, join: ast.JoinExpr) -> None:
    """SAMPLE by the table's hash, as a condition: the same share of people in every query."""
    if join.sample is None:
        return
    share = _ratio(join.sample.sample_value)
    start = 0.0 if join.sample.offset_value is None else _ratio(join.sample.offset_value)
    if share is None or start is None or not 0 < share <= 1 or not 0 <= start < 1:
        raise QueryError("SAMPLE expects a share between 0 and 1", join.start, join.end)
    if share == 1 and not start:
        return
    if source.table.sample_by is None:
        raise QueryError(f"Table '{source.table.name}' cannot be sampled", join.start, join.end)
    hashed = Template(
        pieces=_HASHED, args=[Column(table=source.alias, name=source.table.sample_by)], type=ANY, harmless=True
    )
    end = min(int((start + share) * _HASHES), _HASHES - 1)
    source.filters.append(Template(pieces=_UP_TO, args=[hashed, constant(end)], type=BOOLEAN, harmless=True))
    if start:
        source.filters.append(
            Template(pieces=_ABOVE, args=[hashed, constant(int(start * _HASHES))], type=BOOLEAN, harmless=True)
        )


def _ratio(node: ast.RatioExpr | ast.Placeholder) -> float | None:
    if not isinstance(node, ast.RatioExpr):
        return None
    left, right = node.left.value, 1 if node.right is None else node.right.value
    if isinstance(left, bool) or not isinstance(left, int | float) or not isinstance(right, int | float) or not right:
        return None
    return float(left) / float(right)
