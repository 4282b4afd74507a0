"""SELECT, CTEs, and sets of queries."""

from __future__ import annotations

from typing import cast

from hedgerow.hogql import ast
from hedgerow.hogql.errors import SyntaxError_
from hedgerow.hogql.keywords import IMPLICIT_ALIASES, NAMES
from hedgerow.hogql.parser.select_clauses import SelectClauses
from hedgerow.hogql.parser.sources import Query


class Selects(SelectClauses):
    """`select_set`."""

    # --- sets -------------------------------------------------------------------------------------------------------

    def select_set(self) -> Query:
        """One SELECT or several, combined."""
        self.enter()
        start = self.starts[self.pos]
        query = self._set_after(self._set_member(), start)
        self.depth -= 1
        return query

    def rest_of_set(self, first: ast.Expr, start: int) -> Query:
        """What follows a query in parentheses that was read already."""
        return self._set_after(cast("Query", first), start)

    def _set_after(self, first: Query, start: int) -> Query:
        rest: list[ast.SelectSetNode] = []
        while self.kinds[self.pos] in {"UNION", "INTERSECT", "EXCEPT"}:
            node_start = self.starts[self.pos]
            operator = self._set_operator()
            query = self._set_member()
            rest.append(ast.SelectSetNode(query, operator, start=node_start, end=self.end()))
        query = ast.SelectSetQuery(first, rest, start=start, end=self.end()) if rest else first
        return self._with_limits(query, start)

    def _set_operator(self) -> ast.SetOperator:
        word = self.kinds[self.pos]
        self.pos += 1
        if self.accept("ALL"):
            word += " ALL"
        elif word != "EXCEPT" and self.accept("DISTINCT"):
            word += " DISTINCT"
        elif word == "UNION":
            word = "UNION DISTINCT"
        if self.at("BY", "NAME"):
            self.pos += 2
            word += " BY NAME"
        return cast("ast.SetOperator", word)

    def _set_member(self) -> Query:
        """One query of a set: a SELECT, a set in parentheses, a placeholder."""
        kind = self.kinds[self.pos]
        if kind == "SELECT":
            return self._select(None, self.starts[self.pos])
        if kind == "(":
            self.pos += 1
            query = self.select_set()
            self.expect(")")
            return query
        if kind == "{":
            return self.placeholder()
        if kind != "WITH":
            raise self.unexpected("{SELECT, WITH, '{', '('}")
        start = self.starts[self.pos]
        ctes = self._with()
        if self.kinds[self.pos] == "(":
            self.pos += 1
            query = self.select_set()
            self.expect(")")
            _give_ctes(query, ctes)
            return query
        return self._select(ctes, start)

    def _with_limits(self, query: Query, start: int) -> Query:
        """ORDER BY, LIMIT and OFFSET behind a query in parentheses or behind a set."""
        if self.at("ORDER", "BY"):
            place = self.starts[self.pos]
            order_by, interpolate = self.order_by()
            self._give_order(query, order_by, interpolate, place)
        if self.kinds[self.pos] not in {"LIMIT", "OFFSET"}:
            return query
        limits = ast.SelectQuery([])
        if self.accept("LIMIT"):
            limits.limit = self.expr()
            self.rest_of_limit(limits)
        else:
            self.offset(limits)
        if not isinstance(query, ast.Placeholder):
            query.limit = limits.limit or query.limit
            query.offset = limits.offset or query.offset
            query.limit_percent |= limits.limit_percent
            query.limit_with_ties |= limits.limit_with_ties
            if query.start == start and isinstance(query, ast.SelectSetQuery):
                query.end = self.end()
        return query

    def _give_order(
        self, query: Query, order_by: list[ast.OrderExpr], interpolate: list[ast.InterpolateExpr] | None, place: int
    ) -> None:
        """Sort a query that is complete already; it must not have been cut to a limit before."""
        if isinstance(query, ast.Placeholder):
            raise self.unsupported("ORDER BY behind a placeholder is not supported", place)
        if query.order_by is not None or query.limit is not None or query.offset is not None:
            raise self.unsupported("ORDER BY behind a query that has ORDER BY or LIMIT is not supported", place)
        query.order_by = order_by
        if isinstance(query, ast.SelectQuery):
            query.interpolate = interpolate
        elif interpolate is not None:
            raise self.unsupported("INTERPOLATE behind a set of queries is not supported", place)

    # --- WITH -------------------------------------------------------------------------------------------------------

    def _with(self) -> list[ast.CTE]:
        """`WITH [RECURSIVE] …`: a comma may end the list."""
        self.expect("WITH")
        recursive = self.kinds[self.pos] == "RECURSIVE" and self.kinds[self.pos + 1] not in {"AS", ".", "(", ","}
        self.pos += recursive
        ctes = [self._cte(recursive=recursive)]
        while self.accept(","):
            if self.kinds[self.pos] in {"SELECT", "("} and self._list_is_over():
                break
            ctes.append(self._cte(recursive=recursive))
        return ctes

    def _list_is_over(self) -> bool:
        """Whether the comma before was the last of WITH."""
        if self.kinds[self.pos] == "SELECT":
            return self.begins_select()
        return self.kinds[self.closing(self.pos) + 1] != "AS"

    def _cte(self, *, recursive: bool) -> ast.CTE:
        start = self.starts[self.pos]
        position = self.pos
        columns, using_key, materialized = None, None, None
        name = self._table_cte_head()
        if name is not None:
            if self.kinds[self.pos] == "(":
                columns = self.name_list()
            if self.accept("USING"):
                self.expect("KEY")
                using_key = self.name_list()
            self.expect("AS")
            if self.accept("NOT"):
                self.expect("MATERIALIZED")
                materialized = False
            elif self.accept("MATERIALIZED"):
                materialized = True
            self.expect("(")
            query = self.select_set()
            self.expect(")")
            return ast.CTE(
                name, query, "subquery", recursive, materialized, columns, using_key, start=start, end=self.end()
            )
        self.pos = position
        expr, name = self.aliased()
        return ast.CTE(name, expr, "column", recursive, start=start, end=self.end())

    def _table_cte_head(self) -> str | None:
        """The name of a table CTE, when this is one: `name [(a, b)] [USING KEY (c)] AS [NOT MATERIALIZED] (`."""
        kinds, place = self.kinds, self.pos + 1
        if kinds[self.pos] not in NAMES:
            return None
        if kinds[place] == "(":
            place = self.closing(place) + 1
        if kinds[place : place + 2] == ["USING", "KEY"]:
            return self.name()
        if place >= len(kinds) or kinds[place] != "AS":
            return None
        place += 1
        if kinds[place] == "(" or "MATERIALIZED" in kinds[place : place + 2]:
            return self.name()
        return None

    # --- SELECT -----------------------------------------------------------------------------------------------------

    def _select(self, ctes: list[ast.CTE] | None, start: int) -> ast.SelectQuery:
        self.expect("SELECT")
        query = ast.SelectQuery([], ctes, start=start)
        if self.kinds[self.pos] == "DISTINCT" and self._is_distinct_select():
            query.distinct = True
            self.pos += 1
        if self.at("TOP", "DEC") and (self.begins_operand(self.pos + 2) or self.kinds[self.pos + 2] == "WITH"):
            raise self.unsupported("Unsupported: SelectStmt.topClause()", start)
        query.select = self._columns()
        if self.accept("FROM"):
            query.select_from = self.joins()
        self.array_join(query)
        if self.accept("PREWHERE"):
            query.prewhere = self.expr()
        if self.accept("WHERE"):
            query.where = self.expr()
        self.refuse_sample()
        if self.kinds[self.pos] in {"GROUP", "WITH"}:
            self.group_by(query)
        if self.accept("HAVING"):
            query.having = self.expr()
        if self.accept("QUALIFY"):
            query.qualify = self.expr()
        self.refuse_sample()
        if self.accept("WINDOW"):
            query.window_exprs = self.windows()
        if self.kinds[self.pos] == "ORDER":
            query.order_by, query.interpolate = self.order_by()
        self.limits(query)
        if self.kinds[self.pos] == "SETTINGS":
            raise self.unsupported("Unsupported: SelectStmt.settingsClause()", self.starts[self.pos])
        query.end = self.end()
        return query

    def _is_distinct_select(self) -> bool:
        """Whether the word DISTINCT behind SELECT is not a column of that name."""
        after = self.kinds[self.pos + 1]
        if after in {"*", "FROM"}:
            then = self.kinds[self.pos + 2]
            return then in IMPLICIT_ALIASES or (after == "*" and self.begins_operand(self.pos + 1))
        return after == "AS" or self.begins_operand(self.pos + 1)

    def _columns(self) -> list[ast.Expr]:
        """The select list; a comma may end it."""
        columns = [self._column(first=True)]
        while self.kinds[self.pos] == ",":
            self.pos += 1
            if self.clause_begins(clause_first=True):
                break
            columns.append(self._column(first=False))
        return columns

    def _column(self, *, first: bool) -> ast.Expr:
        """`expr`, `expr alias`, `alias: expr`."""
        position, start = self.pos, self.starts[self.pos]
        kind, after = self.kinds[position], self.kinds[position + 1]
        if kind == "FROM" and after in IMPLICIT_ALIASES and first:
            raise SyntaxError_('Cannot use "from" before an implicit alias', start, self.ends[position + 1])
        if after == ":" and kind in NAMES:
            alias = self.name()
            self.check_alias(position, alias)
            self.pos += 1
            expr = self.expr()
            return ast.Alias(alias, expr, start=start, end=self.end())
        expr = self.expr()
        position = self.pos
        if self.kinds[position] in IMPLICIT_ALIASES:
            alias = self.name()
            self.check_alias(position, alias)
            return ast.Alias(alias, expr, start=start, end=self.end())
        return expr


def _give_ctes(query: Query, ctes: list[ast.CTE]) -> None:
    """Put CTEs that stand before a parenthesis into its first SELECT, behind its own."""
    while isinstance(query, ast.SelectSetQuery):
        query = query.initial_select_query
    if isinstance(query, ast.SelectQuery):
        query.ctes = [*(query.ctes or []), *ctes]
