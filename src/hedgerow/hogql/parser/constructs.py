"""Constructs that a keyword opens: CASE, CAST, INTERVAL, EXTRACT, TRIM, and those that are refused.

Nearly every keyword is also a name. A construct is tried where its keyword is followed by something that fits; when
the attempt fails, the keyword is read as a name (`Cursor.attempt`).
"""

from __future__ import annotations

from hedgerow.hogql import ast
from hedgerow.hogql.keywords import INTERVAL_UNITS
from hedgerow.hogql.parser.names import Names

_EXTRACTED = {
    "SECOND": "toSecond",
    "MINUTE": "toMinute",
    "HOUR": "toHour",
    "DAY": "toDayOfMonth",
    "WEEK": "toISOWeek",
    "MONTH": "toMonth",
    "QUARTER": "toQuarter",
    "YEAR": "toYear",
}

_TRIMS = {"BOTH": "trim", "LEADING": "trimLeft", "TRAILING": "trimRight"}


class Constructs(Names):
    """One method for each keyword; each falls back to a plain name."""

    def case(self) -> ast.Expr:
        if self.kinds[self.pos + 1] == "WHEN" or self.begins_operand(self.pos + 1):
            return self.attempt(self._case_expr) or self.named(self.pos)
        return self.named(self.pos)

    def _case_expr(self) -> ast.Expr:
        """`CASE [x] WHEN a THEN b … [ELSE c] END`."""
        start = self.starts[self.pos]
        self.pos += 1
        args: list[ast.Expr] = []
        compared = not self._when_branch()
        if compared:
            args.append(self.expr())
        self.expect("WHEN")
        self._branch(args)
        while self.accept("WHEN"):
            self._branch(args)
        args.append(self.expr() if self.accept("ELSE") else ast.Constant(None))
        self.expect("END")
        name = "_caseWithExpression" if compared else "if" if len(args) == 3 else "multiIf"
        return ast.Call(name, args, start=start, end=self.end())

    def _when_branch(self) -> bool:
        """Whether the branches begin here, and not with a column named `when` that they are compared to."""
        kinds, position = self.kinds, self.pos
        if kinds[position] != "WHEN":
            return False
        return kinds[position + 1] != "WHEN" or (kinds[position + 2] == "THEN" and kinds[position + 3] != "THEN")

    def _branch(self, args: list[ast.Expr]) -> None:
        args.append(self.expr())
        self.expect("THEN")
        args.append(self.expr())

    def cast(self) -> ast.Expr:
        """`CAST(x AS type)`, `TRY_CAST(x AS type)`; a call of that name when there is no AS."""
        position = self.pos
        place = self._last_as(position + 1) if self.kinds[position + 1] == "(" else -1
        if place < 0:
            return self.named(position)
        self.plain_as.add(place)
        self.pos = position + 2
        node = self.expr()
        self.expect("AS")
        type_name = self.type_name()
        self.expect(")")
        make = ast.TypeCast if self.kinds[position] == "CAST" else ast.TryCast
        return make(node, type_name, start=self.starts[position], end=self.end())

    def _last_as(self, opening: int) -> int:
        """The last AS in these parentheses and not in deeper ones; -1 when a comma follows it or there is none."""
        closing = self.closing(opening)
        place, found = opening + 1, -1
        while place < closing:
            kind = self.kinds[place]
            if kind in {"(", "[", "{"}:
                place = self.closing(place)
            elif kind == "AS":
                found = place
            elif kind == ",":
                found = -1
            place += 1
        return found

    def date_literal(self) -> ast.Expr:
        """`DATE '…'` and `TIMESTAMP '…'` are refused; the words alone are columns."""
        position = self.pos
        if self.kinds[position + 1] == "STRING":
            self.pos += 2
            which = "Date" if self.kinds[position] == "DATE" else "Timestamp"
            raise self.unsupported(f"Unsupported rule: ColumnExpr{which}", self.starts[position])
        return self.named(position)

    def interval(self) -> ast.Expr:
        after, then = self.kinds[self.pos + 1], self.kinds[self.pos + 2]
        if after == "STRING" and then not in INTERVAL_UNITS:
            return self._interval_text()
        if self.begins_operand(self.pos + 1):
            return self.attempt(self._interval_expr) or self.named(self.pos)
        return self.named(self.pos)

    def _interval_expr(self) -> ast.Expr:
        """`INTERVAL 1 DAY`."""
        start = self.starts[self.pos]
        self.pos += 1
        amount = self.expr()
        unit = self.kinds[self.pos]
        if unit not in INTERVAL_UNITS:
            raise self.unexpected("a unit of time")
        self.pos += 1
        return ast.Call(f"toInterval{unit.capitalize()}", [amount], start=start, end=self.end())

    def _interval_text(self) -> ast.Expr:
        """`INTERVAL '1 day'`."""
        start = self.starts[self.pos]
        self.pos += 1
        text = self.string()
        count, space, unit = str(text.value).partition(" ")
        if not space:
            raise self.unsupported("Unsupported interval type: must be in the format '<count> <unit>'", start)
        if not (count.isascii() and count.isdigit()):
            raise self.unsupported(f"Unsupported interval count: '{count}' is not a valid integer", start)
        if len(count) > 18:
            raise self.unsupported(f"Unsupported interval count: '{count}' is too large", start)
        kind = unit.upper().removesuffix("S")
        if kind not in INTERVAL_UNITS:
            raise self.unsupported(f"Unsupported interval unit: {unit}", start)
        amount = ast.Constant(int(count))
        return ast.Call(f"toInterval{kind.capitalize()}", [amount], start=start, end=self.end())

    def substring(self) -> ast.Expr:
        """`substring(a, 1)`; the form with FROM is refused."""
        position = self.pos
        if self.kinds[position + 1] == "(" and self._has_from(position + 1):
            raise self.unsupported("Unsupported rule: ColumnExprSubstring", self.starts[position])
        return self.named(position)

    def _has_from(self, opening: int) -> bool:
        closing = self.closing(opening)
        place = opening + 2
        while place < closing:
            if self.kinds[place] in {"(", "[", "{"}:
                place = self.closing(place)
            elif self.kinds[place] == "FROM" and self.kinds[place - 1] not in {".", ",", "(", "AS"}:
                return self.begins_operand(place + 1)
            place += 1
        return False

    def trim(self) -> ast.Expr:
        """`TRIM(BOTH 'x' FROM a)`."""
        position = self.pos
        name = _TRIMS.get(self.kinds[position + 2]) if self.kinds[position + 1] == "(" else None
        if name is None or self.kinds[position + 3] not in {"STRING", "TEMPLATE"}:
            return self.named(position)
        self.pos = position + 3
        what = self.string() if self.kinds[self.pos] == "STRING" else self.template()
        self.expect("FROM")
        text = self.expr()
        self.expect(")")
        return ast.Call(name, [text, what], start=self.starts[position], end=self.end())

    def extract(self) -> ast.Expr:
        """`EXTRACT(YEAR FROM x)`."""
        position = self.pos
        name = _EXTRACTED.get(self.kinds[position + 2])
        if name is None or self.kinds[position + 1] != "(" or self.kinds[position + 3] != "FROM":
            return self.named(position)
        self.pos = position + 4
        date = self.expr()
        self.expect(")")
        return ast.Call(name, [date], start=self.starts[position], end=self.end())
