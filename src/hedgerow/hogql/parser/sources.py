"""FROM: tables, subqueries, joins, samples, PIVOT."""

from __future__ import annotations

from typing import TypeGuard, cast

from hedgerow.hogql import ast
from hedgerow.hogql.errors import SyntaxError_
from hedgerow.hogql.keywords import NAMES, TABLE_ALIASES
from hedgerow.hogql.parser.cursor import MAX_DEPTH
from hedgerow.hogql.parser.operands import Operands

# How tightly the ways of joining bind to what stands left of them.
_JOIN, _POSITIONAL, _CROSS, _PIVOT, _UNPIVOT = 7, 6, 5, 4, 3

_STRICTNESS = frozenset({"ALL", "ANY", "ASOF", "SEMI", "ANTI"})
_JOIN_WORDS = _STRICTNESS | {"INNER", "LEFT", "RIGHT", "FULL", "OUTER"}
_SET_GOES_ON = frozenset({"UNION", "INTERSECT", "EXCEPT", "ORDER", "LIMIT", "OFFSET"})

#: What follows a table and not a column.
_BEHIND_TABLE = TABLE_ALIASES | {"AS", "FINAL", "SAMPLE", "("}

Query = ast.SelectQuery | ast.SelectSetQuery | ast.Placeholder


def _is_query(node: ast.Node) -> TypeGuard[Query]:
    return isinstance(node, (ast.SelectQuery, ast.SelectSetQuery, ast.Placeholder))


