"""Several columns at once: `*`, `t.* EXCLUDE (…)`, `COLUMNS(…)`, `(* REPLACE (…))`."""

from __future__ import annotations

from hedgerow.hogql import ast
from hedgerow.hogql.keywords import NAMES
from hedgerow.hogql.parser.cursor import unquote
from hedgerow.hogql.parser.markup import Markup


class Columns(Markup):
    """`asterisk`, `columns` and the lists behind them."""

    def asterisk(self) -> ast.Expr:
        """`*`, `* EXCLUDE (a)`, `*COLUMNS(…)`."""
        position = self.pos
        start = self.starts[position]
        self.pos = position + 1
        if self.at("COLUMNS", "("):
            columns = self.columns()
            if isinstance(columns, ast.ColumnsExpr) and not columns.all_columns:
                return ast.SpreadExpr(columns, start=start, end=self.end())
            self.pos = position + 1
            raise self.unexpected("<EOF>")
        return self.excluded(ast.Field(["*"], start=start, end=self.end()))

    def excluded(self, field: ast.Field) -> ast.Expr:
        """`EXCLUDE (a, b.c)` behind an asterisk, or the asterisk as it is."""
        if not self.at("EXCLUDE", "("):
            return field
        self.pos += 1
        exclude = self._excluded_names()
        return ast.ColumnsExpr(all_columns=True, exclude=exclude, start=field.start, end=self.end())

    def _excluded_names(self) -> list[str]:
        self.expect("(")
        names = [self._dotted()]
        while self.accept(","):
            if self.kinds[self.pos] == ")":
                break
            names.append(self._dotted())
        self.expect(")")
        return names

    def _dotted(self) -> str:
        parts = [self.name()]
        while self.accept("."):
            parts.append(self.name())
        return ".".join(parts)

    def columns(self) -> ast.Expr:
        """`COLUMNS('regex')`, `COLUMNS(a, b)`, `COLUMNS(* EXCLUDE (a) REPLACE (b AS c))`; else a name."""
        position = self.pos
        start = self.starts[position]
        if self.kinds[position + 1] != "(":
            return self._plain_name()
        after = self.kinds[self.closing(position + 1) + 1]
        if self.kinds[position + 2] in {")", "DISTINCT"} or after in {"OVER", "FILTER", "WITHIN"}:
            self.pos = position + 1
            return self.call(self.word(position), start)
        self.pos = position + 2
        if self.at("STRING", ")"):
            self.pos += 2
            return ast.ColumnsExpr(regex=unquote(self.word(self.pos - 2)), start=start, end=self.end())
        replaced = self._replaced(start)
        if replaced is not None:
            return replaced
        columns = self.expr_list(")")
        self.expect(")")
        return ast.ColumnsExpr(columns=columns, start=start, end=self.end())

    def _plain_name(self) -> ast.Expr:
        """The word COLUMNS as a name: alone, before a dot, before an arrow."""
        position = self.pos
        if self.kinds[position + 1] == "." and self.kinds[position + 2] in NAMES:
            chain: list[str | int] = [self.name()]
            while self.kinds[self.pos] == "." and self.kinds[self.pos + 1] in NAMES:
                self.pos += 1
                chain.append(self.name())
            return ast.Field(chain, start=self.starts[position], end=self.end())
        return ast.Field([self.name()], start=self.starts[position], end=self.end())

    def replaced_in_parentheses(self, start: int) -> ast.Expr | None:
        """`(* REPLACE (b AS c))` behind its opening parenthesis; None when this is something else."""
        return self._replaced(start)

    def _replaced(self, start: int) -> ast.Expr | None:
        """`[t.]* [EXCLUDE (…)] REPLACE (…))`; None, with nothing read, when there is no REPLACE."""
        position = self.pos
        if self.kinds[self.pos] in NAMES and self.kinds[self.pos + 1] == ".":
            self.pos += 2
        exclude = None
        if self.accept("*"):
            if self.at("EXCLUDE", "("):
                self.pos += 1
                exclude = self._excluded_names()
            if self.at("REPLACE", "("):
                self.pos += 2
                replace = self._replacements()
                self.expect(")")
                self.expect(")")
                return ast.ColumnsExpr(all_columns=True, exclude=exclude, replace=replace, start=start, end=self.end())
        self.pos = position
        return None

    def _replacements(self) -> dict[str, ast.Expr]:
        replace: dict[str, ast.Expr] = {}
        while True:
            expr, name = self.aliased()
            replace[name] = expr
            if not self.accept(","):
                return replace

    def aliased(self) -> tuple[ast.Expr, str]:
        """`expr AS name`, where the alias is required and is not a part of the expression."""
        first = self.pos
        expr = self.expr()
        if self.kinds[self.pos] != "AS" and self.kinds[self.pos - 2] == "AS" and self.kinds[self.pos - 1] in NAMES:
            # The expression took the alias for its own: read it once more, without.
            self.plain_as.add(self.pos - 2)
            self.pos = first
            expr = self.expr()
        self.expect("AS")
        return expr, self.name()

    def positional(self) -> ast.Expr:
        """`#1`."""
        position = self.pos
        self.pos += 1
        self.expect("DEC", "a number")
        return ast.PositionalRef(self.place(position + 1), start=self.starts[position], end=self.end())
