"""What the operators of property filters mean (queries §2.3)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, cast

import msgspec

from hedgerow.hogql import ast
from hedgerow.hogql.errors import QueryError

ReadDate = Callable[[str], datetime | None]
"""Reads a date of a filter, relative ones (`-7d`) too; None for a text that is no date."""
ARRAYS = frozenset({"$exception_types", "$exception_values", "$exception_sources", "$exception_functions"})
"""Event properties that hold a list: any element may fit."""
_ALIASES = {"min": "gte", "max": "lte"}
_ORDER: dict[str, ast.CompareOp] = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_ALL_OF = frozenset({"not_regex", "not_icontains", "is_not"})
_SEMVER = re.compile(r"\d+(?:\.\d+)*\Z")


class Subject(msgspec.Struct):
    """What is compared: a chain of names, the type of its definition (`column` for a table's own), its key."""

    chain: list[str]
    kind: str | None = None
    key: str | None = None

    @property
    def field(self) -> ast.Expr:
        """A new node for it."""
        return ast.Field(chain=list(self.chain))

    @property
    def text(self) -> ast.Expr:
        """It as text."""
        return _call("toString", self.field)


def _call(name: str, *args: ast.Expr) -> ast.Expr:
    return ast.Call(name=name, args=list(args))


def _constant(value: object) -> ast.Expr:
    return ast.Constant(value=value)


def _compare(op: ast.CompareOp, left: ast.Expr, right: ast.Expr) -> ast.Expr:
    return ast.CompareOperation(op=op, left=left, right=right)


def compared(subject: Subject, operator: str, value: Any, read_date: ReadDate) -> ast.Expr:
    """`subject operator value`; a list of values means any of them, or all where the operator is a negation."""
    operator = _ALIASES.get(operator, operator)
    if operator == "is_set":
        return _compare("!=", subject.field, _constant(None))
    if operator == "is_not_set":
        return _compare("==", subject.field, _constant(None))
    if operator in {"between", "not_between"}:
        return _between(subject, value, negated=operator == "not_between")
    if operator in {"exact", "is_not", "in", "not_in"}:
        return _equal(subject, value, negated=operator in {"is_not", "not_in"})
    values = cast("list[Any]", value) if isinstance(value, list) else [value]
    if operator in {"icontains_multi", "not_icontains_multi"} or (
        operator in {"icontains", "not_icontains"} and len(values) > 1
    ):
        return _contains_any(subject, values, negated=operator.startswith("not_"))
    if not values:
        return _constant(True)
    parts = [_single(subject, operator, each, read_date) for each in values]
    if len(parts) == 1:
        return parts[0]
    return ast.And(exprs=parts) if operator in _ALL_OF else ast.Or(exprs=parts)


def _single(subject: Subject, operator: str, value: Any, read_date: ReadDate) -> ast.Expr:
    if value is None:
        return _constant(True)
    order = _ORDER.get(operator)
    if order is not None:
        return _ordered(subject, order, value)
    rule = _RULES.get(operator)
    if rule is not None:
        return rule(subject, value)
    if operator in _DATES:
        return _dated(subject, operator, value, read_date)
    if operator.startswith("semver_"):
        return _semver(subject, operator, str(value))
    raise QueryError(f"PropertyOperator {operator} not implemented")


# --- equality -------------------------------------------------------------------------------------------------------


def _typed(subject: Subject, value: Any) -> Any:
    """The value in the type that the property is read in."""
    if subject.kind == "Boolean":
        return {"true": True, "false": False}.get(str(value).lower(), value)
    if isinstance(value, bool):
        return value if subject.kind == "session" else str(value).lower()
    if isinstance(value, int | float) and subject.kind not in {"Numeric", "column", "session"}:
        return repr(value)
    return value


def _equal(subject: Subject, value: Any, *, negated: bool) -> ast.Expr:
    values = cast("list[Any]", value) if isinstance(value, list) else [value]
    if not values or values == [None]:
        return _constant(True)
    if subject.key in ARRAYS:
        return _any_element(subject, [str(each) for each in values], negated=negated)
    typed = [_typed(subject, each) for each in values]
    if len(typed) == 1:
        return _compare("!=" if negated else "==", subject.field, _constant(typed[0]))
    members = ast.Tuple(exprs=[_constant(each) for each in typed])
    return _compare("not in" if negated else "in", subject.field, members)


def _any_element(subject: Subject, values: list[str], *, negated: bool) -> ast.Expr:
    """Whether any element of a JSON list is one of the values."""
    elements = _call("JSONExtract", _call("ifNull", subject.field, _constant("")), _constant("Array(String)"))
    found = _call("hasAny", elements, ast.Array(exprs=[_constant(each) for each in values]))
    return ast.Not(expr=found) if negated else found


def _ordered(subject: Subject, op: ast.CompareOp, value: Any) -> ast.Expr:
    left = subject.field
    if isinstance(value, int | float) and not isinstance(value, bool) and subject.kind not in _NUMBERS:
        left = _call("toFloat", left)
    return _compare(op, left, _constant(value))


_NUMBERS = frozenset({"Numeric", "column", "session"})


def _between(subject: Subject, value: Any, *, negated: bool) -> ast.Expr:
    name = "not_between" if negated else "between"
    if not isinstance(value, list) or len(cast("list[Any]", value)) != 2:
        raise QueryError(f"{name} operator requires a two-element array [min, max]")
    try:
        low, high = (float(each) for each in cast("list[Any]", value))
    except (TypeError, ValueError):
        raise QueryError(f"{name} operator requires numeric values") from None
    if low > high:
        raise QueryError(f"{name} operator requires min value to be less than or equal to max value")
    left = subject.field if subject.kind in _NUMBERS else _call("toFloat", subject.field)
    return ast.BetweenExpr(expr=left, low=_constant(low), high=_constant(high), negated=negated)


# --- text -----------------------------------------------------------------------------------------------------------


def _contains_any(subject: Subject, values: list[Any], *, negated: bool) -> ast.Expr:
    if not values:
        return _constant(True)
    needles = ast.Array(exprs=[_constant(str(each)) for each in values])
    found = _call("multiSearchAnyCaseInsensitive", subject.text, needles)
    return _compare("==", found, _constant(0 if negated else 1))


def _matches(subject: Subject, pattern: Any) -> ast.Expr:
    return _call("ifNull", _call("match", subject.text, _constant(str(pattern))), _constant(0))


_RULES: dict[str, Callable[[Subject, Any], ast.Expr]] = {
    "icontains": lambda subject, value: _compare("ilike", subject.text, _constant(f"%{value}%")),
    "not_icontains": lambda subject, value: _compare("not ilike", subject.text, _constant(f"%{value}%")),
    "regex": _matches,
    "not_regex": lambda subject, value: ast.Not(expr=_matches(subject, value)),
}


# --- dates ----------------------------------------------------------------------------------------------------------

_DATES: dict[str, ast.CompareOp] = {"is_date_exact": "==", "is_date_before": "<", "is_date_after": ">"}


def _dated(subject: Subject, operator: str, value: Any, read_date: ReadDate) -> ast.Expr:
    text = str(value)
    moment = read_date(text)
    right = _call("toDateTime", _constant(text)) if moment is None else _constant(moment)
    return _compare(_DATES[operator], _call("toDateTime", subject.text), right)


# --- versions -------------------------------------------------------------------------------------------------------

_SEMVER_ORDER: dict[str, ast.CompareOp] = {
    "semver_eq": "==",
    "semver_neq": "!=",
    "semver_gt": ">",
    "semver_gte": ">=",
    "semver_lt": "<",
    "semver_lte": "<=",
}


def _semver(subject: Subject, operator: str, value: str) -> ast.Expr:
    op = _SEMVER_ORDER.get(operator)
    if op is not None:
        both = _compare(op, _sortable(subject.field), _sortable(_constant(value)))
        known = _call("notEmpty", _sortable(subject.field))
        return ast.Or(exprs=[ast.Not(expr=known), both]) if operator == "semver_neq" else ast.And(exprs=[known, both])
    low, high = _bounds(operator, value)
    version = _sortable(subject.field)
    return ast.And(
        exprs=[
            _compare(">=", version, _sortable(_constant(low))),
            _compare("<", _sortable(subject.field), _sortable(_constant(high))),
        ]
    )


def _sortable(value: ast.Expr) -> ast.Expr:
    return _call("sortableSemver", value)


def _bounds(operator: str, value: str) -> tuple[str, str]:
    """The versions that a range lies between: from the first, below the second."""
    name = operator.removeprefix("semver_").capitalize()
    text = value.removesuffix(".*") if operator == "semver_wildcard" else value
    if not _SEMVER.match(text) or (operator == "semver_wildcard" and text == value):
        example = "'1.2.*'" if operator == "semver_wildcard" else "'1.2.3'"
        raise QueryError(f"{name} operator requires a valid semver string (e.g., {example})")
    parts = [int(part) for part in text.split(".")]
    if operator == "semver_wildcard":
        place = len(parts) - 1
    elif operator == "semver_tilde":
        place = min(1, len(parts) - 1)
    else:
        place = next((index for index, part in enumerate(parts[:3]) if part), min(len(parts), 3) - 1)
    upper = [*parts[:place], parts[place] + 1]
    return _padded(parts), _padded(upper)


def _padded(parts: list[int]) -> str:
    return ".".join(map(str, [*parts, *[0] * (3 - len(parts))]))
