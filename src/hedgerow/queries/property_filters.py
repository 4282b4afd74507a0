"""Property filters as conditions of a HogQL query (queries §2.3)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

from hedgerow.core.clock import Clock
from hedgerow.hogql import ProjectSchema, QueryError, ast, parse_expr
from hedgerow.queries.dates import parse_date

TRUE: Final = True
NO_CONDITION: Final = frozenset({"flag", "empty"})
"""Filters that say nothing about rows."""
NEGATIVE: Final = frozenset({"is_not", "not_icontains", "not_icontains_multi", "not_regex"})
"""Operators whose lists mean "none of them"; the others' mean "any of them"."""
COMPARISONS: Final[dict[str, ast.CompareOp]] = {
    "gt": ">", "gte": ">=", "min": ">=", "lt": "<", "lte": "<=", "max": "<=",
}  # fmt: skip
DATE_COMPARISONS: Final[dict[str, ast.CompareOp]] = {
    "is_date_exact": "==", "is_date_before": "<", "is_date_after": ">",
}  # fmt: skip


class FilterReader:
    """Reads the filters of one project's query."""

    def __init__(self, schema: ProjectSchema, clock: Clock) -> None:
        """`schema` tells types of properties and group types, `clock` what relative dates count from."""
        self._schema = schema
        self._clock = clock

    def read(self, filters: Any) -> ast.Expr:
        """The condition that a list of filters (all of them), or a group of them, means. Raises `QueryError`."""
        if isinstance(filters, list):
            return every([self._one(each) for each in cast("list[Any]", filters)])
        return self._one(filters)

    def _one(self, found: Any) -> ast.Expr:
        if not isinstance(found, dict):
            return ast.Constant(TRUE)
        fields = cast("dict[str, Any]", found)
        if "values" in fields and "key" not in fields:
            return self._group(fields)
        kind, key = fields.get("type"), fields.get("key")
        if not isinstance(kind, str) or not isinstance(key, str) or kind in NO_CONDITION:
            return ast.Constant(TRUE)
        if kind == "hogql":
            return parse_expr(key)
        if kind in {"cohort", "static-cohort", "precalculated-cohort"}:
            return _cohort(fields)
        operator = fields.get("operator") or "exact"
        return self._condition(self._field(kind, key, fields), kind, str(operator), fields)

    def _group(self, fields: dict[str, Any]) -> ast.Expr:
        kind, values = fields.get("type"), fields.get("values")
        if kind not in {"AND", "OR"}:
            raise QueryError(f'PropertyGroupFilter of unknown type "{kind}"')
        conditions = [self._one(each) for each in cast("list[Any]", values)] if isinstance(values, list) else []
        return every(conditions) if kind == "AND" else some(conditions)

    def _field(self, kind: str, key: str, fields: dict[str, Any]) -> ast.Expr:
        match kind:
            case "event" | "feature":
                return ast.Field(["elements_chain"] if key == "$elements_chain" else ["properties", key])
            case "person":
                return ast.Field(["pdi", "distinct_id"] if key == "distinct_id" else ["person", "properties", key])
            case "group":
                index = fields.get("group_type_index")
                if not isinstance(index, int) or not 0 <= index <= 4:
                    raise QueryError("A filter of type group needs a group_type_index from 0 to 4")
                return ast.Field([f"group_{index}", "properties", key])
            case "session":
                return ast.Field(["session", key])
            case "event_metadata":
                return ast.Field([key])
            case _:
                raise QueryError(f"property_to_expr not implemented for filter type {kind}")

    def _condition(self, field: ast.Expr, kind: str, operator: str, fields: dict[str, Any]) -> ast.Expr:
        if operator == "is_set":
            return ast.CompareOperation(field, ast.Constant(None), "!=")
        if operator == "is_not_set":
            return ast.CompareOperation(field, ast.Constant(None), "==")
        value = fields.get("value")
        if operator in {"between", "not_between"}:
            return _between(field, value, operator)
        if isinstance(value, list):
            values = cast("list[Any]", value)
            return self._list(field, kind, operator, fields, values)
        return self._single(field, kind, operator, fields, value)

    def _list(self, field: ast.Expr, kind: str, operator: str, fields: dict[str, Any], values: list[Any]) -> ast.Expr:
        if not values:
            return ast.Constant(TRUE)
        if len(values) > 1 and operator in {"exact", "in", "is_not", "not_in"}:
            constants: list[ast.Expr] = [ast.Constant(self._typed(kind, fields, value)) for value in values]
            return ast.CompareOperation(field, ast.Tuple(constants), "in" if operator in {"exact", "in"} else "not in")
        conditions = [self._single(field, kind, operator, fields, value) for value in values]
        return every(conditions) if operator in NEGATIVE else some(conditions)

    def _single(self, field: ast.Expr, kind: str, operator: str, fields: dict[str, Any], value: Any) -> ast.Expr:
        if operator in DATE_COMPARISONS:
            left: ast.Expr = ast.Call("toDateTime", [ast.Call("toString", [field])])
            right = ast.Call("toDateTime", [ast.Call("toString", [ast.Constant(self._moment(value))])])
            return ast.CompareOperation(left, right, DATE_COMPARISONS[operator])
        constant = ast.Constant(self._typed(kind, fields, value))
        if operator in COMPARISONS:
            return ast.CompareOperation(field, constant, COMPARISONS[operator])
        if operator in {"exact", "in"}:
            return ast.CompareOperation(field, constant, "==")
        if operator in {"is_not", "not_in"}:
            return ast.CompareOperation(field, constant, "!=")
        return _text_condition(field, operator, value)

    def _typed(self, kind: str, fields: dict[str, Any], value: Any) -> Any:
        """The value as the property's type wants it: booleans only where the definition says so."""
        text = {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value
        if not isinstance(text, bool) or kind not in {"event", "feature", "person", "group"}:
            return text
        owner = "event" if kind == "feature" else kind
        index = fields.get("group_type_index") if kind == "group" else None
        if self._schema.property_type(owner, fields["key"], index) == "Boolean":
            return text
        return "true" if text else "false"

    def _moment(self, value: Any) -> str:
        now = self._clock.now().astimezone(ZoneInfo(self._schema.timezone))
        found = parse_date(value, now) if isinstance(value, str) else None
        return str(value) if found is None else _text(found)


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S" + (".%f" if moment.microsecond else ""))


def _cohort(fields: dict[str, Any]) -> ast.Expr:
    negated = fields.get("operator") == "not_in" or fields.get("negation") is True
    value = fields.get("value")
    if not isinstance(value, int | str):
        return ast.Constant(TRUE)
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    return ast.CompareOperation(
        ast.Field(["person_id"]), ast.Constant(number), "not in cohort" if negated else "in cohort"
    )


def _between(field: ast.Expr, value: Any, operator: str) -> ast.Expr:
    if not isinstance(value, list) or len(cast("list[Any]", value)) != 2:
        raise QueryError(f"{operator} operator requires a two-element array [min, max]")
    low, high = (_number(each, operator) for each in cast("list[Any]", value))
    if low > high:
        raise QueryError(f"{operator} operator requires min value to be less than or equal to max value")
    if operator == "between":
        return every(
            [
                ast.CompareOperation(field, ast.Constant(low), ">="),
                ast.CompareOperation(field, ast.Constant(high), "<="),
            ]
        )
    return some(
        [ast.CompareOperation(field, ast.Constant(low), "<"), ast.CompareOperation(field, ast.Constant(high), ">")]
    )


def _number(value: Any, operator: str) -> float:
    try:
        if not isinstance(value, bool) and isinstance(value, int | float | str):
            return float(value)
    except ValueError:
        pass
    raise QueryError(f"{operator} operator requires numeric values")


def _text_condition(field: ast.Expr, operator: str, value: Any) -> ast.Expr:
    """Conditions on the text of a property."""
    as_text = ast.Call("toString", [field])
    wanted = "true" if value is True else "false" if value is False else str(value)
    parts: dict[str, Callable[[], ast.Expr]] = {
        "icontains": lambda: ast.CompareOperation(as_text, ast.Constant(f"%{wanted}%"), "ilike"),
        "not_icontains": lambda: ast.CompareOperation(as_text, ast.Constant(f"%{wanted}%"), "not ilike"),
        "regex": lambda: ast.CompareOperation(as_text, ast.Constant(wanted), "=~"),
        "not_regex": lambda: ast.CompareOperation(as_text, ast.Constant(wanted), "!~"),
    }
    made = parts.get(operator.removesuffix("_multi") if operator.endswith("icontains_multi") else operator)
    if made is None:
        raise QueryError(f"PropertyOperator {operator} not implemented")
    return made()


def every(conditions: list[ast.Expr]) -> ast.Expr:
    """All of the conditions; true for none."""
    wanted = [each for each in conditions if not (isinstance(each, ast.Constant) and each.value is True)]
    if not wanted:
        return ast.Constant(TRUE)
    return wanted[0] if len(wanted) == 1 else ast.And(wanted)


def some(conditions: list[ast.Expr]) -> ast.Expr:
    """Any of the conditions; true for none."""
    if not conditions:
        return ast.Constant(TRUE)
    return conditions[0] if len(conditions) == 1 else ast.Or(conditions)
