"""What one condition of a flag's filters may say: its type, operator and value (rest-api §11, filters schema)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from hedgerow.core.http import ValidationFailed, parse_moment

ATTR: Final = "filters"
VALUES_MAX: Final = 1_000
OPERATORS: Final = frozenset({
    "exact", "is_not", "icontains", "not_icontains", "regex", "not_regex", "gt", "gte", "lt", "lte", "is_set",
    "is_not_set", "is_date_exact", "is_date_before", "is_date_after", "in", "not_in", "flag_evaluates_to", "semver_eq",
    "semver_neq", "semver_gt", "semver_gte", "semver_lt", "semver_lte", "semver_tilde", "semver_caret",
    "semver_wildcard", "icontains_multi", "not_icontains_multi",
})  # fmt: skip
_TEXTS: Final = frozenset({"regex", "not_regex", "icontains", "not_icontains", "gt", "gte", "lt", "lte"})
_DATES: Final = frozenset({"is_date_exact", "is_date_before", "is_date_after"})
_RELATIVE_DATE: Final = re.compile(r"-?[0-9]{1,4}[hdwmy]")


def check_condition(each: Mapping[str, Any], index: int | None) -> None:
    """A condition of a flag that aggregates by the group type `index`, or by person. Raises ValidationFailed."""
    kind = each.get("type", "person")
    if index is None and kind not in {"person", "cohort", "flag"}:
        raise refused("Filters are not valid (can only use person, cohort, and flag properties)")
    if index is not None and (kind != "group" or each.get("group_type_index") != index):
        raise refused("Filters are not valid (can only use group properties)")
    if not isinstance(each.get("key"), str) or not each["key"]:
        raise refused("Filters are not valid (each property needs a key)")
    _check_operator(kind, each.get("operator"))
    _check_value(each["key"], each.get("operator"), each.get("value"))


def refused(text: str, code: str = "invalid_input") -> ValidationFailed:
    """The refusal of filters."""
    return ValidationFailed(text, code=code, attr=ATTR)


def _check_operator(kind: str, operator: Any) -> None:
    if operator is not None and (not isinstance(operator, str) or operator not in OPERATORS):
        raise refused(f"Invalid operator: {operator}", "invalid_operator")
    if operator in {"in", "not_in"} and kind != "cohort":
        text = f"The '{operator}' operator is only valid for cohort properties, not '{kind}' properties."
        raise refused(text, "invalid_operator")
    if kind == "flag" and operator != "flag_evaluates_to":
        raise refused("Flag properties must use the 'flag_evaluates_to' operator")
    if kind != "flag" and operator == "flag_evaluates_to":
        text = f"The 'flag_evaluates_to' operator is only valid for flag properties, not '{kind}' properties."
        raise refused(text, "invalid_operator")


def _check_value(key: str, operator: str | None, value: Any) -> None:
    if isinstance(value, list) and _length(value) > VALUES_MAX:
        text = f"Property group expressions of type {key} cannot contain more than {VALUES_MAX} values."
        raise refused(text)
    if operator in _TEXTS and not isinstance(value, str):
        raise refused(f"Invalid value for operator {operator}: {value}", "invalid_value")
    if operator in _DATES and not _is_date(value):
        raise refused(f"Invalid date value: {value}", "invalid_date")
    if operator == "flag_evaluates_to" and not isinstance(value, bool | str):
        raise refused(f"Invalid value for operator {operator}: {value}", "invalid_value")


def _is_date(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    if _RELATIVE_DATE.fullmatch(value):
        return True
    try:
        parse_moment(value, ATTR)
    except ValidationFailed:
        return False
    return True


def _length(value: list[Any]) -> int:
    return len(value)
