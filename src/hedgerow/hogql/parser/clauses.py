"""Parts of clauses that calls need as much as SELECT does: ORDER BY, windows, and lists that a clause ends."""

from __future__ import annotations

from typing import Literal

from hedgerow.hogql import ast
from hedgerow.hogql.keywords import NAMES
from hedgerow.hogql.parser.cursor import STARTERS
from hedgerow.hogql.parser.literals import Literals

_LIST_ENDS = frozenset({"EOF", ")", "]", "}", ";", "EXCEPT", "INTERSECT"})

#: Clauses that one word opens; it may as well be a column unless something stands behind it that cannot follow one.
_ONE_WORD = frozenset({"WHERE", "PREWHERE", "HAVING", "QUALIFY", "LIMIT", "OFFSET", "USING", "SAMPLE", "SETTINGS"})
_NOT_BEHIND_A_COLUMN = STARTERS - {
    *("(", "[", "-", "+", "*", "."),
    *("AND", "OR", "IS", "IN", "LIKE", "ILIKE", "BETWEEN", "NOT", "AS", "IGNORE"),
    *("FROM", "WHERE", "PREWHERE", "GROUP", "HAVING", "QUALIFY", "WINDOW", "ORDER", "LIMIT", "OFFSET", "UNION"),
}

_JOIN_WORDS = ("INNER", "LEFT", "RIGHT", "FULL", "ALL", "ANY", "ASOF", "SEMI", "ANTI", "CROSS", "NATURAL", "POSITIONAL")
_BEHIND_JOIN_WORDS = {"JOIN", "ARRAY", "OUTER", "INNER", "LEFT", "RIGHT", "FULL", "ANY", "ALL", "ASOF", "SEMI", "ANTI"}

#: Clauses that take two words, and what the second one may be.
_TWO_WORDS: dict[str, set[str]] = {
    "GROUP": {"BY"},
    "ORDER": {"BY"},
    "WITH": {"CUBE", "ROLLUP", "TOTALS", "TIES"},
    "ARRAY": {"JOIN"},
    "ROWS": {"BETWEEN", "UNBOUNDED", "CURRENT", "DEC"},
    "RANGE": {"BETWEEN", "UNBOUNDED", "CURRENT", "DEC"},
    "UNION": {"ALL", "DISTINCT", "SELECT", "BY", "WITH", "{"},
    **dict.fromkeys(_JOIN_WORDS, _BEHIND_JOIN_WORDS),
}