class Sources(Operands):
    """`joins` and what it is made of."""

    def joins(self, level: int = 0) -> ast.JoinExpr:
        """Tables and how they are joined, as a chain of `next_join`."""
        self.enter()
        node = self._joins_after(self._source(), level)
        self.depth -= 1
        return node

    def _joins_after(self, node: ast.JoinExpr, level: int) -> ast.JoinExpr:
        """What is joined to a table that was read already. `last` is kept so that a chain costs linear time."""
        last = _end_of(node)
        links = 0
        while True:
            kind = self.kinds[self.pos]
            if kind == "," or self.at("CROSS", "JOIN"):
                if level > _CROSS:
                    return node
                self.pos += 1 if kind == "," else 2
                right = self.joins(_CROSS + 1)
                right.join_type = "CROSS JOIN"
            elif self.at("POSITIONAL", "JOIN"):
                if level > _POSITIONAL:
                    return node
                self.pos += 2
                right = self.joins()
                right.join_type = "POSITIONAL JOIN"
                right.constraint = self._constraint()
            elif self._at_pivot(kind, level):
                node = last = self._pivoted_join(node)
                continue
            else:
                join_type = self._join_type()
                if join_type is None:
                    return node
                right = self.joins()
                right.join_type = join_type
                right.constraint = self._constraint()
            last.next_join = right
            last = _end_of(right)
            links += 1
            self.links += 1
            if links > MAX_DEPTH:
                raise self.too_deep()

    def _at_pivot(self, kind: str, level: int) -> bool:
        if kind == "PIVOT":
            return level <= _PIVOT and self.kinds[self.pos + 1] == "("
        return kind == "UNPIVOT" and level <= _UNPIVOT

    def _join_type(self) -> str | None:
        """`[NATURAL] [words] JOIN` as one text, `LEFT OUTER ANY JOIN`; None, with nothing read, when no JOIN is here."""
        position = self.pos
        if self.kinds[position] == "NATURAL":
            position += 1
        first = position
        while self.kinds[position] in _JOIN_WORDS:
            position += 1
        if self.kinds[position] != "JOIN":
            return None
        words = self.kinds[first:position]
        name = _join_name(words)
        if name is None:
            raise SyntaxError_(f"There is no {' '.join(words)} JOIN", self.starts[first], self.ends[position])
        self.pos = position + 1
        return name

    def _constraint(self) -> ast.JoinConstraint | None:
        start = self.starts[self.pos]
        if self.accept("ON"):
            condition = self.expr()
            if self.kinds[self.pos] == ",":
                # One condition only: behind a comma stands the next table, if anything.
                self.pos += 1
                self.pos -= not self.clause_begins()
            return ast.JoinConstraint(condition, "ON", start=start, end=self.end())
        if self.kinds[self.pos] != "USING" or self.kinds[self.pos + 1] == "SAMPLE":
            return None
        self.pos += 1
        list_start = self.starts[self.pos]
        exprs = self._using()
        expr = exprs[0] if len(exprs) == 1 else ast.Tuple(exprs, start=list_start, end=self.end())
        return ast.JoinConstraint(expr, "USING", start=start, end=self.end())

    def _using(self) -> list[ast.Expr]:
        """The columns of USING. Without parentheses, a comma goes on with them only before a name and nothing else."""
        if self.accept("("):
            exprs = self.expr_list(")")
            self.expect(")")
            return exprs
        exprs = [self.expr()]
        while self.kinds[self.pos] == ",":
            place = self.pos + 2
            while self.kinds[place] == "." and self.kinds[place + 1] in NAMES:
                place += 2
            if self.kinds[place - 1] not in NAMES or self.kinds[place] in _BEHIND_TABLE:
                break
            self.pos += 1
            if self.clause_begins():
                break
            exprs.append(self.expr())
        return exprs

    # --- one table --------------------------------------------------------------------------------------------------

    def _source(self) -> ast.JoinExpr:
        """A table with its alias, FINAL and SAMPLE, or joins in parentheses."""
        start = self.starts[self.pos]
        table_args = None
        kind = self.kinds[self.pos]
        table: ast.Node
        if kind == "(":
            table = self._parenthesis_source()
            if isinstance(table, ast.JoinExpr):
                return table
        elif kind == "{":
            table = self.placeholder()
        elif kind == "TAG_OPEN":
            table = self.tag()
        else:
            table, table_args = self._table()
        return self._decorated(table, table_args, start)

    def _table(self) -> tuple[ast.Node, list[ast.Expr] | None]:
        """`t`, `a.b.t`, `numbers(10)`."""
        start = self.starts[self.pos]
        if self.kinds[self.pos] == "FROM":
            raise SyntaxError_('Cannot use "from" before an implicit alias', start, self.ends[self.pos])
        chain: list[str | int] = [self.name("a table")]
        end = self.end()
        if self.accept("("):
            args = [] if self.kinds[self.pos] == ")" else self.expr_list(")")
            self.expect(")")
            return ast.Field(chain, start=start, end=end), args
        while self.kinds[self.pos] == "." and self.kinds[self.pos + 1] in NAMES:
            self.pos += 1
            chain.append(self.name())
        return ast.Field(chain, start=start, end=self.end()), None

    def _decorated(self, table: ast.Node, table_args: list[ast.Expr] | None, start: int) -> ast.JoinExpr:
        """The table with what may follow it."""
        node = ast.JoinExpr(cast("ast.Expr", table), table_args, start=start)
        links = 0
        while True:
            kind = self.kinds[self.pos]
            if kind == "AS" or kind in TABLE_ALIASES:
                self._refuse_format()
                if node.alias is not None:
                    raise SyntaxError_("A table has one alias", self.starts[self.pos], self.ends[self.pos])
                self.pos += kind == "AS"
                position = self.pos
                node.alias = self.name()
                self.check_alias(position, node.alias)
                node.column_aliases = self.name_list() if self.kinds[self.pos] == "(" else None
            elif (kind == "PIVOT" and self.kinds[self.pos + 1] == "(") or (
                kind == "UNPIVOT" and self.kinds[self.pos + 1] in {"(", "INCLUDE"}
            ):
                node.end = self.end()
                inner = node if node.alias or node.table_args is not None else node.table
                node = ast.JoinExpr(self._pivot(inner, start), start=start)
            else:
                break
            links += 1
            if links > MAX_DEPTH:
                raise self.too_deep()
        if self.accept("FINAL"):
            node.table_final = True
        if self.kinds[self.pos] == "SAMPLE":
            node.sample = self._sample()
        node.end = self.end()
        return node

    def _refuse_format(self) -> None:
        """`FORMAT CSV` is no alias: the request says how an answer is written, not the query."""
        kinds, place = self.kinds, self.pos
        if kinds[place] == "IDENT" and kinds[place + 1] == "IDENT" and self.word(place).upper() == "FORMAT":
            raise self.unsupported("FORMAT is not supported", self.starts[place])

    def _parenthesis_source(self) -> ast.Node:
        """`(SELECT …)`, `(VALUES …)`, or joins in parentheses."""
        self.pos += 1
        self.enter()
        node = self._inside_parenthesis()
        self.depth -= 1
        self.expect(")")
        return node

    def _inside_parenthesis(self) -> ast.Node:
        kind, start = self.kinds[self.pos], self.starts[self.pos]
        if kind in {"SELECT", "WITH"} and self.begins_select():
            return self.select_set()
        if kind == "VALUES" and self.kinds[self.pos + 1] == "(":
            return self._values()
        if kind not in {"(", "{"}:
            return self.joins()
        inner = self._parenthesis_source() if kind == "(" else self.placeholder()
        following = self.kinds[self.pos]
        if _is_query(inner) and following in _SET_GOES_ON:
            return self.rest_of_set(inner, start)
        if isinstance(inner, ast.JoinExpr):
            return self._joins_after(inner, 0)
        if following == ")" and _is_query(inner):
            return inner
        return self._joins_after(self._decorated(inner, None, start), 0)

    def _values(self) -> ast.Expr:
        """`VALUES (1, 2), (3, 4)`."""
        start = self.starts[self.pos]
        self.pos += 1
        rows: list[list[ast.Expr]] = []
        while True:
            self.expect("(")
            row = [self.expr()]
            while self.accept(","):
                row.append(self.expr())
            self.expect(")")
            rows.append(row)
            if not self.accept(","):
                return ast.ValuesQuery(rows, start=start, end=self.end())

    def _sample(self) -> ast.SampleExpr:
        """`SAMPLE 1/10 [OFFSET 1/2]`; a percent sign and a method in parentheses are read and dropped."""
        start = self.starts[self.pos]
        self.pos += 1
        ratio = self._ratio()
        self.accept("%")
        offset = None
        if self.kinds[self.pos] == "OFFSET":
            self.pos += 1
            if self.kinds[self.pos] == "{" or self.at_number():
                offset = self._ratio()
            else:
                self.pos -= 1
        if self.at("(") and self.kinds[self.pos + 1] in NAMES and self.kinds[self.pos + 2] == ")":
            self.pos += 3
        return ast.SampleExpr(ratio, offset, start=start, end=self.end())

    def _ratio(self) -> ast.RatioExpr | ast.Placeholder:
        if self.kinds[self.pos] == "{":
            return self.placeholder()
        start = self.starts[self.pos]
        if not self.at_number():
            raise self.unexpected("a number")
        left = self.number()
        right = None
        if self.kinds[self.pos] == "/":
            self.pos += 1
            if not self.at_number():
                raise self.unexpected("a number")
            right = self.number()
        return ast.RatioExpr(left, right, start=start, end=self.end())

    # --- PIVOT ------------------------------------------------------------------------------------------------------

    def _pivoted_join(self, node: ast.JoinExpr) -> ast.JoinExpr:
        start = node.start or 0
        return ast.JoinExpr(self._pivot(node, start), start=start, end=self.end())

    def _pivot(self, table: ast.Node, start: int) -> ast.Expr:
        """`PIVOT (sum(x) FOR y IN (1, 2) GROUP BY z)`, `UNPIVOT [INCLUDE NULLS] (x FOR y IN (a, b))`."""
        self.enter()
        if self.accept("PIVOT"):
            self.expect("(")
            aggregates = self.expr_list({"FOR"})
            self.expect("FOR")
            columns = [self._pivot_column()]
            while self.kinds[self.pos] not in {")", "GROUP"}:
                columns.append(self._pivot_column())
            group_by = None
            if self.at("GROUP", "BY"):
                self.pos += 2
                group_by = self.expr_list(")")
            self.expect(")")
            node = ast.PivotExpr(table, aggregates, columns, group_by, start=start, end=self.end())
        else:
            self.pos += 1
            include_nulls = self.accept("INCLUDE")
            if include_nulls:
                self.expect("NULLS")
            self.expect("(")
            unpivoted = [self._unpivot_column()]
            while self.accept(","):
                if self.kinds[self.pos] == ")":
                    break
                unpivoted.append(self._unpivot_column())
            self.expect(")")
            node = ast.UnpivotExpr(table, unpivoted, include_nulls, start=start, end=self.end())
        self.depth -= 1
        return node

    def _pivot_column(self) -> ast.PivotColumn:
        start = self.starts[self.pos]
        column, values = self._in_list()
        return ast.PivotColumn(column, values, start=start, end=self.end())

    def _in_list(self) -> tuple[ast.Expr, list[ast.Expr]]:
        """`column IN (a, b)`: the column binds tighter than IN."""
        column = self._column_or_tuple()
        self.expect("IN")
        self.expect("(")
        values = self.expr_list(")")
        self.expect(")")
        return column, values

    def _column_or_tuple(self) -> ast.Expr:
        """One column, or several in parentheses."""
        start = self.starts[self.pos]
        if self.accept("("):
            exprs = self.expr_list(")")
            self.expect(")")
            return ast.Tuple(exprs, start=start, end=self.end())
        return self.value(20)

    def _unpivot_column(self) -> ast.UnpivotColumn:
        start = self.starts[self.pos]
        values = self._column_or_tuple()
        self.expect("FOR")
        names, unpivoted = self._in_list()
        while self.kinds[self.pos] not in {",", ")"}:
            self._in_list()
        return ast.UnpivotColumn(values, names, unpivoted, start=start, end=self.end())


