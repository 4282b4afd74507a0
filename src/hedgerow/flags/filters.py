"""What the `filters` of a flag may say: groups, variants, payloads (rest-api §11, filters schema)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from hedgerow.flags.conditions import check_condition, refused
from hedgerow.flags.payloads import HIDDEN

PERCENT: Final = 100
GROUP_TYPES: Final = 5
NO_GROUPS: Final = "Feature flags must have at least one condition set (group)."
NOT_100: Final = "Invalid variant definitions: Variant rollout percentages must sum to 100."


def checked_filters(filters: Mapping[str, Any], stored: Mapping[str, Any] | None) -> dict[str, Any]:
    """The filters as they are stored; those without `groups` leave what is `stored` as it is. Raises ValidationFailed.

    What they name (cohorts, other flags) is not looked for here.
    """
    if "groups" not in filters and stored is not None:
        return dict(stored)
    groups = _objects(filters.get("groups") or [], "groups")
    if not groups:
        raise refused(NO_GROUPS)
    index = _group_type(filters.get("aggregation_group_type_index"))
    variants = _variants(filters.get("multivariate"))
    for group in groups:
        _percentage(group.get("rollout_percentage"))
        for each in _objects(group.get("properties") or [], "properties"):
            check_condition(each, index)
        if group.get("variant") is not None and group["variant"] not in variants:
            raise refused("Filters are not valid (variant override does not exist)")
    for name in ("super_groups", "holdout_groups"):
        for group in _objects(filters.get(name) or [], name):
            _percentage(group.get("rollout_percentage"))
            _objects(group.get("properties") or [], "properties")
    if not isinstance(filters.get("holdout"), dict | None):
        raise refused("Filters are not valid (holdout must be an object)")
    out = dict(filters)
    if filters.get("payloads") is not None:
        out["payloads"] = _payloads(filters["payloads"], variants)
    return out


def conditions_of(filters: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The conditions of all groups of filters that were checked."""
    for group in filters.get("groups") or ():
        yield from group.get("properties") or ()


def variants_of(filters: Mapping[str, Any]) -> list[str]:
    """The keys of the variants of filters that were checked."""
    return [each["key"] for each in (filters.get("multivariate") or {}).get("variants") or ()]


def _group_type(index: Any) -> int | None:
    if index is None:
        return None
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < GROUP_TYPES:
        raise refused("Filters are not valid (aggregation_group_type_index must be null or a number from 0 to 4)")
    return index


def _variants(multivariate: Any) -> list[str]:
    if multivariate is None:
        return []
    if not isinstance(multivariate, dict):
        raise refused("Invalid variant definitions: a dictionary with variants is expected.")
    said: dict[str, Any] = multivariate
    variants = _objects(said.get("variants") or [], "variants")
    if not variants:
        return []
    for variant in variants:
        if not isinstance(variant.get("key"), str) or not variant["key"]:
            raise refused("Invalid variant definitions: Each variant needs a key.")
        _percentage(variant.get("rollout_percentage", 0))
    if round(sum(variant.get("rollout_percentage") or 0 for variant in variants), 6) != PERCENT:
        raise refused(NOT_100)
    return [variant["key"] for variant in variants]


def _payloads(payloads: Any, variants: Sequence[str]) -> dict[str, Any]:
    if not isinstance(payloads, dict):
        raise refused("Payloads must be passed as a dictionary")
    said: dict[str, Any] = payloads
    if variants and any(key not in variants for key in said):
        raise refused("Payload keys must match a variant key for multivariate flags")
    if not variants and any(key != "true" for key in said):
        raise refused("Payload keys must be 'true' for boolean flags")
    return {key: _payload(value) for key, value in said.items()}


def _payload(value: Any) -> Any:
    if not isinstance(value, str):
        return msgspec.json.encode(value).decode()
    if value == HIDDEN:
        return value  # what is stored is put there
    try:
        msgspec.json.decode(value)
    except msgspec.DecodeError:
        raise refused("Payload value is not valid JSON") from None
    return value


def _percentage(value: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= PERCENT:
        raise refused("Rollout percentage must be a number between 0 and 100.")


def _objects(value: Any, what: str) -> list[dict[str, Any]]:
    items = _list(value) if isinstance(value, list) else None
    if items is None or not all(isinstance(each, dict) for each in items):
        raise refused(f"Filters are not valid ({what} must be a list of objects)")
    return items


def _list(value: Any) -> list[Any]:
    return value
