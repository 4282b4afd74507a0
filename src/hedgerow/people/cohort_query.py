"""A cohort's definition as HogQL: who is in it (rest-api §8).

What a window means, where now is the moment of the calculation, `since` now less `time_value` intervals, and `recent` now
less `seq_time_value` intervals; all begin after their first moment and end with their last:

    performed_event              at least once in (since, now]
    performed_event_multiple     `operator` `operator_value` times in (since, now], and at least once
    performed_event_first_time   for the first time ever in (since, now]
    performed_event_regularly    in at least `min_periods` of the last `total_periods` periods of `time_value` intervals
                                 each, `operator` `operator_value` times
    performed_event_sequence     in (since, now], and after it, within `seq_time_value` intervals, `seq_event`
    stopped_performing_event     in (since, recent], and not in (recent, now]
    restarted_performing_event   in (recent, now], not in (since, recent], and before that

Events count for the person that their distinct id belongs to now, so persons that were merged are one. A negated filter
is true for everybody for whom the filter is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

from hedgerow.hogql import (
    CompiledQuery,
    HogQLContext,
    ProjectSchema,
    QueryError,
    ast,
    compile_select,
    parse_expr,
    parse_select,
    property_to_expr,
)
from hedgerow.hogql.walk import clone
from hedgerow.queries.dates import parse_date

FILTERS_MAX: Final = 2_000
"""Of a cohort and those that it names, together."""
PERIODS_MAX: Final = 366
_UNITS: Final = {"day": "d", "week": "w", "month": "m", "year": "y"}
_OPERATORS: Final[dict[str, ast.CompareOp]] = {
    "gte": ">=",
    "lte": "<=",
    "gt": ">",
    "lt": "<",
    "eq": "==",
    "exact": "==",
}
_DID: Final = "SELECT person_id FROM events WHERE {wanted} AND {span} GROUP BY person_id HAVING {having}"
_SEQUENCE: Final = """
SELECT first.person_id FROM
(SELECT person_id, timestamp AS began FROM events WHERE {first} AND {first_span}) AS first
ASOF JOIN
(SELECT person_id, timestamp AS followed FROM events WHERE {second} AND {second_span}) AS second
ON first.person_id = second.person_id AND first.began < second.followed
WHERE second.followed <= first.began + {length}
GROUP BY first.person_id
"""
"""The nearest second event after each first one is enough to know."""
_INTERVALS: Final = {
    "day": "toIntervalDay",
    "week": "toIntervalWeek",
    "month": "toIntervalMonth",
    "year": "toIntervalYear",
}


@dataclass(frozen=True)
class Known:
    """A cohort that others may name: its definition; None for a list of persons."""

    id: int
    definition: dict[str, Any] | None


def people_of(
    definition: dict[str, Any], schema: ProjectSchema, now: datetime, cohorts: Mapping[int, Known]
) -> ast.SelectQuery | ast.SelectSetQuery:
    """Selects the ids of those who are in it, in one column. Raises HogQLError for what cannot be meant."""
    condition = _Definition(schema, now, cohorts).condition(definition)
    return parse_select("SELECT id FROM persons WHERE {condition}", {"condition": condition})


def listed_by(query: dict[str, Any], schema: ProjectSchema) -> CompiledQuery:
    """Selects the ids of those persons that a query's column `person_id`, `actor_id` or `id` names.

    Raises HogQLError for a query that cannot be run, or has no such column.
    """
    if query.get("kind") != "HogQLQuery":
        raise QueryError(f"Who is in a cohort is not calculated from a query of this kind: {query.get('kind')}")
    context = HogQLContext(schema=schema, limit_top=None, max_limit=None)
    columns = compile_select(parse_select(str(query.get("query"))), context).columns
    name = next((each for each in ("person_id", "actor_id", "id") if each in columns), None)
    if name is None:
        raise QueryError("The query of a cohort needs a column person_id, actor_id or id.")
    named = cast("ast.SelectQuery", parse_select(f"SELECT toString(q.{name}) FROM persons AS q"))
    named.select_from = ast.JoinExpr(table=parse_select(str(query["query"])), alias="q")
    return compile_select(
        parse_select("SELECT id FROM persons WHERE toString(id) IN {named}", {"named": named}), context
    )


class _Definition:
    """One calculation."""

    def __init__(self, schema: ProjectSchema, now: datetime, cohorts: Mapping[int, Known]) -> None:
        self.schema = schema
        self.now = now.astimezone(ZoneInfo(schema.timezone))
        self.cohorts = cohorts
        self.filters = 0
        self.within: list[int] = []

    def condition(self, group: dict[str, Any]) -> ast.Expr:
        """True for the persons of a group; a group of nothing holds everybody."""
        parts = [self.condition(each) if "values" in each else self._filter(each) for each in group["values"]]
        if not parts:
            return ast.Constant(value=True)
        if len(parts) == 1:
            return parts[0]
        return ast.And(exprs=parts) if group["type"] == "AND" else ast.Or(exprs=parts)

    def _filter(self, given: dict[str, Any]) -> ast.Expr:
        self.filters += 1
        if self.filters > FILTERS_MAX:
            raise QueryError(f"This cohort and those that it names have more than {FILTERS_MAX} filters.")
        match given["type"]:
            case "cohort":
                condition = self._cohort(given["value"])
            case "behavioral":
                condition = parse_expr("id IN {people}", {"people": self._behaviour(given)})
            case _:
                said = {**given, "negation": False}
                condition = property_to_expr(said, "person", self.schema, self._date)
        if given.get("negation"):
            return parse_expr("NOT ifNull({condition}, false)", {"condition": condition})
        return condition

    def _cohort(self, number: int) -> ast.Expr:
        found = self.cohorts.get(number)
        if found is None:
            raise QueryError(f"Could not find cohort with ID {number}")
        if found.definition is None:
            text = "id IN (SELECT person_id FROM static_cohort_people WHERE cohort_id = {number})"
            return parse_expr(text, {"number": ast.Constant(value=number)})
        if number in self.within:
            raise QueryError("Cohorts cannot reference other cohorts in a loop.")
        self.within.append(number)
        condition = self.condition(found.definition)
        self.within.pop()
        return condition

    def _behaviour(self, given: dict[str, Any]) -> Any:
        kind = given["value"]
        wanted = self._event(given["key"], given["event_type"], given.get("event_filters"))
        since, until = self._since(given), self._until(given)
        if kind == "performed_event_sequence":
            return self._sequence(given, wanted, since, until)
        if kind == "performed_event":
            having: ast.Expr = ast.Constant(value=True)
        elif kind == "performed_event_multiple":
            having = _counted("count()", given, {})
        elif kind == "performed_event_first_time":
            having = ast.Constant(value=True) if since is None else parse_expr("min(timestamp) > {a}", _at(a=since))
            since = None
        elif kind == "performed_event_regularly":
            since, having = self._regularly(given, until)
        else:
            recent = self._before(given, "seq_time_value", "seq_time_interval")
            if since is None or recent is None:
                raise QueryError(f"Missing required keys for behavioral filter {kind}: time_value, seq_time_value")
            if kind == "stopped_performing_event":
                having = parse_expr("countIf(timestamp <= {b}) > 0 AND countIf(timestamp > {b}) = 0", _at(b=recent))
            else:
                text = (
                    "countIf(timestamp <= {a}) > 0 AND countIf(timestamp > {a} AND timestamp <= {b}) = 0"
                    " AND countIf(timestamp > {b}) > 0"
                )
                having, since = parse_expr(text, _at(a=since, b=recent)), None
        return parse_select(_DID, {"wanted": wanted, "span": _within(since, until), "having": having})

    def _regularly(self, given: dict[str, Any], until: datetime) -> tuple[datetime | None, ast.Expr]:
        total, least = given.get("total_periods") or 0, given.get("min_periods") or 0
        length = given.get("time_value") or 0
        if not (0 < least <= total <= PERIODS_MAX) or length < 1 or not given.get("time_interval"):
            raise QueryError(
                "performed_event_regularly needs time_value, time_interval, and min_periods of at most total_periods,"
                f" which is at most {PERIODS_MAX}."
            )
        edges = [until, *(self._ago(length * each, given["time_interval"]) for each in range(1, total + 1))]
        periods = [
            ast.Call(
                name="if",
                args=[
                    _counted("countIf(timestamp > {a} AND timestamp <= {b})", given, _at(a=edges[at + 1], b=edges[at])),
                    ast.Constant(value=1),
                    ast.Constant(value=0),
                ],
            )
            for at in range(total)
        ]
        values: dict[str, ast.Expr] = {"periods": ast.Array(exprs=[*periods]), "least": ast.Constant(value=least)}
        return edges[-1], parse_expr("arraySum({periods}) >= {least}", values)

    def _sequence(self, given: dict[str, Any], wanted: ast.Expr, since: datetime | None, until: datetime) -> Any:
        number, unit = given.get("seq_time_value"), given.get("seq_time_interval")
        if given.get("seq_event") in (None, "") or number is None or not unit:
            raise QueryError(
                "Missing required keys for behavioral filter performed_event_sequence: seq_event, seq_time_value,"
                " seq_time_interval"
            )
        second = self._event(given["seq_event"], given.get("seq_event_type") or "events", None)
        values = {
            "first": wanted,
            "first_span": _within(since, until),
            "second": second,
            "second_span": _within(since, until),
            "length": ast.Call(name=_INTERVALS[unit], args=[ast.Constant(value=max(0, number))]),
        }
        return parse_select(_SEQUENCE, values)

    def _event(self, key: int | str, kind: str, filters: object) -> ast.Expr:
        """True for the events that are meant: those of a name, or of an action."""
        if kind == "actions":
            found = self.schema.action(int(key))
            if not found:
                raise QueryError(f"Could not find action with ID {key}")
            condition = clone(found[0].condition)
        else:
            condition = parse_expr("event = {key}", {"key": ast.Constant(value=str(key))})
        if not filters:
            return condition
        return ast.And(exprs=[condition, property_to_expr(filters, "event", self.schema, self._date)])

    def _since(self, given: dict[str, Any]) -> datetime | None:
        if given.get("explicit_datetime"):
            return self._said(given["explicit_datetime"])
        return self._before(given, "time_value", "time_interval")

    def _until(self, given: dict[str, Any]) -> datetime:
        said = given.get("explicit_datetime_to")
        return min(self._said(said), self.now) if said else self.now

    def _before(self, given: dict[str, Any], number: str, unit: str) -> datetime | None:
        if given.get(number) is None or not given.get(unit):
            return None
        return self._ago(given[number], given[unit])

    def _ago(self, number: int, unit: str) -> datetime:
        return self._said(f"-{min(max(0, number), 999_999_999)}{_UNITS[unit]}")

    def _said(self, text: object) -> datetime:
        found = parse_date(str(text), self.now)
        if found is None:
            raise QueryError(f"Not a date: {str(text)[:100]}")
        return found

    def _date(self, text: str) -> datetime | None:
        return parse_date(text, self.now)


def _within(since: datetime | None, until: datetime) -> ast.Expr:
    if since is None:
        return parse_expr("timestamp <= {b}", _at(b=until))
    return parse_expr("timestamp > {a} AND timestamp <= {b}", _at(a=since, b=until))


def _counted(count: str, given: dict[str, Any], values: Mapping[str, ast.Expr]) -> ast.Expr:
    wanted = given.get("operator_value")
    return ast.CompareOperation(
        left=parse_expr(count, values),
        op=_OPERATORS[given.get("operator") or "gte"],
        right=ast.Constant(value=1 if wanted is None else wanted),
    )


def _at(**moments: datetime) -> dict[str, ast.Expr]:
    return {name: ast.Constant(value=moment) for name, moment in moments.items()}
