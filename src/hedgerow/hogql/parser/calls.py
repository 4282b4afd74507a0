"""Calls of functions: arguments, parameters, DISTINCT, ORDER BY, FILTER, WITHIN GROUP and OVER."""

from __future__ import annotations

from typing import NamedTuple

from hedgerow.hogql import ast
from hedgerow.hogql.parser.clauses import Clauses

QUERIES = (ast.SelectQuery, ast.SelectSetQuery, ast.Placeholder)
_GOES_ON_AS_SET = frozenset({"UNION", "INTERSECT", "EXCEPT", "LIMIT", "OFFSET"})


class _Group(NamedTuple):
    """One pair of parentheses of a call."""

    args: list[ast.Expr]
    distinct: bool
    order_by: list[ast.OrderExpr] | None

    @property
    def plain(self) -> bool:
        return not self.distinct and self.order_by is None


class Calls(Clauses):
    """`call` and what it is made of."""

    def call(self, name: str, start: int) -> ast.Expr:
        """A call of a named function whose opening parenthesis is next."""
        if self._query_inside():
            return ast.Call(name, self._query_argument(), start=start, end=self.end())
        group, params = self._group(), None
        if group.plain and self.kinds[self.pos] == "WITHIN":
            return self._within_group(name, group.args, start)
        if group.plain and self.kinds[self.pos] == "(" and not self._query_inside():
            params, group = group.args, self._group()
        condition = self._filter()
        if self.kinds[self.pos] == "OVER" and group.order_by is None and (params is not None or not group.distinct):
            if group.distinct:
                raise self.unsupported(f"DISTINCT is not supported in '{name}(…) OVER'", start)
            return self._over(name, params, group.args, condition, start)
        return ast.Call(
            name, group.args, params, group.distinct, group.order_by, condition, start=start, end=self.end()
        )

    def _query_inside(self) -> bool:
        """Whether the parenthesis here opens on a SELECT."""
        self.pos += 1
        inside = self.begins_select()
        self.pos -= 1
        return inside

    def _query_argument(self) -> list[ast.Expr]:
        self.pos += 1
        query = self.select_set()
        self.expect(")")
        return [query]

    def arguments(self) -> list[ast.Expr]:
        """`(a, b)` of any call, or `(SELECT …)`."""
        if self._query_inside():
            return self._query_argument()
        return self._group(plain=True).args

    def begins_select(self) -> bool:
        """Whether a SELECT stands here, and not a column named `select` or `with`."""
        if self.kinds[self.pos] not in {"SELECT", "WITH"}:
            return False
        after = self.kinds[self.pos + 1]
        if after == "*":
            return self.kinds[self.pos + 2] not in {"DEC", "FLOAT", "STRING", "(", "COLUMNS"}
        return after == "AS" or self.begins_operand(self.pos + 1)

    def _group(self, *, plain: bool = False) -> _Group:
        """`([DISTINCT] a, b [ORDER BY c])`; nothing but expressions when `plain`."""
        self.expect("(")
        kinds = self.kinds
        if kinds[self.pos] == ")":
            self.pos += 1
            return _Group([], False, None)
        distinct = not plain and kinds[self.pos] == "DISTINCT" and self._is_distinct()
        self.pos += distinct
        args: list[ast.Expr] = []
        if kinds[self.pos] != ")" and not self._at_order_by():
            args = self._list_or_query()
        order_by = None
        if not plain and self._at_order_by():
            self.pos += 2
            order_by = self.order_exprs()
        self.expect(")")
        return _Group(args, distinct, order_by)

    def _is_distinct(self) -> bool:
        """Whether the word DISTINCT here is not a column of that name."""
        after = self.kinds[self.pos + 1]
        return after == ")" or self.begins_operand(self.pos + 1)

    def _at_order_by(self) -> bool:
        return self.kinds[self.pos] == "ORDER" and self.kinds[self.pos + 1] == "BY"

    def _list_or_query(self) -> list[ast.Expr]:
        """The expressions before `)` or ORDER BY, or the one query that `(…) UNION ALL …` is."""
        start = self.starts[self.pos]
        exprs = [self.expr()]
        if self.kinds[self.pos] in _GOES_ON_AS_SET and isinstance(exprs[0], QUERIES):
            return [self.rest_of_set(exprs[0], start)]
        while self.kinds[self.pos] == ",":
            self.pos += 1
            if self.kinds[self.pos] == ")" or self._at_order_by():
                break
            exprs.append(self.expr())
        return exprs

    def _within_group(self, name: str, params: list[ast.Expr], start: int) -> ast.Expr:
        self.pos += 1
        self.expect("GROUP")
        self.expect("(")
        order_by, _ = self.order_by()
        self.expect(")")
        return ast.Call(name, [], params, within_group=order_by, start=start, end=self.end())

    def _filter(self) -> ast.Expr | None:
        """`FILTER (WHERE condition)`."""
        if not self.at("FILTER", "(", "WHERE"):
            return None
        self.pos += 3
        condition = self.expr()
        self.expect(")")
        return condition

    def _over(
        self, name: str, params: list[ast.Expr] | None, args: list[ast.Expr], condition: ast.Expr | None, start: int
    ) -> ast.Expr:
        """`OVER w`, `OVER (…)`."""
        self.pos += 1
        window, window_name = None, None
        if self.accept("("):
            window = self.window()
            self.expect(")")
        else:
            window_name = self.name("'('")
        exprs, args = (args, []) if params is None else (params, args)
        return ast.WindowFunction(name, exprs, args, window, window_name, condition, start=start, end=self.end())
