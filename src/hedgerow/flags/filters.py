"""What the `filters` of a flag may say: groups, variants, payloads (rest-api §11, filters schema)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from hedgerow.core.http import ValidationFailed

ATTR: Final = "filters"
PERCENT: Final = 100
VALUES_MAX: Final = 1_000
NO_GROUPS: Final = "Feature flags must have at least one condition set (group)."
NOT_100: Final = "Invalid variant definitions: Variant rollout percentages must sum to 100."


def checked_filters(filters: Mapping[str, Any], stored: Mapping[str, Any] | None) -> dict[str, Any]:
    """The filters as they are stored; those without `groups` leave what is `stored` as it is. Raises ValidationFailed."""
    if "groups" not in filters and stored is not None:
        return dict(stored)
    groups = _objects(filters.get("groups") or [], "groups")
    if not groups:
        raise _refused(NO_GROUPS)
    index = filters.get("aggregation_group_type_index")
    variants = _variants(filters.get("multivariate"))
    for group in groups:
        _percentage(group.get("rollout_percentage"))
        _properties(_objects(group.get("properties") or [], "properties"), index)
        if group.get("variant") is not None and group["variant"] not in variants:
            raise _refused("Filters are not valid (variant override does not exist)")
    out = dict(filters)
    if filters.get("payloads") is not None:
        out["payloads"] = _payloads(filters["payloads"], variants)
    return out


def _variants(multivariate: Any) -> list[str]:
    if multivariate is None:
        return []
    if not isinstance(multivariate, dict):
        raise _refused("Invalid variant definitions: a dictionary with variants is expected.")
    said: dict[str, Any] = multivariate
    variants = _objects(said.get("variants") or [], "variants")
    if not variants:
        return []
    for variant in variants:
        if not isinstance(variant.get("key"), str) or not variant["key"]:
            raise _refused("Invalid variant definitions: Each variant needs a key.")
        _percentage(variant.get("rollout_percentage", 0))
    if round(sum(variant.get("rollout_percentage") or 0 for variant in variants), 6) != PERCENT:
        raise _refused(NOT_100)
    return [variant["key"] for variant in variants]


def _properties(properties: Sequence[dict[str, Any]], index: Any) -> None:
    for each in properties:
        kind = each.get("type", "person")
        if index is None and kind not in ("person", "cohort", "flag"):
            raise _refused("Filters are not valid (can only use person, cohort, and flag properties)")
        if index is not None and (kind != "group" or each.get("group_type_index") != index):
            raise _refused("Filters are not valid (can only use group properties)")
        operator, value = each.get("operator"), each.get("value")
        if operator in ("in", "not_in") and kind != "cohort":
            text = f"The '{operator}' operator is only valid for cohort properties, not '{kind}' properties."
            raise _refused(text, "invalid_operator")
        if kind == "flag" and operator != "flag_evaluates_to":
            raise _refused("Flag properties must use the 'flag_evaluates_to' operator")
        if isinstance(value, list) and len(_list(value)) > VALUES_MAX:
            text = f"Property group expressions of type {each.get('key')} cannot contain more than 1000 values."
            raise _refused(text)


def _payloads(payloads: Any, variants: Sequence[str]) -> dict[str, Any]:
    if not isinstance(payloads, dict):
        raise _refused("Payloads must be passed as a dictionary")
    said: dict[str, Any] = payloads
    if variants and any(key not in variants for key in said):
        raise _refused("Payload keys must match a variant key for multivariate flags")
    if not variants and any(key != "true" for key in said):
        raise _refused("Payload keys must be 'true' for boolean flags")
    return {key: _payload(value) for key, value in said.items()}


def _payload(value: Any) -> Any:
    if not isinstance(value, str):
        return msgspec.json.encode(value).decode()
    try:
        msgspec.json.decode(value)
    except msgspec.DecodeError:
        raise _refused("Payload value is not valid JSON") from None
    return value


def _percentage(value: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= PERCENT:
        raise _refused("Rollout percentage must be a number between 0 and 100.")


def _objects(value: Any, what: str) -> list[dict[str, Any]]:
    items = _list(value) if isinstance(value, list) else None
    if items is None or not all(isinstance(each, dict) for each in items):
        raise _refused(f"Filters are not valid ({what} must be a list of objects)")
    return items


def _list(value: Any) -> list[Any]:
    return value


def _refused(text: str, code: str = "invalid_input") -> ValidationFailed:
    return ValidationFailed(text, code=code, attr=ATTR)
