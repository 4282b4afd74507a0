"""Nodes that stand for values, columns and windows."""

from __future__ import annotations

from typing import Any, Literal

from hedgerow.hogql.ast.base import Expr, Node

ArithmeticOp = Literal["+", "-", "*", "/", "%"]
CompareOp = Literal[
    "==",
    "!=",
    ">",
    ">=",
    "<",
    "<=",
    "like",
    "ilike",
    "not like",
    "not ilike",
    "in",
    "global in",
    "not in",
    "global not in",
    "in cohort",
    "not in cohort",
    "=~",
    "=~*",
    "!~",
    "!~*",
]


class Constant(Expr):
    """A literal: None, bool, int, float, str; after placeholders also date, datetime, UUID, list, tuple or dict."""

    value: Any


class Field(Expr):
    """A name: `events.properties.$browser` is the chain of its parts; `*` is a part of its own."""

    chain: list[str | int]


class Call(Expr):
    """A function call.

    `params` are those of `quantile(0.9)(x)`, None when there is one pair of parentheses.
    `within_group` are the order expressions of `WITHIN GROUP (ORDER BY …)`.
    """

    name: str
    args: list[Expr]
    params: list[Expr] | None = None
    distinct: bool = False
    order_by: list[OrderExpr] | None = None
    filter_expr: Expr | None = None
    within_group: list[OrderExpr] | None = None


class ExprCall(Expr):
    """A call of something that is not a plain name, `a.b(1)`."""

    expr: Expr
    args: list[Expr]


class NamedArgument(Expr):
    """An argument given by name, `f(a := 1)`."""

    name: str
    value: Expr


class ArithmeticOperation(Expr):
    """`left op right`; a minus sign before an expression is `0 - expr`."""

    left: Expr
    right: Expr
    op: ArithmeticOp


class CompareOperation(Expr):
    """`left op right`; `is_null_comparison_style` marks what was written `IS [NOT] NULL`."""

    left: Expr
    right: Expr
    op: CompareOp
    is_null_comparison_style: bool = False


class IsDistinctFrom(Expr):
    """`left IS [NOT] DISTINCT FROM right`; `negated` for NOT, and for `left <=> right`."""

    left: Expr
    right: Expr
    negated: bool = False


class BetweenExpr(Expr):
    """`expr [NOT] BETWEEN low AND high`."""

    expr: Expr
    low: Expr
    high: Expr
    negated: bool = False


class And(Expr):
    """All of a flat list of at least two."""

    exprs: list[Expr]


class Or(Expr):
    """Any of a flat list of at least two."""

    exprs: list[Expr]


class Not(Expr):
    """`NOT expr`."""

    expr: Expr


class Alias(Expr):
    """`expr AS alias`; hidden when the resolver put it there and not the writer."""

    alias: str
    expr: Expr
    hidden: bool = False


class Lambda(Expr):
    """`(args) -> expr`."""

    args: list[str]
    expr: Expr


class Array(Expr):
    """`[a, b]`."""

    exprs: list[Expr]


class Tuple(Expr):
    """`(a, b)`."""

    exprs: list[Expr]


class Dict(Expr):
    """`{'a': 1}`: pairs of key and value, in order."""

    items: list[tuple[Expr, Expr]]


class ArrayAccess(Expr):
    """`array[property]`, or `array.property` where the left side is not a plain name; nullish for `?.`."""

    array: Expr
    property: Expr
    nullish: bool = False


class ArraySlice(Expr):
    """`array[start:end]`, either bound may be missing."""

    array: Expr
    start_expr: Expr | None = None
    end_expr: Expr | None = None


class TupleAccess(Expr):
    """`tuple.1`, counted from 1; nullish for `?.`."""

    tuple: Expr
    index: int
    nullish: bool = False


class TypeCast(Expr):
    """`CAST(expr AS type)` and `expr::type`; the name is in lower case, without spaces around brackets."""

    expr: Expr
    type_name: str


class TryCast(Expr):
    """`TRY_CAST(expr AS type)`."""

    expr: Expr
    type_name: str


class Placeholder(Expr):
    """`{expr}`: to be filled in before the query is resolved (hogql §8)."""

    expr: Expr

    @property
    def chain(self) -> list[str | int] | None:
        """The parts of a name, `{filters.dateRange.from}`; None when an expression stands in the braces."""
        return self.expr.chain if isinstance(self.expr, Field) else None


class ColumnsExpr(Expr):
    """Several columns at once: `COLUMNS('regex')`, `COLUMNS(a, b)`, `* EXCLUDE (a) REPLACE (b AS c)`."""

    regex: str | None = None
    columns: list[Expr] | None = None
    all_columns: bool = False
    exclude: list[str] | None = None
    replace: dict[str, Expr] | None = None


class SpreadExpr(Expr):
    """`*COLUMNS(…)`: the columns as separate arguments."""

    expr: Expr


class PositionalRef(Expr):
    """`#1`: a column of FROM by its place, counted from 1."""

    index: int


class HogQLXAttribute(Node):
    """`name={value}` of a tag; the children of a tag are an attribute `children` whose value is a list."""

    name: str
    value: Expr | list[Expr]


class HogQLXTag(Expr):
    """`<Kind attribute={…}>children</Kind>` (hogql §9)."""

    kind: str
    attributes: list[HogQLXAttribute]


class WithFillExpr(Node):
    """`WITH FILL [FROM a] [TO b] [STEP c]` of one order expression."""

    from_value: Expr | None = None
    to_value: Expr | None = None
    step_value: Expr | None = None


class OrderExpr(Expr):
    """One key of ORDER BY. COLLATE is read and dropped, as PostHog does."""

    expr: Expr
    order: Literal["ASC", "DESC"] = "ASC"
    nulls: Literal["FIRST", "LAST"] | None = None
    with_fill: WithFillExpr | None = None


class InterpolateExpr(Node):
    """`expr [AS value]` in INTERPOLATE."""

    expr: Expr
    value: Expr | None = None


class WindowFrameExpr(Node):
    """One bound of a frame; the value is None for UNBOUNDED and CURRENT ROW."""

    frame_type: Literal["CURRENT ROW", "PRECEDING", "FOLLOWING"]
    frame_value: int | float | Expr | None = None


class WindowExpr(Node):
    """What stands in `OVER (…)` and in the WINDOW clause."""

    partition_by: list[Expr] | None = None
    order_by: list[OrderExpr] | None = None
    frame_method: Literal["ROWS", "RANGE"] | None = None
    frame_start: WindowFrameExpr | None = None
    frame_end: WindowFrameExpr | None = None


class WindowFunction(Expr):
    """`name(exprs) OVER …` or `name(exprs)(args) OVER …`.

    With one pair of parentheses the arguments are in `exprs` and `args` is empty; with two, `exprs` are the
    parameters and `args` the arguments.
    """

    name: str
    exprs: list[Expr]
    args: list[Expr]
    over_expr: WindowExpr | None = None
    over_identifier: str | None = None
    filter_expr: Expr | None = None
