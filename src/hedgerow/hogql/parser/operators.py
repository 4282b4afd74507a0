"""Operators: what stands between operands, and how tightly it binds.

Precedence climbing in two layers, as PostHog's grammar has it. `expr` knows AND, OR, `?:` and AS; `value` knows all the
rest. Chains to the left (`a + b + c`) are loops, so their length costs no recursion.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from hedgerow.hogql import ast
from hedgerow.hogql.keywords import NAMES
from hedgerow.hogql.parser.calls import QUERIES, Calls
from hedgerow.hogql.parser.cursor import MAX_DEPTH, STARTERS, unquote

if TYPE_CHECKING:
    from collections.abc import Callable

# How tightly the operators of `expr` bind.
AND, OR, TERNARY, ALIAS = 5, 4, 3, 2
# How tightly those of `value` bind; a prefix reads its operand at its own level.
CALL, INDEX, DOT, NULL_DOT, CAST = 34, 30, 28, 26, 23
NEGATE, MULTIPLY, ADD, COMPARE, IGNORE_NULLS, IS_NULL, IS_DISTINCT, NULL_SAFE, NULLISH, BETWEEN, NOT = (
    22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12,
)  # fmt: skip

_COMPARISONS: dict[str, ast.CompareOp] = {
    "==": "==",
    "!=": "!=",
    "<": "<",
    "<=": "<=",
    ">": ">",
    ">=": ">=",
    "=~": "=~",
    "=~*": "=~*",
    "!~": "!~",
    "!~*": "!~*",
    "LIKE": "like",
    "ILIKE": "ilike",
    "IN": "in",
}
_NEGATED: dict[str, ast.CompareOp] = {"LIKE": "not like", "ILIKE": "not ilike", "IN": "not in"}

#: The tightest that an operator which begins with this kind can bind.
_BINDING = {
    **dict.fromkeys(_COMPARISONS, COMPARE),
    "(": CALL,
    "[": INDEX,
    ".": DOT,
    "?.": NULL_DOT,
    "::": CAST,
    "*": MULTIPLY,
    "/": MULTIPLY,
    "%": MULTIPLY,
    "+": ADD,
    "-": ADD,
    "||": ADD,
    "AS": COMPARE,
    "NOT": COMPARE,
    "IGNORE": IGNORE_NULLS,
    "IS": IS_NULL,
    "<=>": NULL_SAFE,
    "??": NULLISH,
    "BETWEEN": BETWEEN,
    "IDENT": COMPARE,
}

_CAST_TYPES = frozenset(
    [
        "IDENT",
        "QIDENT",
        "SECOND",
        "MINUTE",
        "HOUR",
        "DAY",
        "WEEK",
        "MONTH",
        "QUARTER",
        "YEAR",
        "DATE",
        "TIME",
        "TIMESTAMP",
        "INTERVAL",
    ]
)


class Operators(Calls):
    """`expr` and `value`."""

    def expr(self, level: int = 0) -> ast.Expr:
        """One expression, with the operators that bind at least as tightly as `level`."""
        self.depth += 1
        if self.depth > self.deepest:
            self.depth -= 1
            self.enter()
        start = self.starts[self.pos]
        node = self.value()
        links = 0
        while True:
            kind = self.kinds[self.pos]
            if kind == "AND" and level <= AND:
                node = ast.And(self._terms("AND", node, ast.And), start=start, end=self.end())
            elif kind == "OR" and level <= OR:
                node = ast.Or(self._terms("OR", node, ast.Or), start=start, end=self.end())
            elif kind == "?" and level <= TERNARY:
                node = self._ternary(node, start)
            elif kind == "AS" and level <= ALIAS and self.pos not in self.plain_as and self._names_follow():
                node = self._alias(node, start)
            else:
                break
            links = self._link(links)
        self.depth -= 1
        return node

    def value(self, level: int = 0) -> ast.Expr:
        """One expression without the operators of `expr` at its top, down to those that bind like `level`."""
        position = self.pos
        node = self.operand()
        kind = self.kinds[self.pos]
        binding = _BINDING.get(kind)
        if binding is None or binding < level:
            return node
        start = self.starts[position]
        links = 0
        while binding is not None and binding >= level:
            operator = _COMPARISONS.get(kind)
            if operator is not None:
                node = self._compare(node, start, operator)
            else:
                following = _SUFFIXES[kind](self, node, start, level)
                if following is None:
                    break
                node = following
            links = self._link(links)
            kind = self.kinds[self.pos]
            binding = _BINDING.get(kind)
        return node

    def _link(self, links: int) -> int:
        """Count one more operator of a chain."""
        self.links += 1
        if links >= MAX_DEPTH:
            raise self.too_deep()
        return links + 1

    # --- AND, OR, ?:, AS --------------------------------------------------------------------------------------------

    def _terms(self, kind: str, first: ast.Expr, joined: type[ast.And | ast.Or]) -> list[ast.Expr]:
        """The flat list of what the same operator joins, those in parentheses included."""
        terms = cast("ast.And", first).exprs if type(first) is joined else [first]
        while self.kinds[self.pos] == kind:
            self.pos += 1
            # AND takes single values; OR takes what AND joins.
            term = self.value() if kind == "AND" else self.expr(AND)
            if type(term) is joined:
                terms.extend(cast("ast.And", term).exprs)
            else:
                terms.append(term)
        return terms

    def _ternary(self, condition: ast.Expr, start: int) -> ast.Expr:
        self.pos += 1
        then = self.expr()
        self.expect(":")
        otherwise = self.expr(TERNARY)
        return ast.Call("if", [condition, then, otherwise], start=start, end=self.end())

    def _names_follow(self) -> bool:
        after = self.kinds[self.pos + 1]
        if after in NAMES or after == "STRING":
            return True
        self.pos += 1
        raise self.unexpected("a name")

    def _alias(self, node: ast.Expr, start: int) -> ast.Expr:
        self.pos += 1
        position = self.pos
        alias = unquote(self.word(position)) if self.accept("STRING") else self.name()
        self.check_alias(position, alias)
        return ast.Alias(alias, node, start=start, end=self.end())

    # --- comparisons ------------------------------------------------------------------------------------------------

    def _compare(self, left: ast.Expr, start: int, operator: ast.CompareOp) -> ast.Expr:
        self.pos += 1
        if operator in {"in", "not in"} and self.kinds[self.pos] == "COHORT" and self.begins_operand(self.pos + 1):
            self.pos += 1
            operator = "in cohort" if operator == "in" else "not in cohort"
        right = self.value(COMPARE + 1)
        return ast.CompareOperation(left, right, operator, start=start, end=self.ends[self.pos - 1])

    def negated(self, node: ast.Expr, start: int, level: int) -> ast.Expr | None:
        """`NOT IN`, `NOT LIKE`, `NOT ILIKE`, `NOT BETWEEN`."""
        after = self.kinds[self.pos + 1]
        if after == "BETWEEN":
            if level > BETWEEN:
                return None
            self.pos += 1
            return self.between(node, start, level, negated=True)
        operator = _NEGATED.get(after)
        if operator is None:
            return None
        self.pos += 1
        return self._compare(node, start, operator)

    def aliased_comparison(self, node: ast.Expr, start: int, _level: int) -> ast.Expr | None:
        """`a AS b = c`: the alias belongs to the left side of the comparison that follows it."""
        if self.pos in self.plain_as or not (self.kinds[self.pos + 1] in NAMES or self.kinds[self.pos + 1] == "STRING"):
            return None
        after = self.kinds[self.pos + 2]
        if after in _COMPARISONS or (after == "NOT" and self.kinds[self.pos + 3] in _NEGATED):
            return self._alias(node, start)
        return None

    def global_in(self, node: ast.Expr, start: int, _level: int) -> ast.Expr | None:
        """`GLOBAL [NOT] IN`: GLOBAL is a word like any other elsewhere."""
        negated = self.kinds[self.pos + 1] == "NOT"
        if self.kinds[self.pos + 1 + negated] != "IN" or self.word(self.pos).upper() != "GLOBAL":
            return None
        self.pos += 2 + negated
        right = self.value(COMPARE + 1)
        operator = "global not in" if negated else "global in"
        return ast.CompareOperation(node, right, operator, start=start, end=self.end())

    def between(self, node: ast.Expr, start: int, _level: int, *, negated: bool = False) -> ast.Expr:
        self.pos += 1
        self.enter()
        low = self.value()
        self.expect("AND")
        high = self.value(BETWEEN + 1)
        self.depth -= 1
        return ast.BetweenExpr(node, low, high, negated, start=start, end=self.end())

    def is_test(self, node: ast.Expr, start: int, level: int) -> ast.Expr | None:
        """`IS [NOT] NULL`, `IS [NOT] DISTINCT FROM`."""
        position = self.pos + 1
        negated = self.kinds[position] == "NOT"
        position += negated
        if self.kinds[position] == "NULL":
            self.pos = position + 1
            null = ast.Constant(None, start=self.starts[position], end=self.ends[position])
            operator = "!=" if negated else "=="
            return ast.CompareOperation(node, null, operator, True, start=start, end=self.end())
        if self.kinds[position] != "DISTINCT" or self.kinds[position + 1] != "FROM":
            self.pos = position
            raise self.unexpected("NULL")
        if level > IS_DISTINCT:
            return None
        self.pos = position + 2
        right = self.value(IS_DISTINCT + 1)
        return ast.IsDistinctFrom(node, right, negated, start=start, end=self.end())

    def null_safe(self, node: ast.Expr, start: int, _level: int) -> ast.Expr:
        self.pos += 1
        right = self.value(NULL_SAFE + 1)
        return ast.IsDistinctFrom(node, right, True, start=start, end=self.end())

    def ignore_nulls(self, node: ast.Expr, _start: int, _level: int) -> ast.Expr | None:
        """IGNORE NULLS is read and dropped: ClickHouse's aggregates ignore NULL anyway."""
        if self.kinds[self.pos + 1] != "NULLS":
            return None
        self.pos += 2
        return node

    # --- arithmetic -------------------------------------------------------------------------------------------------

    def arithmetic(self, left: ast.Expr, start: int, _level: int) -> ast.Expr | None:
        kind = self.kinds[self.pos]
        if kind == "%" and self._percent_sign():
            return None
        self.pos += 1
        right = self.value((MULTIPLY if kind in "*/%" else ADD) + 1)
        return ast.ArithmeticOperation(left, right, cast("ast.ArithmeticOp", kind), start=start, end=self.end())

    def _percent_sign(self) -> bool:
        """Whether the `%` here is that of `LIMIT 5 % [WITH TIES] [OFFSET 1]`."""
        after = self.kinds[self.pos + 1]
        if after == "OFFSET":
            return self.begins_operand(self.pos + 2)
        return after in {"UNION", "WITH"} or after not in STARTERS

    def concat(self, left: ast.Expr, start: int, _level: int) -> ast.Expr:
        """`a || b || c` is one flat `concat`."""
        terms = left.args if isinstance(left, ast.Call) and left.name == "concat" else [left]
        while self.kinds[self.pos] == "||":
            self.pos += 1
            term = self.value(ADD + 1)
            if isinstance(term, ast.Call) and term.name == "concat":
                terms.extend(term.args)
            else:
                terms.append(term)
        return ast.Call("concat", terms, start=start, end=self.end())

    def nullish(self, node: ast.Expr, start: int, _level: int) -> ast.Expr:
        self.pos += 1
        right = self.value(NULLISH + 1)
        return ast.Call("ifNull", [node, right], start=start, end=self.end())

    # --- what follows an operand ------------------------------------------------------------------------------------

    def call_of(self, node: ast.Expr, start: int, _level: int) -> ast.Expr:
        """A call of anything that is not a plain name; `(f)(SELECT …)` counts as one of `f`."""
        args = self.arguments()
        if len(args) == 1 and isinstance(args[0], QUERIES) and isinstance(node, ast.Field) and len(node.chain) == 1:
            return ast.Call(str(node.chain[0]), args, start=start, end=self.end())
        return ast.ExprCall(node, args, start=start, end=self.end())

    def index(self, node: ast.Expr, start: int, _level: int) -> ast.Expr:
        """`a[b]` and `a[b:c]`."""
        self.pos += 1
        first = None if self.kinds[self.pos] == ":" else self.expr()
        if first is not None and self.accept("]"):
            return ast.ArrayAccess(node, first, start=start, end=self.end())
        self.expect(":", "']'")
        last = None if self.kinds[self.pos] == "]" else self.expr()
        self.expect("]")
        return ast.ArraySlice(node, first, last, start=start, end=self.end())

    def member(self, node: ast.Expr, start: int, _level: int) -> ast.Expr:
        """`a.1`, `a.b`, `a?.1`, `a?.b`, `a?.[b]`."""
        nullish = self.kinds[self.pos] == "?."
        position = self.pos = self.pos + 1
        kind = self.kinds[position]
        if kind == "DEC":
            self.pos += 1
            return ast.TupleAccess(node, self.place(position), nullish, start=start, end=self.end())
        if nullish and self.accept("["):
            key = self.expr()
            self.expect("]")
        else:
            name = self.name()
            key = ast.Constant(name)
        return ast.ArrayAccess(node, key, nullish, start=start, end=self.end())

    def type_cast(self, node: ast.Expr, start: int, _level: int) -> ast.Expr:
        """`a::type`, `a::type WITH [LOCAL] TIME ZONE`."""
        self.pos += 1
        if self.kinds[self.pos] not in _CAST_TYPES:
            raise self.unexpected("a type")
        words = [self.name()]
        if self.at("WITH", "TIME", "ZONE"):
            words.append("with time zone")
            self.pos += 3
        elif self.at("WITH", "LOCAL", "TIME", "ZONE"):
            words.append("with local time zone")
            self.pos += 4
        return ast.TypeCast(node, " ".join(words).lower(), start=start, end=self.end())


_SUFFIXES: dict[str, Callable[[Operators, ast.Expr, int, int], ast.Expr | None]] = {
    **dict.fromkeys("*/%+-", Operators.arithmetic),
    "||": Operators.concat,
    "??": Operators.nullish,
    "<=>": Operators.null_safe,
    "(": Operators.call_of,
    "[": Operators.index,
    ".": Operators.member,
    "?.": Operators.member,
    "::": Operators.type_cast,
    "NOT": Operators.negated,
    "IS": Operators.is_test,
    "BETWEEN": Operators.between,
    "AS": Operators.aliased_comparison,
    "IGNORE": Operators.ignore_nulls,
    "IDENT": Operators.global_in,
}
