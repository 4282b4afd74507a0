"""Cohorts that a flag's conditions name (rest-api §11, filters schema: cohort)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core.http import Team, row_number
from hedgerow.flags.conditions import refused
from hedgerow.flags.filters import conditions_of
from hedgerow.hogql import Cohort, ProjectSchema
from hedgerow.people.cohort_definition import cohorts_named
from hedgerow.people.cohorts import definition_of
from hedgerow.people.models import Cohort as Row


async def check_cohorts(session: AsyncSession, team: Team, filters: Mapping[str, Any]) -> None:
    """Each cohort is one of the project, and none of them asks what somebody did. Raises ValidationFailed.

    Cohorts that cohorts name count too: a statement for each step that they are away.
    """
    named = [each.get("value") for each in conditions_of(filters) if each.get("type") == "cohort"]
    wanted = {each: row_number(each) for each in named if isinstance(each, int | str)}
    rows = await _rows(session, team, {number for number in wanted.values() if number is not None})
    for each in named:
        number = wanted.get(each) if isinstance(each, int | str) else None
        if number not in rows:
            raise refused(f"Cohort with id {each} does not exist", "cohort_does_not_exist")
        if await _asks_for_behaviour(session, team, rows[number]):
            text = f"Cohort '{rows[number].name}' with filters on events cannot be used in feature flags."
            raise refused(text, "behavioral_cohort_found")


async def _asks_for_behaviour(session: AsyncSession, team: Team, row: Row) -> bool:
    level, seen = {row.id: row}, {row.id}
    while level:
        if any(each.is_behavioral and not each.is_static for each in level.values()):
            return True
        below = set[int]().union(*(_named_by(each) for each in level.values())) - seen
        seen |= below
        level = await _rows(session, team, below)
    return False


def _named_by(row: Row) -> set[int]:
    return set() if row.is_static else cohorts_named(definition_of(row.filters, row.groups))


async def _rows(session: AsyncSession, team: Team, ids: set[int]) -> dict[int, Row]:
    if not ids:
        return {}
    mine = select(Row).where(Row.team_id == team.id, Row.deleted.is_(False), Row.id.in_(ids))
    return {row.id: row for row in await session.scalars(mine)}


def with_cohort_names(filters: dict[str, Any], schema: ProjectSchema) -> dict[str, Any]:
    """The filters as they are answered: conditions on cohorts have `cohort_name` too."""
    if not any(each.get("type") == "cohort" for each in conditions_of(filters)):
        return filters
    groups = [
        {**group, "properties": [_named(each, schema) for each in group.get("properties") or []]}
        for group in filters["groups"]
    ]
    return {**filters, "groups": groups}


def _named(each: dict[str, Any], schema: ProjectSchema) -> dict[str, Any]:
    found = _found(schema, each.get("value")) if each.get("type") == "cohort" else None
    return each if found is None else {**each, "cohort_name": found.name}


def _found(schema: ProjectSchema, said: Any) -> Cohort | None:
    number = row_number(said)
    found = None if number is None else schema.cohort(number)
    return found[0] if found else None
