"""Operands: names, literals, brackets, and the constructs that a keyword opens.

Nearly every keyword is also a name. A construct is tried where its keyword is followed by something that fits; when
the attempt fails, the keyword is read as a name (`Cursor.attempt`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hedgerow.hogql import ast
from hedgerow.hogql.parser.calls import QUERIES
from hedgerow.hogql.parser.columns import Columns
from hedgerow.hogql.parser.cursor import unquote
from hedgerow.hogql.parser.operators import NEGATE, NOT
from hedgerow.hogql.tokens import INTERVAL_UNITS, NAMES

if TYPE_CHECKING:
    from collections.abc import Callable

_GOES_ON_AS_SET = frozenset({"UNION", "INTERSECT", "EXCEPT", "ORDER", "LIMIT", "OFFSET"})

_EXTRACTED = {
    **{"SECOND": "toSecond", "MINUTE": "toMinute", "HOUR": "toHour", "DAY": "toDayOfMonth"},
    **{"WEEK": "toISOWeek", "MONTH": "toMonth", "QUARTER": "toQuarter", "YEAR": "toYear"},
}

_TRIMS = {"BOTH": "trim", "LEADING": "trimLeft", "TRAILING": "trimRight"}


class Operands(Columns):
    """`operand`."""

    def operand(self) -> ast.Expr:
        """One expression without operators."""
        position = self.pos
        kind = self.kinds[position]
        if kind == "IDENT":
            return self._named(position)
        read = _BEGINNINGS.get(kind)
        if read is not None:
            return read(self)
        if kind in NAMES:
            return self._named(position)
        self.unexpected("an expression")

    # --- names ------------------------------------------------------------------------------------------------------

    def _named(self, position: int) -> ast.Expr:
        """What begins with a name: a field, a call, a lambda, a named argument."""
        kinds = self.kinds
        start = self.starts[position]
        name = self.text[start : self.ends[position]]
        if kinds[position] == "QIDENT":
            name = unquote(name)
        following = kinds[position + 1]
        if following == ".":
            return self._field(name, start)
        if following == "(":
            self.pos = position + 1
            return self.call(name, start)
        if following in {",", "->"} and self.lambda_arrow(position) >= 0:
            return self._lambda(start)
        if following == ":=":
            self.pos = position + 2
            value = self.expr()
            return ast.NamedArgument(name, value, start=start, end=self.end())
        self.pos = position + 1
        end = self.ends[position]
        if len(name) <= 5 and kinds[position] == "IDENT":
            lowered = name.lower()
            if lowered in {"true", "false"}:
                return ast.Constant(lowered == "true", start=start, end=end)
        return ast.Field([name], start=start, end=end)

    def _field(self, name: str, start: int) -> ast.Expr:
        """`a.b.c`, `a.b.*`."""
        kinds, texts, starts, ends = self.kinds, self.text, self.starts, self.ends
        chain: list[str | int] = [name]
        position = self.pos + 1
        while kinds[position] == ".":
            after = kinds[position + 1]
            if after in NAMES:
                part = texts[starts[position + 1] : ends[position + 1]]
                chain.append(unquote(part) if after == "QIDENT" else part)
                position += 2
            elif after == "*":
                chain.append("*")
                self.pos = position + 2
                return self.excluded(ast.Field(chain, start=start, end=self.end()))
            else:
                break
        self.pos = position
        return ast.Field(chain, start=start, end=ends[position - 1])

    def _lambda(self, start: int) -> ast.Expr:
        """`x -> …`, `x, y -> …`, `(x, y) -> …`: what stands before the arrow was looked at already."""
        arrow = self.lambda_arrow(self.pos)
        args = [
            unquote(self.word(place)) if self.kinds[place] == "QIDENT" else self.word(place)
            for place in range(self.pos, arrow)
            if self.kinds[place] in NAMES
        ]
        self.pos = arrow + 1
        body = self.expr()
        return ast.Lambda(args, body, start=start, end=self.end())

    def _colon_lambda(self) -> ast.Expr:
        """`lambda x, y: …`."""
        position = self.pos + 1
        args: list[str] = []
        while self.kinds[position] in NAMES:
            word = self.word(position)
            args.append(unquote(word) if self.kinds[position] == "QIDENT" else word)
            position += 1
            if self.kinds[position] != ",":
                break
            position += 1
        if not args or self.kinds[position] != ":":
            return self._named(self.pos)
        start = self.starts[self.pos]
        self.pos = position + 1
        body = self.expr()
        return ast.Lambda(args, body, start=start, end=self.end())

    # --- prefixes ---------------------------------------------------------------------------------------------------

    def _minus(self) -> ast.Expr:
        if self.at_number():
            return self.number()
        start = self.starts[self.pos]
        self.pos += 1
        self.enter()
        operand = self.value(NEGATE)
        self.depth -= 1
        return ast.ArithmeticOperation(ast.Constant(0), operand, "-", start=start, end=self.end())

    def _plus(self) -> ast.Expr:
        if self.at_number():
            return self.number()
        self.pos += 1
        self.unexpected("a number")

    def _not(self) -> ast.Expr:
        """`NOT x`. Before parentheses it is a call of that name, unless they hold a query or a lambda's arguments."""
        position = self.pos
        if self.kinds[position + 1] == "(":
            self.pos = position + 2
            is_call = self.lambda_arrow(position + 1) < 0 and not self.begins_select()
            self.pos = position
        else:
            is_call = not self.begins_operand(position + 1)
        if is_call:
            return self._named(position)
        self.pos = position + 1
        self.enter()
        operand = self.value(NOT)
        self.depth -= 1
        return ast.Not(operand, start=self.starts[position], end=self.end())

    # --- brackets ---------------------------------------------------------------------------------------------------

    def _parenthesis(self) -> ast.Expr:
        """`(a)`, `(a, b)`, `(SELECT …)`, `(x, y) -> …`, `(* REPLACE …)`."""
        position = self.pos
        start = self.starts[position]
        if self.lambda_arrow(position) >= 0:
            return self._lambda(start)
        self.pos = position + 1
        if self.begins_select():
            query = self.select_set()
            self.expect(")")
            return query
        if self.kinds[self.pos] == "*":
            columns = self.replaced_in_parentheses(start)
            if columns is not None:
                return columns
        first_start = self.starts[self.pos]
        first = self.expr()
        kind = self.kinds[self.pos]
        if kind == ")":
            self.pos += 1
            return first
        if kind in _GOES_ON_AS_SET and isinstance(first, QUERIES):
            query = self.rest_of_set(first, first_start)
            self.expect(")")
            return query
        self.expect(",", "')'")
        exprs = [first] if self.kinds[self.pos] == ")" else [first, *self.expr_list(")")]
        self.expect(")")
        return ast.Tuple(exprs, start=start, end=self.end())

    def _array(self) -> ast.Expr:
        start = self.starts[self.pos]
        if self.kinds[self.pos] == "ARRAY":
            if self.kinds[self.pos + 1] != "[":
                return self._named(self.pos)
            self.pos += 1
        self.pos += 1
        exprs = [] if self.kinds[self.pos] == "]" else self.expr_list("]")
        self.expect("]")
        return ast.Array(exprs, start=start, end=self.end())

    def _brace(self) -> ast.Expr:
        """`{x}` is a placeholder, `{}` and `{'a': 1}` are dicts."""
        start = self.starts[self.pos]
        self.pos += 1
        if self.accept("}"):
            return ast.Dict([], start=start, end=self.end())
        key = self.expr()
        if self.accept("}"):
            return ast.Placeholder(key, start=start, end=self.end())
        self.expect(":", "'}'")
        items = [(key, self.expr())]
        while self.accept(","):
            if self.kinds[self.pos] == "}":
                break
            key = self.expr()
            self.expect(":")
            items.append((key, self.expr()))
        self.expect("}")
        return ast.Dict(items, start=start, end=self.end())

    def placeholder(self) -> ast.Placeholder:
        """`{expr}` where only a placeholder may stand."""
        start = self.starts[self.pos]
        self.expect("{")
        expr = self.expr()
        self.expect("}")
        return ast.Placeholder(expr, start=start, end=self.end())

    # --- constructs that a keyword opens ----------------------------------------------------------------------------

    def _case(self) -> ast.Expr:
        if self.kinds[self.pos + 1] == "WHEN" or self.begins_operand(self.pos + 1):
            return self.attempt(self._case_expr) or self._named(self.pos)
        return self._named(self.pos)

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

    def _cast_call(self) -> ast.Expr:
        """`CAST(x AS type)`, `TRY_CAST(x AS type)`; a call of that name when there is no AS."""
        position = self.pos
        place = self._last_as(position + 1) if self.kinds[position + 1] == "(" else -1
        if place < 0:
            return self._named(position)
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

    def _date(self) -> ast.Expr:
        """`DATE '…'` and `TIMESTAMP '…'` are refused; the words alone are columns."""
        position = self.pos
        if self.kinds[position + 1] == "STRING":
            self.pos += 2
            which = "Date" if self.kinds[position] == "DATE" else "Timestamp"
            self.unsupported(f"Unsupported rule: ColumnExpr{which}", self.starts[position])
        return self._named(position)

    def _interval(self) -> ast.Expr:
        after, then = self.kinds[self.pos + 1], self.kinds[self.pos + 2]
        if after == "STRING" and then not in INTERVAL_UNITS:
            return self._interval_text()
        if self.begins_operand(self.pos + 1):
            return self.attempt(self._interval_expr) or self._named(self.pos)
        return self._named(self.pos)

    def _interval_expr(self) -> ast.Expr:
        """`INTERVAL 1 DAY`."""
        start = self.starts[self.pos]
        self.pos += 1
        amount = self.expr()
        unit = self.kinds[self.pos]
        if unit not in INTERVAL_UNITS:
            self.unexpected("a unit of time")
        self.pos += 1
        return ast.Call(f"toInterval{unit.capitalize()}", [amount], start=start, end=self.end())

    def _interval_text(self) -> ast.Expr:
        """`INTERVAL '1 day'`."""
        start = self.starts[self.pos]
        self.pos += 1
        text = self.string()
        count, space, unit = str(text.value).partition(" ")
        if not space:
            self.unsupported("Unsupported interval type: must be in the format '<count> <unit>'", start)
        if not (count.isascii() and count.isdigit()):
            self.unsupported(f"Unsupported interval count: '{count}' is not a valid integer", start)
        if len(count) > 18:
            self.unsupported(f"Unsupported interval count: '{count}' is too large", start)
        kind = unit.upper().removesuffix("S")
        if kind not in INTERVAL_UNITS:
            self.unsupported(f"Unsupported interval unit: {unit}", start)
        amount = ast.Constant(int(count))
        return ast.Call(f"toInterval{kind.capitalize()}", [amount], start=start, end=self.end())

    def _substring(self) -> ast.Expr:
        """`substring(a, 1)`; the form with FROM is refused."""
        position = self.pos
        if self.kinds[position + 1] == "(" and self._has_from(position + 1):
            self.unsupported("Unsupported rule: ColumnExprSubstring", self.starts[position])
        return self._named(position)

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

    def _trim(self) -> ast.Expr:
        """`TRIM(BOTH 'x' FROM a)`."""
        position = self.pos
        name = _TRIMS.get(self.kinds[position + 2]) if self.kinds[position + 1] == "(" else None
        if name is None or self.kinds[position + 3] not in {"STRING", "TEMPLATE"}:
            return self._named(position)
        self.pos = position + 3
        what = self.string() if self.kinds[self.pos] == "STRING" else self.template()
        self.expect("FROM")
        text = self.expr()
        self.expect(")")
        return ast.Call(name, [text, what], start=self.starts[position], end=self.end())

    def _extract(self) -> ast.Expr:
        """`EXTRACT(YEAR FROM x)`."""
        position = self.pos
        name = _EXTRACTED.get(self.kinds[position + 2])
        if name is None or self.kinds[position + 1] != "(" or self.kinds[position + 3] != "FROM":
            return self._named(position)
        self.pos = position + 4
        date = self.expr()
        self.expect(")")
        return ast.Call(name, [date], start=self.starts[position], end=self.end())


_BEGINNINGS: dict[str, Callable[[Operands], ast.Expr]] = {
    **dict.fromkeys(("DEC", "OCT", "HEX", "BIN", "FLOAT", "OCT_PREFIX", "INF", "NAN", "."), Operands.number),
    "STRING": Operands.string,
    "NULL": Operands.null,
    "-": Operands._minus,
    "+": Operands._plus,
    "(": Operands._parenthesis,
    "[": Operands._array,
    "{": Operands._brace,
    "*": Operands.asterisk,
    "#": Operands.positional,
    "TAG_OPEN": Operands.tag,
    "TEMPLATE": Operands.template,
    "NOT": Operands._not,
    "CASE": Operands._case,
    "CAST": Operands._cast_call,
    "TRY_CAST": Operands._cast_call,
    "DATE": Operands._date,
    "TIMESTAMP": Operands._date,
    "INTERVAL": Operands._interval,
    "SUBSTRING": Operands._substring,
    "TRIM": Operands._trim,
    "EXTRACT": Operands._extract,
    "COLUMNS": Operands.columns,
    "LAMBDA": Operands._colon_lambda,
    "ARRAY": Operands._array,
}
