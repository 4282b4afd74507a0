"""What a cohort's `filters` may say, and the older `groups` said in that form (rest-api §8).

{"properties": {"type": "OR", "values": [{"type": "AND", "values": [{"type": "person", "key": "plan", ...}]}]}}
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, cast

from hedgerow.core.http.errors import ValidationFailed

DEPTH_MAX: Final = 10
FILTERS_MAX: Final = 500

BEHAVIOURS: Final = (
    "performed_event",
    "performed_event_multiple",
    "performed_event_first_time",
    "performed_event_sequence",
    "performed_event_regularly",
    "stopped_performing_event",
    "restarted_performing_event",
)
INTERVALS: Final = ("day", "week", "month", "year")
COUNT_OPERATORS: Final = ("gte", "lte", "gt", "lt", "eq", "exact")
_REQUIRED: Final = {
    "person": ("key", "operator", "value"),
    "cohort": ("key", "value"),
    "behavioral": ("key", "value", "event_type"),
}
_NO_VALUE: Final = frozenset({"is_set", "is_not_set"})
_NUMBERS: Final = ("time_value", "operator_value", "seq_time_value", "total_periods", "min_periods")
_GROUP_KEYS: Final = frozenset({"type", "values"})
_DAYS: Final = 30
"""How far back an older form looks that names no number of days."""


def read_filters(said: object) -> dict[str, Any]:
    """The `filters` of a cohort, checked; nothing of it is changed. Raises `ValidationFailed` with `attr` `filters`."""
    group = cast("dict[str, Any]", said).get("properties") if isinstance(said, dict) else None
    if not isinstance(group, dict):
        raise _wrong("Must contain a 'properties' key with type and values")
    _check(cast("dict[str, Any]", group), DEPTH_MAX)
    if sum(1 for _ in each_filter(cast("dict[str, Any]", group))) > FILTERS_MAX:
        raise _wrong(f"A cohort has at most {FILTERS_MAX} filters.")
    return cast("dict[str, Any]", said)


def read_groups(said: object) -> dict[str, Any]:
    """Older `groups` as `filters`: OR between the items, AND within one. Raises `ValidationFailed`, `attr` `groups`."""
    if not isinstance(said, list):
        raise ValidationFailed(
            f'Expected a list of items but got type "{type(said).__name__}".', attr="groups", code="not_a_list"
        )
    values = [_group(each) for each in cast("list[object]", said)]
    return read_filters({"properties": {"type": "OR", "values": values}})


def each_filter(group: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every filter of a checked group, however deep, in order."""
    for value in group["values"]:
        if "values" in value:
            yield from each_filter(value)
        else:
            yield value


def cohorts_named(group: dict[str, Any]) -> set[int]:
    """Ids of the cohorts that a checked group names."""
    return {each["value"] for each in each_filter(group) if each["type"] == "cohort"}


def asks_for_behaviour(group: dict[str, Any]) -> bool:
    """Whether a checked group asks what somebody did."""
    return any(each["type"] == "behavioral" for each in each_filter(group))


def _check(group: dict[str, Any], depth: int) -> None:
    if not depth:
        raise _wrong(f"Filters are nested more than {DEPTH_MAX} deep.")
    if extra := sorted(str(key) for key in group.keys() - _GROUP_KEYS):
        raise _wrong(f"Extra keys are not permitted in a group: {', '.join(extra)}")
    if group.get("type") not in ("AND", "OR") or not isinstance(group.get("values"), list):
        raise _wrong("Must contain a 'properties' key with type and values")
    for value in cast("list[object]", group["values"]):
        if not isinstance(value, dict):
            raise _wrong(f'Expected a dictionary of items but got type "{type(value).__name__}".', "not_a_dict")
        given = cast("dict[str, Any]", value)
        if "values" in given:
            _check(given, depth - 1)
        else:
            _check_filter(given)


def _check_filter(given: dict[str, Any]) -> None:
    kind: object = given.get("type")
    if not isinstance(kind, str) or kind not in _REQUIRED:
        raise _wrong(f'"{kind}" is not a valid choice.', "invalid_choice")
    required = _REQUIRED[kind]
    if kind == "person" and given.get("operator") in tuple(_NO_VALUE):
        required = ("key", "operator")
    if missing := [name for name in required if given.get(name) is None]:
        raise _wrong(f"Missing required keys for {kind} filter: {', '.join(missing)}")
    if not isinstance(given.get("negation", False), bool | None):
        raise _wrong("Must be a valid boolean.")
    if kind == "person" and not (isinstance(given["key"], str) and isinstance(given["operator"], str)):
        raise _wrong("Not a valid string.")
    if kind == "cohort" and (
        given["key"] != "id" or isinstance(given["value"], bool) or not isinstance(given["value"], int)
    ):
        raise _wrong("Invalid Cohort ID in filter")
    if kind == "behavioral":
        _check_behaviour(given)


def _check_behaviour(given: dict[str, Any]) -> None:
    key: object = given["key"]
    for name, choices in (
        ("value", BEHAVIOURS),
        ("event_type", ("events", "actions")),
        ("time_interval", INTERVALS),
        ("seq_time_interval", INTERVALS),
        ("operator", COUNT_OPERATORS),
    ):
        choice: object = given.get(name)
        if choice is not None and choice not in choices:
            raise _wrong(f'"{choice}" is not a valid choice.', "invalid_choice")
    for name in _NUMBERS:
        number: object = given.get(name)
        if number is not None and (isinstance(number, bool) or not isinstance(number, int)):
            raise _wrong("A valid integer is required.")
    if isinstance(key, bool) or not isinstance(key, int | str):
        raise _wrong("Not a valid string.")
    if given["event_type"] == "actions" and not str(key).isdecimal():
        raise _wrong("A valid integer is required.")


def _group(said: object) -> dict[str, Any]:
    item = cast("dict[str, Any]", said) if isinstance(said, dict) else {}
    properties: object = item.get("properties")
    if isinstance(properties, list):
        return {"type": "AND", "values": [_modern(each) for each in cast("list[object]", properties)]}
    action: object = item.get("action_id")
    key: object = action if action is not None else item.get("event_id")
    if key is None:
        raise ValidationFailed("A group needs properties, action_id or event_id.", attr="groups")
    behaviour: dict[str, Any] = {
        "type": "behavioral",
        "key": key,
        "value": "performed_event",
        "event_type": "events" if action is None else "actions",
        "time_value": item.get("days") or _DAYS,
        "time_interval": "day",
        "negation": False,
    }
    if item.get("count") is not None:
        behaviour |= {
            "value": "performed_event_multiple",
            "operator": item.get("count_operator") or "gte",
            "operator_value": item["count"],
        }
    return {"type": "AND", "values": [behaviour]}


def _modern(said: object) -> object:
    """A filter of an older group: no type means a person's property, and `event` one that was performed."""
    if not isinstance(said, dict):
        return said
    given = cast("dict[str, Any]", said)
    if given.get("type") == "event" and given.get("value") in BEHAVIOURS:
        return {"event_type": "events", "time_value": _DAYS, "time_interval": "day", "negation": False} | {
            **given,
            "type": "behavioral",
        }
    if given.get("type", "person") == "person":
        return {"operator": "exact", **given, "type": "person"}
    return given


def _wrong(detail: str, code: str | None = None) -> ValidationFailed:
    return ValidationFailed(detail, attr="filters", code=code)
