"""The HogQL tree: one msgspec Struct for each kind of node (hogql §2).

Names and fields are those that PostHog's own parser writes as JSON, so that the two can be compared field by field.
Nodes are mutable and compare by identity (`eq=False`): they are hashable, and a pass may keep what it learns in a dict
keyed by node. Trees are compared by value with `walk.same`.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

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
SetOperator = Literal[
    "UNION ALL",
    "UNION DISTINCT",
    "INTERSECT",
    "INTERSECT ALL",
    "INTERSECT DISTINCT",
    "EXCEPT",
    "EXCEPT ALL",
    "UNION ALL BY NAME",
    "UNION DISTINCT BY NAME",
    "INTERSECT BY NAME",
    "INTERSECT ALL BY NAME",
    "INTERSECT DISTINCT BY NAME",
    "EXCEPT BY NAME",
    "EXCEPT ALL BY NAME",
]


class Node(msgspec.Struct, kw_only=True, eq=False, repr_omit_defaults=True):
    """What every node carries.

    `start` and `end` are character offsets into the parsed text (end exclusive), None on nodes that no text stands
    for. `type` is free for the resolver; no comparison looks at it.
    """

    start: int | None = None
    end: int | None = None
    type: Any = None


class Expr(Node):
    """A node that stands for a value, a list of columns or a table."""


# --- values ---------------------------------------------------------------------------------------------------------


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


# --- windows and order ----------------------------------------------------------------------------------------------


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


# --- SELECT ---------------------------------------------------------------------------------------------------------


class CTE(Node):
    """One entry of WITH: a table `name AS (SELECT …)` (subquery) or a column `expr AS name` (column)."""

    name: str
    expr: Expr
    cte_type: Literal["column", "subquery"]
    recursive: bool = False
    materialized: bool | None = None
    columns: list[str] | None = None
    using_key: list[str] | None = None


class RatioExpr(Node):
    """`left[/right]` of SAMPLE."""

    left: Constant
    right: Constant | None = None


class SampleExpr(Node):
    """`SAMPLE sample_value [OFFSET offset_value]`."""

    sample_value: RatioExpr | Placeholder
    offset_value: RatioExpr | Placeholder | None = None


class JoinConstraint(Node):
    """`ON expr` or `USING expr` (a tuple when several columns are named)."""

    expr: Expr
    constraint_type: Literal["ON", "USING"]


class JoinExpr(Node):
    """A table in FROM and, by `next_join`, those after it; `join_type` says how it is joined to the ones before.

    `table_args` are those of a table function, None when there are no parentheses.
    """

    table: Expr
    table_args: list[Expr] | None = None
    alias: str | None = None
    column_aliases: list[str] | None = None
    table_final: bool = False
    sample: SampleExpr | None = None
    join_type: str | None = None
    constraint: JoinConstraint | None = None
    next_join: JoinExpr | None = None


class ValuesQuery(Expr):
    """`(VALUES (1, 2), (3, 4))` in FROM."""

    rows: list[list[Expr]]


class PivotColumn(Node):
    """`column IN (values)` of PIVOT."""

    column: Expr
    values: list[Expr]


class PivotExpr(Expr):
    """`table PIVOT (aggregates FOR columns GROUP BY group_by)`."""

    table: Node
    aggregates: list[Expr]
    columns: list[PivotColumn]
    group_by: list[Expr] | None = None


class UnpivotColumn(Node):
    """`value_columns FOR name_columns IN (unpivot_values)` of UNPIVOT."""

    value_columns: Expr
    name_columns: Expr
    unpivot_values: list[Expr]


class UnpivotExpr(Expr):
    """`table UNPIVOT [INCLUDE NULLS] (columns)`."""

    table: Node
    columns: list[UnpivotColumn]
    include_nulls: bool = False


class GroupingSet(Expr):
    """One set of GROUP BY GROUPING SETS."""

    exprs: list[Expr]


class LimitByExpr(Node):
    """`LIMIT n [OFFSET offset_value] BY exprs`."""

    n: Expr
    exprs: list[Expr]
    offset_value: Expr | None = None


class SelectQuery(Expr):
    """One SELECT. `group_by_mode` says how GROUP BY was written when it is more than a list."""

    select: list[Expr]
    ctes: list[CTE] | None = None
    distinct: bool = False
    select_from: JoinExpr | None = None
    array_join_op: Literal["ARRAY JOIN", "LEFT ARRAY JOIN", "INNER ARRAY JOIN"] | None = None
    array_join_list: list[Expr] | None = None
    prewhere: Expr | None = None
    where: Expr | None = None
    group_by: list[Expr] | None = None
    group_by_mode: Literal["all", "cube", "rollup", "grouping_sets"] | None = None
    having: Expr | None = None
    qualify: Expr | None = None
    window_exprs: dict[str, WindowExpr] | None = None
    order_by: list[OrderExpr] | None = None
    interpolate: list[InterpolateExpr] | None = None
    limit_by: LimitByExpr | None = None
    limit: Expr | None = None
    limit_percent: bool = False
    limit_with_ties: bool = False
    offset: Expr | None = None


class SelectSetNode(Node):
    """A further query of a set and how it is combined with those before it."""

    select_query: SelectQuery | SelectSetQuery | Placeholder
    set_operator: SetOperator


class SelectSetQuery(Expr):
    """`initial UNION ALL …`; a limit here is that of the whole set, written after a query in parentheses."""

    initial_select_query: SelectQuery | SelectSetQuery | Placeholder
    subsequent_select_queries: list[SelectSetNode]
    order_by: list[OrderExpr] | None = None
    limit: Expr | None = None
    limit_percent: bool = False
    limit_with_ties: bool = False
    offset: Expr | None = None