def _end_of(node: ast.JoinExpr) -> ast.JoinExpr:
    while node.next_join is not None:
        node = node.next_join
    return node


def _join_name(words: list[str]) -> str | None:
    """The words before JOIN in PostHog's order: side, OUTER, strictness; None when they do not go together."""
    strictness = [word for word in words if word in _STRICTNESS]
    sides = [word for word in words if word in {"INNER", "LEFT", "RIGHT", "FULL"}]
    outer = words.count("OUTER")
    if len(sides) > 1 or outer > 1:
        return None
    side = sides[0] if sides else ""
    if outer and (side not in {"LEFT", "RIGHT", "FULL"} or words[words.index("OUTER") - 1] != side):
        return None
    if len(strictness) > 1:
        together = strictness[0] == "ASOF" and strictness[1] in {"SEMI", "ANTI"} and words[:2] == strictness
        if len(strictness) > 2 or not together or side in {"INNER", "FULL"}:
            return None
    allowed = {"": _STRICTNESS, "INNER": {"ALL", "ANY", "ASOF"}, "FULL": {"ALL", "ANY", "ASOF"}}.get(side, _STRICTNESS)
    if not set(strictness) <= allowed:
        return None
    if side in {"", "INNER"}:
        kind = "" if side == "" and (not strictness or strictness[-1] in {"SEMI", "ANTI"}) else "INNER"
        return " ".join([*strictness, *([kind] if kind else []), "JOIN"])
    return " ".join([side, *(["OUTER"] if outer else []), *reversed(strictness), "JOIN"])
