"""Nodes of queries: SELECT, its clauses, sets of queries."""

from __future__ import annotations

from typing import Literal

from hedgerow.hogql.ast.base import Expr, Node
from hedgerow.hogql.ast.expressions import Constant, InterpolateExpr, OrderExpr, Placeholder, WindowExpr

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
