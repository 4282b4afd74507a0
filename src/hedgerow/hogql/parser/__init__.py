"""HogQL text to tree: recursive descent over tokens, in linear time and bounded depth (hogql §2).

The parser is one class, put together from parts that each know one kind of thing:
cursor → literals → clauses → calls → operators → markup → columns → operands → sources → selects.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from hedgerow.hogql import ast
from hedgerow.hogql.errors import QueryError, SyntaxError_
from hedgerow.hogql.parser.cursor import MAX_DEPTH, TOO_DEEP
from hedgerow.hogql.parser.selects import Selects
from hedgerow.hogql.placeholders import replace_placeholders
from hedgerow.hogql.tokens import FULL_TEMPLATE, HOGQL, tokenize
from hedgerow.hogql.walk import children

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    N = TypeVar("N", bound=ast.Node)

__all__ = ["MAX_DEPTH", "parse_expr", "parse_order_expr", "parse_select", "parse_template", "parse_tree"]

#: Frames that parsing and walking a tree of MAX_DEPTH may need. Python 3.11 keeps them off the C stack.
_FRAMES = 10 * MAX_DEPTH
sys.setrecursionlimit(max(sys.getrecursionlimit(), 1_000 + _FRAMES))


class _Parser(Selects):
    """The whole parser."""

    def statement(self) -> ast.Expr:
        """A text that is one query, or one tag."""
        if self.kinds[self.pos] == "TAG_OPEN":
            query = self.tag()
        elif self.kinds[self.pos] in {"SELECT", "WITH", "{", "("}:
            query = self.select_set()
        else:
            raise self.unexpected("{SELECT, WITH, '{', '(', '<'}")
        self.accept(";")
        return query


def _parse(text: str, rule: Callable[[_Parser], N], mode: str = HOGQL) -> N:
    """Read the whole text by one rule of the parser."""
    parser = _Parser(tokenize(text, mode))
    if parser.kinds[0] == "EOF" and mode == HOGQL:
        raise SyntaxError_("Empty query", 0, len(text))
    try:
        node = rule(parser)
        parser.expect("EOF", "<EOF>")
    except SyntaxError_ as error:
        furthest = parser.furthest
        if furthest is not None and (furthest.start or 0) > (error.start or 0):
            raise furthest from None
        raise
    if parser.links + 4 * parser.deepest > MAX_DEPTH:
        _check_depth(node)
    return node


def _check_depth(root: ast.Node) -> None:
    """Refuse a tree that is too deep to walk: nesting and chains of operators add up."""
    level = [root]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in children(node)]
        if not level:
            return
    node = level[0]
    raise QueryError(TOO_DEEP, node.start, node.end)


def parse_tree(text: str) -> ast.Expr:
    """The tree of a query as it is written: a SELECT, a set of them, a placeholder, or a tag. Raises HogQLError."""
    return _parse(text, _Parser.statement)


def parse_select(text: str, placeholders: Mapping[str, ast.Expr] | None = None) -> ast.SelectQuery | ast.SelectSetQuery:
    """The tree of a query, with its placeholders filled in when values are given (hogql §8).

    Raises HogQLError: SyntaxError_ with the offending token's position, NotSupported for what the language refuses,
    QueryError when the text is a tag, or a placeholder that no query was given for.
    """
    node: ast.Node = parse_tree(text)
    if placeholders is not None:
        node = replace_placeholders(node, placeholders)
    if not isinstance(node, (ast.SelectQuery, ast.SelectSetQuery)):
        raise QueryError("A query is wanted here: SELECT …", node.start, node.end)
    return node


def parse_expr(text: str, placeholders: Mapping[str, ast.Expr] | None = None) -> ast.Expr:
    """The tree of one expression, with its placeholders filled in when values are given. Raises HogQLError."""
    node = _parse(text, _Parser.expr)
    return node if placeholders is None else replace_placeholders(node, placeholders)


def parse_order_expr(text: str, placeholders: Mapping[str, ast.Expr] | None = None) -> ast.OrderExpr:
    """The tree of one key of ORDER BY, `a DESC`. Raises HogQLError."""
    node = _parse(text, _Parser.order_expr)
    return node if placeholders is None else replace_placeholders(node, placeholders)


def parse_template(text: str) -> ast.Expr:
    r"""The tree of a text with `{expressions}` in it, as in a title: a concat, or its only part. Raises HogQLError.

    `\\\\{` is a brace; quotes mean nothing here.
    """
    return _parse(text, _Parser.full_template, FULL_TEMPLATE)
