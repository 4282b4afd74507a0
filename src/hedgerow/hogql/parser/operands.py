"""Operands: what stands between operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hedgerow.hogql import ast
from hedgerow.hogql.keywords import NAMES
from hedgerow.hogql.parser.calls import QUERIES
from hedgerow.hogql.parser.constructs import Constructs
from hedgerow.hogql.parser.operators import NEGATE, NOT

if TYPE_CHECKING:
    from collections.abc import Callable

_GOES_ON_AS_SET = frozenset({"UNION", "INTERSECT", "EXCEPT", "ORDER", "LIMIT", "OFFSET"})


class Operands(Constructs):
    """`operand`: a name, a literal, a prefix, a bracket, or what a keyword opens."""

    def operand(self) -> ast.Expr:
        """One expression without operators."""
        position = self.pos
        kind = self.kinds[position]
        if kind == "IDENT":
            return self.named(position)
        read = _BEGINNINGS.get(kind)
        if read is not None:
            return read(self)
        if kind in NAMES:
            return self.named(position)
        raise self.unexpected("an expression")

    # --- prefixes ---------------------------------------------------------------------------------------------------

    def minus(self) -> ast.Expr:
        if self.at_number():
            return self.number()
        start = self.starts[self.pos]
        self.pos += 1
        self.enter()
        operand = self.value(NEGATE)
        self.depth -= 1
        return ast.ArithmeticOperation(ast.Constant(0), operand, "-", start=start, end=self.end())

    def plus(self) -> ast.Expr:
        if self.at_number():
            return self.number()
        self.pos += 1
        raise self.unexpected("a number")

    def negation(self) -> ast.Expr:
        """`NOT x`. Before parentheses it is a call of that name, unless they hold a query or a lambda's arguments."""
        position = self.pos
        if self.kinds[position + 1] == "(":
            self.pos = position + 2
            is_call = self.lambda_arrow(position + 1) < 0 and not self.begins_select() and not self.at("*", "REPLACE")
            self.pos = position
        else:
            is_call = not self.begins_operand(position + 1)
        if is_call:
            return self.named(position)
        self.pos = position + 1
        self.enter()
        operand = self.value(NOT)
        self.depth -= 1
        return ast.Not(operand, start=self.starts[position], end=self.end())

    # --- brackets ---------------------------------------------------------------------------------------------------

    def parenthesis(self) -> ast.Expr:
        """`(a)`, `(a, b)`, `(SELECT …)`, `(x, y) -> …`, `(* REPLACE …)`."""
        position = self.pos
        start = self.starts[position]
        if self.lambda_arrow(position) >= 0:
            return self.arrow_lambda(start)
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

    def array(self) -> ast.Expr:
        start = self.starts[self.pos]
        if self.kinds[self.pos] == "ARRAY":
            if self.kinds[self.pos + 1] != "[":
                return self.named(self.pos)
            self.pos += 1
        self.pos += 1
        exprs = [] if self.kinds[self.pos] == "]" else self.expr_list("]")
        self.expect("]")
        return ast.Array(exprs, start=start, end=self.end())

    def brace(self) -> ast.Expr:
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


_BEGINNINGS: dict[str, Callable[[Operands], ast.Expr]] = {
    **dict.fromkeys(("DEC", "OCT", "HEX", "BIN", "FLOAT", "OCT_PREFIX", "INF", "NAN", "."), Operands.number),
    "STRING": Operands.string,
    "NULL": Operands.null,
    "-": Operands.minus,
    "+": Operands.plus,
    "(": Operands.parenthesis,
    "[": Operands.array,
    "{": Operands.brace,
    "*": Operands.asterisk,
    "#": Operands.positional,
    "TAG_OPEN": Operands.tag,
    "TEMPLATE": Operands.template,
    "NOT": Operands.negation,
    "CASE": Operands.case,
    "CAST": Operands.cast,
    "TRY_CAST": Operands.cast,
    "DATE": Operands.date_literal,
    "TIMESTAMP": Operands.date_literal,
    "INTERVAL": Operands.interval,
    "SUBSTRING": Operands.substring,
    "TRIM": Operands.trim,
    "EXTRACT": Operands.extract,
    "COLUMNS": Operands.columns,
    "LAMBDA": Operands.colon_lambda,
    "ARRAY": Operands.array,
}
