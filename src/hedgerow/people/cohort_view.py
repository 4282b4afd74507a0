"""Cohorts as they go over the wire, found and listed (rest-api §8)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core.http import Page, PageRequest, Team, ValidationFailed, integer_id, row_number
from hedgerow.core.identity.people import UserBasic
from hedgerow.core.resources import authors, contains, find, rows_of
from hedgerow.people.cohorts import definition_of
from hedgerow.people.models import Cohort, CohortCalculation


class CohortOut(msgspec.Struct, frozen=True):
    """A cohort, in lists and alone."""

    id: int
    name: str | None
    description: str
    groups: list[Any]
    deleted: bool
    filters: dict[str, Any]
    query: dict[str, Any] | None
    version: int | None
    pending_version: int | None
    is_calculating: bool
    created_by: UserBasic | None
    created_at: datetime
    last_calculation: datetime | None
    last_backfill_person_properties_at: datetime | None
    errors_calculating: int
    last_error_message: str | None
    count: int | None
    is_static: bool
    cohort_type: str | None
    experiment_set: list[int]


class CalculationOut(msgspec.Struct, frozen=True):
    """A calculation that came to its end."""

    id: int
    filters: dict[str, Any]
    count: int | None
    started_at: datetime
    finished_at: datetime
    queries: list[dict[str, Any]]
    error: str | None
    duration_seconds: float
    is_completed: bool
    is_successful: bool


async def page_of_cohorts(session: AsyncSession, team: Team, page: PageRequest) -> Page[CohortOut]:
    """The project's cohorts that are not deleted, newest first. Raises ValidationFailed for an author that is no number."""
    said = page.said()
    statement = select(Cohort).where(Cohort.team_id == team.id, Cohort.deleted.is_(False))
    if said.get("type") in ("static", "dynamic"):
        statement = statement.where(Cohort.is_static.is_(said["type"] == "static"))
    if said.get("created_by_id"):
        author = row_number(said["created_by_id"])
        if author is None:
            raise ValidationFailed("A valid integer is required.", attr="created_by_id")
        statement = statement.where(Cohort.created_by_id == author)
    if said.get("search"):
        statement = statement.where(contains(Cohort.name, said["search"]))
    if said.get("hide_behavioral_cohorts", "").lower() == "true":
        statement = statement.where(Cohort.is_behavioral.is_(False))
    rows, count = await rows_of(session, statement.order_by(Cohort.created_at.desc(), Cohort.id.desc()), page)
    return page.page(await _out(session, rows), count)


async def page_of_calculations(session: AsyncSession, team: Team, said: str, page: PageRequest) -> Page[CalculationOut]:
    """How a cohort's calculations ended, newest first. Raises NotFound."""
    row = await found_cohort(session, team, said)
    statement = select(CohortCalculation).where(CohortCalculation.cohort_id == row.id)
    rows, count = await rows_of(session, statement.order_by(CohortCalculation.id.desc()), page)
    results = [
        CalculationOut(
            id=each.id,
            filters=each.filters,
            count=each.count,
            started_at=each.started_at,
            finished_at=each.finished_at,
            queries=[],
            error=each.error,
            duration_seconds=(each.finished_at - each.started_at).total_seconds(),
            is_completed=True,
            is_successful=each.error is None,
        )
        for each in rows
    ]
    return page.page(results, count)


async def cohort_out(session: AsyncSession, row: Cohort) -> CohortOut:
    """One cohort."""
    return (await _out(session, [row]))[0]


async def found_cohort(session: AsyncSession, team: Team, said: str) -> Cohort:
    """The cohort of an id in a path, deleted or not. Raises NotFound."""
    return await find(session, Cohort, team, integer_id(said))


async def cohort_id_of(session: AsyncSession, team: Team, said: str) -> int:
    """The id of a cohort, if there is one. Raises NotFound."""
    return (await found_cohort(session, team, said)).id


async def _out(session: AsyncSession, rows: Sequence[Cohort]) -> list[CohortOut]:
    by = await authors(session, (row.created_by_id for row in rows))
    return [
        CohortOut(
            id=row.id,
            name=row.name,
            description=row.description,
            groups=row.groups,
            deleted=row.deleted,
            filters=row.filters or {"properties": definition_of(row.filters, row.groups)},
            query=row.query,
            version=row.version,
            pending_version=row.pending_version,
            is_calculating=row.is_calculating,
            created_by=by.get(row.created_by_id),
            created_at=row.created_at,
            last_calculation=row.last_calculation,
            last_backfill_person_properties_at=None,
            errors_calculating=row.errors_calculating,
            last_error_message=row.last_error_message,
            count=row.count,
            is_static=row.is_static,
            cohort_type=row.cohort_type,
            experiment_set=[],
        )
        for row in rows
    ]
