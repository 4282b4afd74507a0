"""The columns of a SELECT: what `*` stands for, what each is called (hogql §3)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import re2

from hedgerow.hogql import ast
from hedgerow.hogql.errors import NotSupported, QueryError
from hedgerow.hogql.lowered import RESERVED, Output, sql_name
from hedgerow.hogql.markup import without_markup
from hedgerow.hogql.print_hogql import print_hogql
from hedgerow.hogql.scopes import Source

if TYPE_CHECKING:
    from hedgerow.hogql.resolve import Resolver

_LONGEST_NAME = 512
_LAYOUT = re.compile(r"(\()\n *|\n *(\))|\n *")
"""Line breaks of a printed query: those of a text in quotes are escaped."""


def outputs_of(resolver: Resolver, query: ast.SelectQuery) -> list[Output]:
    """The columns, each with the name that people see and the one that ClickHouse sees."""
    outputs: list[Output] = []
    for node in query.select:
        outputs.extend(_outputs(resolver, node))
    _name_for_clickhouse(outputs)
    return outputs


def _outputs(resolver: Resolver, node: ast.Expr) -> Iterator[Output]:
    if isinstance(node, ast.Alias) and not node.hidden:
        value = resolver.alias_value(resolver.declare_alias(node))
        yield Output(node.alias, sql_name(node.alias), value, value.type, named_by_writer=True)
    elif isinstance(node, ast.Field) and node.chain[-1] == "*":
        for source, name in _starred(resolver, node):
            yield _column(resolver, source, name, node)
    elif isinstance(node, ast.ColumnsExpr):
        yield from _columns(resolver, node)
    else:
        value = resolver.expr(node)
        yield Output(_name(without_markup(node) if resolver.has_markup else node, value), "", value, value.type)


def _name(node: ast.Node, value: Any) -> str:
    """The alias, the last part of a field, or the expression itself."""
    if isinstance(node, ast.Alias):
        return node.alias
    if isinstance(node, ast.Field):
        return getattr(value, "label", None) or str(node.chain[-1])
    label = getattr(value, "label", None)
    if isinstance(node, ast.ArrayAccess | ast.TupleAccess) and label:
        return label
    text = print_hogql(node)
    if isinstance(node, ast.SelectQuery | ast.SelectSetQuery):
        text = f"({text})"
    return _LAYOUT.sub(_on_one_line, text) if "\n" in text else text


def _on_one_line(space: re.Match[str]) -> str:
    """A break between two words of a query is a space, one beside a parenthesis is nothing."""
    opened, closed = space.group(1), space.group(2)
    return opened or closed or " "


def _starred(resolver: Resolver, node: ast.Field) -> list[tuple[Source, str]]:
    """`*` and `table.*` as the sources and names that they stand for."""
    scope, chain = resolver.scope, node.chain
    if len(chain) == 1:
        if not scope.sources:
            raise QueryError("Cannot use '*' when there are no tables in the query", node.start, node.end)
        if len(scope.sources) > 1:
            raise QueryError(
                "Cannot use '*' without table name when there are multiple tables in the query", node.start, node.end
            )
        source = scope.sources[0]
    else:
        found = scope.by_name.get(str(chain[0])) if len(chain) == 2 else None
        if found is None:
            raise QueryError(f"Unable to resolve field: {'.'.join(map(str, chain))}", node.start, node.end)
        source = found
    return [(source, name) for name in source.stars()]


def _column(resolver: Resolver, source: Source, name: str, at: ast.Node) -> Output:
    value = resolver.finish(source.field([name], at), [name])
    return Output(name, "", value, value.type)


def _columns(resolver: Resolver, node: ast.ColumnsExpr) -> Iterator[Output]:
    """`COLUMNS('regex')`, `COLUMNS(a, b)`, `* EXCLUDE (…) REPLACE (…)`."""
    if node.columns is not None:
        for each in node.columns:
            yield from _outputs(resolver, each)
        return
    if node.all_columns and len(resolver.scope.sources) > 1:
        raise QueryError(
            "Cannot use '*' EXCLUDE or REPLACE when there are multiple tables in the query", node.start, node.end
        )
    pattern = None
    if node.regex is not None:
        try:
            pattern = re2.compile(node.regex)
        except re2.error:
            raise QueryError(f"COLUMNS: '{node.regex}' is not a regular expression", node.start, node.end) from None
    excluded, replaced = set(node.exclude or ()), dict(node.replace or {})
    found = False
    for source in resolver.scope.sources:
        for name in source.stars():
            if name in excluded or (pattern is not None and pattern.search(name) is None):
                continue
            found = True
            replacement = replaced.get(name)
            if replacement is None:
                yield _column(resolver, source, name, node)
            else:
                value = resolver.expr(replacement)
                yield Output(name, "", value, value.type)
    if not found:
        raise NotSupported("COLUMNS found no column", node.start, node.end)


def _name_for_clickhouse(outputs: list[Output]) -> None:
    """Give every column that the writer did not name a ClickHouse name: its own where that is free."""
    taken = {output.sql for output in outputs if output.named_by_writer}
    for place, output in enumerate(outputs):
        if output.named_by_writer:
            continue
        name = sql_name(output.name)
        if name in taken or len(name) > _LONGEST_NAME or not name:
            name = f"{RESERVED}c{place}"
        output.sql = name
        taken.add(name)
