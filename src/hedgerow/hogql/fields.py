"""From a chain of names to an expression: where a name is looked for, and how a chain goes on (hogql §3, §5)."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from hedgerow.hogql import ast
from hedgerow.hogql.context import Notice
from hedgerow.hogql.database import Column as TableColumn
from hedgerow.hogql.database import Expression, Field, LazyJoin, Ruled, Table, Traverser
from hedgerow.hogql.errors import QueryError
from hedgerow.hogql.lowered import Column, Name, Property, Template, sql_name, template
from hedgerow.hogql.rules import FIELDS
from hedgerow.hogql.rules.timezone import in_zone
from hedgerow.hogql.scopes import Chain, Scope, TableSource, not_found, unresolved
from hedgerow.hogql.types import group_properties

if TYPE_CHECKING:
    from hedgerow.hogql.resolve import Resolver

_LONGEST_HINTED = 64


def resolve_field(resolver: Resolver, node: ast.Field) -> Any:
    """The lowered expression for a name, looked up in the innermost SELECT: alias, then column, then CTE."""
    chain, scope = node.chain, resolver.scope
    name = str(chain[0])
    if name == "*" or chain[-1] == "*":
        raise QueryError("Cannot use '*' here", node.start, node.end)
    if name == "posthog" and len(chain) > 2 and "posthog" not in scope.by_name:
        chain = chain[1:]
        name = str(chain[0])
    source = scope.by_name.get(name) if len(chain) > 1 else None
    if source is not None and scope.argument(name) is None:
        return _remarked(resolver, node, resolver.finish(source.field(chain[1:], node), chain))
    local = _local(resolver, scope, name)
    if local is not None:
        return resolver.finish(_continued(local, chain, node), chain)
    holders = scope.holders(name)
    if len(holders) > 1:
        raise QueryError(f"Ambiguous query. Found multiple sources for field: {name}", node.start, node.end)
    if holders:
        return _remarked(resolver, node, resolver.finish(holders[0].field(chain, node), chain))
    return _cte_column(resolver, scope, node, name)


def _remarked(resolver: Resolver, node: ast.Field, found: Any) -> Any:
    """The field of a table, with a remark for an editor on what it is."""
    remark = found.remark
    if remark is None:
        remark = f"Field '{node.chain[-1]}' is of type '{found.type.title}'"
    if remark and node.start is not None and node.end is not None:
        resolver.notices.append(Notice(remark, node.start, node.end))
    return found


def _local(resolver: Resolver, scope: Scope, name: str) -> Any:
    """An argument of a lambda or an alias of this SELECT."""
    argument = scope.argument(name)
    if argument is not None:
        return Name(name=sql_name(name), type=argument)
    entry = scope.aliases.get(name)
    if entry is None or entry.busy:
        return None
    value = resolver.alias_value(entry)
    return Name(name=sql_name(name), type=value.type)


def _continued(base: Name, chain: Chain, node: ast.Field) -> Any:
    if len(chain) == 1:
        return base
    if base.type.family == "JSON":
        return Property(base=base, path=list(chain[1:]), type=base.type)
    raise unresolved(chain, chain[1], node)


def _cte_column(resolver: Resolver, scope: Scope, node: ast.Field, name: str) -> Any:
    found = scope.cte(name)
    if found is None:
        raise QueryError(f"Unable to resolve field: {name}{_hint(scope, node.chain)}", node.start, node.end)
    cte, _owner = found
    if len(node.chain) > 1:
        raise QueryError(f"Cannot access fields on CTE {name} yet", node.start, node.end)
    if cte.cte_type == "subquery":
        raise QueryError(
            f"Cannot use table CTE {name} as a value. Use it in a FROM clause instead.", node.start, node.end
        )
    resolver.count_expansion(node)
    return resolver.expr(cte.expr)


def _hint(scope: Scope, chain: Chain) -> str:
    """`. Did you mean: timestamp?`: the nearest of this SELECT's names, or of its sources' where more follows."""
    name = str(chain[0])
    if len(name) > _LONGEST_HINTED:
        return ""
    fields = scope.by_name if len(chain) > 1 else (each for source in scope.sources for each in source.names())
    names = [each for each in (*fields, *scope.aliases) if each != name]
    near = get_close_matches(name, names, 1)
    return f". Did you mean: {near[0]}?" if near else ""


def table_field(resolver: Resolver, source: TableSource, field: Field | None, chain: Chain, at: ast.Node) -> Any:
    """The expression for a chain that begins with a field of a table."""
    rest = chain[1:]
    if field is None:
        field = group_type_field(resolver, source.table, str(chain[0]))
        if field is None:
            raise not_found(chain[0], at)
    if isinstance(field, TableColumn):
        return _column(resolver, source, field, chain, at)
    if isinstance(field, Ruled):
        return FIELDS[field.rule](resolver, source, rest, at)
    if isinstance(field, Traverser):
        return source.field([*field.chain, *rest], at)
    if isinstance(field, Expression):
        if rest:
            raise unresolved(chain, rest[0], at)
        return resolver.expression_field(source, field.hogql)
    if not rest:
        raise QueryError(f"Can't select a table when a column is expected: {field.name}", at.start, at.end)
    if isinstance(field, LazyJoin):
        return source.lazy(field, at).field(rest, at)
    inner = field.field(str(rest[0]))
    if inner is None:
        raise not_found(rest[0], at)
    return table_field(resolver, source, inner, rest, at)


def _column(resolver: Resolver, source: TableSource, field: TableColumn, chain: Chain, at: ast.Node) -> Any:
    kind = field.type
    if field.sql is not None:
        if len(chain) > 1:
            raise unresolved(chain, chain[1], at)
        sql = field.sql if isinstance(field.sql, str) else field.sql(resolver.context.modifiers)
        computed = Template(pieces=template(sql), args=[Name(name=source.alias)], type=kind)
        return in_zone(computed, resolver.zone) if kind.family == "DateTime" else computed
    if kind.family == "JSON" and kind.owner == "group" and source.group_index is not None:
        kind = group_properties(source.group_index)
    column = Column(table=source.alias, name=field.clickhouse, type=kind)
    if kind.family == "JSON":
        if len(chain) == 1:
            return column
        return Property(base=column, path=list(chain[1:]), source=source.table.clickhouse, type=kind)
    if len(chain) > 1:
        raise unresolved(chain, chain[1], at)
    if kind.family == "DateTime":
        return in_zone(column, resolver.zone)
    return column


def group_type_field(resolver: Resolver, table: Table, name: str) -> Field | None:
    """`organization` on events is `group_0` where that is the first group type's name."""
    if table.name != "events":
        return None
    index = resolver.context.schema.group_type_index(name)
    return None if index is None else table.fields.get(f"group_{index}")


def label_of(chain: Chain, resolved: Any) -> str:
    """What a result column is called that holds this field (hogql §3)."""
    if isinstance(resolved, Property):
        return "__".join(map(str, resolved.path))
    return resolved.label or str(chain[-1])
