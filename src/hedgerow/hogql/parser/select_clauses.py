"""The clauses of a SELECT behind FROM: ARRAY JOIN, GROUP BY, WINDOW, LIMIT."""

from __future__ import annotations

from typing import Literal, cast

from hedgerow.hogql import ast
from hedgerow.hogql.errors import SyntaxError_
from hedgerow.hogql.parser.sources import Sources

#: What may come next when CUBE (…) and the like were all of GROUP BY.
_AFTER_GROUP_BY = frozenset(
    [
        "EOF",
        ")",
        "}",
        ";",
        "WITH",
        "HAVING",
        "QUALIFY",
        "USING",
        "WINDOW",
        "ORDER",
        "LIMIT",
        "OFFSET",
        "SETTINGS",
        "UNION",
        "INTERSECT",
        "EXCEPT",
    ]
)

_GROUPED_BY: dict[str, Literal["cube", "rollup"]] = {"CUBE": "cube", "ROLLUP": "rollup"}


class SelectClauses(Sources):
    """One method for each clause; each writes what it read into the query."""

    def array_join(self, query: ast.SelectQuery) -> None:
        place = self.starts[self.pos]
        operator: Literal["ARRAY JOIN", "LEFT ARRAY JOIN", "INNER ARRAY JOIN"]
        if self.at("ARRAY", "JOIN"):
            operator = "ARRAY JOIN"
        elif self.at("LEFT", "ARRAY", "JOIN"):
            operator = "LEFT ARRAY JOIN"
        elif self.at("INNER", "ARRAY", "JOIN"):
            operator = "INNER ARRAY JOIN"
        else:
            return
        if query.select_from is None:
            message = "Using ARRAY JOIN without a FROM clause is not permitted"
            raise SyntaxError_(message, place, len(self.text))
        self.pos += 2 if operator == "ARRAY JOIN" else 3
        query.array_join_op = operator
        query.array_join_list = self.open_list()
        for expr in query.array_join_list:
            if not isinstance(expr, ast.Alias):
                raise SyntaxError_("ARRAY JOIN arrays must have an alias", expr.start, expr.end)

    def refuse_sample(self) -> None:
        place = self.pos + (self.kinds[self.pos] == "USING")
        if self.kinds[place] == "SAMPLE":
            raise self.unsupported("Unsupported: SelectStmt.sampleClause()", self.starts[place])

    def group_by(self, query: ast.SelectQuery) -> None:
        """`GROUP BY …`, `WITH CUBE`, `WITH ROLLUP`, `WITH TOTALS`.

        Totals are read and dropped, as PostHog does: they would stand beside the rows, where an answer has no place for them.
        """
        if self.accept("GROUP"):
            self.expect("BY")
            self._group_by_list(query)
        if self.kinds[self.pos] == "WITH" and self.kinds[self.pos + 1] in _GROUPED_BY:
            start, word = self.starts[self.pos], self.kinds[self.pos + 1]
            self.pos += 2
            if query.group_by is None or query.group_by_mode is not None:
                raise self.unsupported(f"WITH {word} needs a plain list in GROUP BY", start)
            query.group_by_mode = _GROUPED_BY[word]
        if self.at("WITH", "TOTALS"):
            self.pos += 2

    def _group_by_list(self, query: ast.SelectQuery) -> None:
        kind, after = self.kinds[self.pos], self.kinds[self.pos + 1]
        if kind == "ALL" and after in _AFTER_GROUP_BY:
            self.pos += 1
            query.group_by_mode = "all"
        elif kind in _GROUPED_BY and after == "(" and self._is_all_of_group_by(self.pos + 1):
            self.pos += 2
            query.group_by = self.expr_list(")")
            self.expect(")")
            query.group_by_mode = _GROUPED_BY[kind]
        elif self.at("GROUPING", "SETS", "("):
            self.pos += 3
            query.group_by_mode = "grouping_sets"
            query.group_by = [self._grouping_set()]
            while self.accept(","):
                query.group_by.append(self._grouping_set())
            self.expect(")")
        else:
            query.group_by = self.open_list()

    def _is_all_of_group_by(self, opening: int) -> bool:
        """Whether these parentheses hold something, no SELECT, and nothing of GROUP BY stands behind them."""
        if self.kinds[opening + 1] == "SELECT":
            return False
        closing = self.closing(opening)
        return closing > opening + 1 and (closing + 1 >= len(self.kinds) or self.kinds[closing + 1] in _AFTER_GROUP_BY)

    def _grouping_set(self) -> ast.GroupingSet:
        start = self.starts[self.pos]
        self.expect("(")
        exprs = [] if self.kinds[self.pos] == ")" else self.expr_list(")")
        self.expect(")")
        return ast.GroupingSet(exprs, start=start, end=self.end())

    def windows(self) -> dict[str, ast.WindowExpr]:
        windows: dict[str, ast.WindowExpr] = {}
        while True:
            name = self.name()
            self.expect("AS")
            self.expect("(")
            windows[name] = self.window()
            self.expect(")")
            if not self.accept(","):
                return windows

    # --- LIMIT ------------------------------------------------------------------------------------------------------

    def limits(self, query: ast.SelectQuery) -> None:
        """`LIMIT n [OFFSET m] BY …`, `LIMIT n …`, `OFFSET m`: each once, in this order."""
        start = self.starts[self.pos]
        if self.accept("LIMIT"):
            query.limit = self.expr()
            comma = self.rest_of_limit(query)
            if self.kinds[self.pos] == "BY" and not query.limit_with_ties and not query.limit_percent:
                self._limit_by(query, start, comma=comma)
                if self.accept("LIMIT"):
                    query.limit = self.expr()
                    self.rest_of_limit(query)
                    return
            elif query.offset is not None or self.kinds[self.pos] != "OFFSET":
                return
        self.offset(query)

    def _limit_by(self, query: ast.SelectQuery, start: int, *, comma: bool) -> None:
        """Turn the limit that was read into that of LIMIT BY. `LIMIT a, b BY` means b rows from a."""
        self.pos += 1
        count, offset = (query.offset, query.limit) if comma else (query.limit, query.offset)
        query.limit, query.offset = None, None
        exprs = self.open_list()
        query.limit_by = ast.LimitByExpr(cast("ast.Expr", count), exprs, offset, start=start, end=self.end())

    def rest_of_limit(self, query: ast.SelectQuery) -> bool:
        """`[%] [, m | OFFSET m] [WITH TIES]` behind `LIMIT n`; true when a comma stood before m."""
        query.limit_percent = self.accept("%")
        comma = self.accept(",")
        if comma:
            query.offset = self.expr()
            query.limit_with_ties = self._ties()
        else:
            query.limit_with_ties = self._ties()
            self.offset(query)
        return comma

    def _ties(self) -> bool:
        if self.at("WITH", "TIES"):
            self.pos += 2
            return True
        return False

    def offset(self, query: ast.SelectQuery) -> None:
        if self.accept("OFFSET"):
            query.offset = self.expr()