class Clauses(Literals):
    """ORDER BY, windows and open lists."""

    def open_list(self) -> list[ast.Expr]:
        """Expressions with no bracket around them; a comma may end the list, and then the next clause begins."""
        exprs = [self.expr()]
        while self.kinds[self.pos] == ",":
            self.pos += 1
            if self.clause_begins():
                break
            exprs.append(self.expr())
        return exprs

    def clause_begins(self, *, clause_first: bool = False) -> bool:
        """Whether what stands here, behind a comma, is the next clause and not one more expression.

        Where both would do, as in `, where (b)`, it is an expression, unless `clause_first`: that is the select list.
        """
        kind, after = self.kinds[self.pos], self.kinds[self.pos + 1]
        if kind in _LIST_ENDS:
            return True
        if kind in _ONE_WORD:
            if after == "NOT" and self.kinds[self.pos + 2] not in {"IN", "LIKE", "ILIKE", "BETWEEN"}:
                return True
            if clause_first and after in {"(", "[", "-", "+", "*", "."}:
                return self.begins_operand(self.pos + 1)
            return after in _NOT_BEHIND_A_COLUMN
        if kind == "FROM":
            return after in NAMES or after in {"(", "{", "TAG_OPEN"}
        if kind == "WINDOW":
            return after in NAMES and self.kinds[self.pos + 2] == "AS"
        return after in _TWO_WORDS.get(kind, ())

    def order_by(self) -> tuple[list[ast.OrderExpr], list[ast.InterpolateExpr] | None]:
        """`ORDER BY … [INTERPOLATE (…)]`."""
        self.expect("ORDER")
        self.expect("BY")
        order_by = self.order_exprs()
        return order_by, self._interpolate()

    def order_exprs(self) -> list[ast.OrderExpr]:
        """The keys of ORDER BY."""
        exprs = [self.order_expr()]
        while self.accept(","):
            exprs.append(self.order_expr())
        return exprs

    def order_expr(self) -> ast.OrderExpr:
        """`expr [ASC|DESC] [NULLS FIRST|LAST] [COLLATE 'x'] [WITH FILL …]`."""
        start = self.starts[self.pos]
        expr = self.expr()
        order: Literal["ASC", "DESC"] = "ASC"
        if self.kinds[self.pos] in {"DESC", "DESCENDING"}:
            self.pos += 1
            order = "DESC"
        else:
            self.accept("ASCENDING")
        nulls: Literal["FIRST", "LAST"] | None = None
        if self.accept("NULLS"):
            nulls = "FIRST" if self.accept("FIRST") else "LAST"
            if nulls == "LAST":
                self.expect("LAST", "{FIRST, LAST}")
        if self.accept("COLLATE"):
            self.expect("STRING", "a string")
        fill = self._with_fill() if self.at("WITH", "FILL") else None
        return ast.OrderExpr(expr, order, nulls, fill, start=start, end=self.end())

    def _with_fill(self) -> ast.WithFillExpr:
        start = self.starts[self.pos]
        self.pos += 2
        first = self.expr() if self.accept("FROM") else None
        last = self.expr() if self.accept("TO") else None
        step = self.expr() if self.accept("STEP") else None
        return ast.WithFillExpr(first, last, step, start=start, end=self.end())

    def _interpolate(self) -> list[ast.InterpolateExpr] | None:
        if not self.accept("INTERPOLATE"):
            return None
        exprs: list[ast.InterpolateExpr] = []
        if self.accept("("):
            exprs.append(self._interpolate_expr())
            while self.accept(","):
                exprs.append(self._interpolate_expr())
            self.expect(")")
        return exprs

    def _interpolate_expr(self) -> ast.InterpolateExpr:
        """`column [AS expr]`. The AS belongs to INTERPOLATE only when more than a name follows it."""
        start = self.starts[self.pos]
        first = self.pos
        expr = self.expr()
        if self.kinds[self.pos] not in {",", ")"} and isinstance(expr, ast.Alias):
            place = self.pos - 2
            self.plain_as.add(place)
            self.pos = first
            expr = self.expr()
        value = self.expr() if self.accept("AS") else None
        return ast.InterpolateExpr(expr, value, start=start, end=self.end())

    def window(self) -> ast.WindowExpr:
        """What stands in the parentheses of a window, which may be nothing."""
        start = self.starts[self.pos]
        partition_by, order_by = None, None
        if self.at("PARTITION", "BY"):
            self.pos += 2
            partition_by = self.open_list()
        if self.at("ORDER", "BY"):
            self.pos += 2
            order_by = self.order_exprs()
        window = ast.WindowExpr(partition_by, order_by)
        if self.kinds[self.pos] in {"ROWS", "RANGE"}:
            window.frame_method = "ROWS" if self.kinds[self.pos] == "ROWS" else "RANGE"
            self.pos += 1
            between = self.accept("BETWEEN")
            window.frame_start = self._frame_bound()
            if between:
                self.expect("AND")
                window.frame_end = self._frame_bound()
        window.start, window.end = start, max(start, self.end())
        return window

    def _frame_bound(self) -> ast.WindowFrameExpr:
        start = self.starts[self.pos]
        if self.at("CURRENT", "ROW"):
            self.pos += 2
            return ast.WindowFrameExpr("CURRENT ROW", start=start, end=self.end())
        amount: ast.Expr | None = None
        if not self.accept("UNBOUNDED"):
            amount = self.expr()
        kind: Literal["PRECEDING", "FOLLOWING"] = "FOLLOWING"
        if self.accept("PRECEDING"):
            kind = "PRECEDING"
        else:
            self.expect("FOLLOWING", "{PRECEDING, FOLLOWING}")
        value: int | ast.Expr | None = amount
        if isinstance(amount, ast.Constant) and type(amount.value) is int and abs(amount.value) < 2**63:
            value = amount.value
        return ast.WindowFrameExpr(kind, value, start=start, end=self.end())
