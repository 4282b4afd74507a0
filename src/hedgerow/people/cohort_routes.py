"""`/api/projects/:id/cohorts/` (rest-api §8)."""

from __future__ import annotations

from typing import Any, Final

from litestar import Request, get, post, route
from litestar.di import Provide

from hedgerow.core.http import (
    Access,
    Caller,
    FromPath,
    JSONBody,
    NamedDependency,
    Page,
    PageRequest,
    Team,
    integer_id,
    needs,
)
from hedgerow.core.resources import activity_routes, below_project, refuse_delete
from hedgerow.people.cohort_view import (
    CalculationOut,
    CohortOut,
    cohort_id_of,
    cohort_out,
    found_cohort,
    page_of_calculations,
    page_of_cohorts,
)
from hedgerow.people.cohorts import SCOPE, CohortPatch, Cohorts, NewCohort

LISTS: Final = below_project("cohorts/")
ITEMS: Final = below_project("cohorts/{cohort_id:str}/")
READS: Final = [needs("cohort:read")]
WRITES: Final = [needs("cohort:write")]
NOTHING: Final = CohortPatch()
EMPTY: Final = NewCohort()


def provide_cohorts(request: Request[Any, Any, Any]) -> Cohorts:
    """The dependency `cohorts`: what `server` put at `app.state.cohorts`."""
    return request.app.state.cohorts


SHARED: Final[dict[str, Any]] = {"dependencies": {"cohorts": Provide(provide_cohorts, sync_to_thread=False)}}


@get(LISTS, guards=READS)
async def list_cohorts(
    team: NamedDependency[Team], page: NamedDependency[PageRequest], access: NamedDependency[Access]
) -> Page[CohortOut]:
    """The project's cohorts, newest first."""
    async with access.metadata.read() as session:
        return await page_of_cohorts(session, team, page)


@post(LISTS, guards=WRITES, **SHARED)
async def post_cohort(
    team: NamedDependency[Team],
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
    cohorts: NamedDependency[Cohorts],
    data: JSONBody[NewCohort] = EMPTY,
) -> CohortOut:
    """A new cohort. Who is in it is calculated afterwards: `is_calculating` says so until that is done."""
    row = await cohorts.create(access, caller, team, data)
    async with access.metadata.read() as session:
        return await cohort_out(session, row)


@get(ITEMS, guards=READS)
async def get_cohort(
    cohort_id: FromPath[str], team: NamedDependency[Team], access: NamedDependency[Access]
) -> CohortOut:
    """One cohort, deleted or not."""
    async with access.metadata.read() as session:
        return await cohort_out(session, await found_cohort(session, team, cohort_id))


@route(ITEMS, http_method=["PATCH", "PUT"], guards=WRITES, status_code=200, **SHARED)
async def change_cohort(
    *,
    cohort_id: FromPath[str],
    team: NamedDependency[Team],
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
    cohorts: NamedDependency[Cohorts],
    data: JSONBody[CohortPatch] = NOTHING,
) -> CohortOut:
    """Change what the body has; `deleted` hides a cohort and brings it back. No field is required, so PUT does the same."""
    row = await cohorts.change(access, caller, team, integer_id(cohort_id), data)
    async with access.metadata.read() as session:
        return await cohort_out(session, row)


@get([f"{path}calculation_history/" for path in ITEMS], guards=READS)
async def list_calculations(
    cohort_id: FromPath[str],
    team: NamedDependency[Team],
    page: NamedDependency[PageRequest],
    access: NamedDependency[Access],
) -> Page[CalculationOut]:
    """How a cohort's calculations ended, newest first."""
    async with access.metadata.read() as session:
        return await page_of_calculations(session, team, cohort_id, page)


routes = [
    list_cohorts,
    post_cohort,
    get_cohort,
    change_cohort,
    list_calculations,
    refuse_delete(ITEMS, "cohort:write"),
    *activity_routes(LISTS, SCOPE, cohort_id_of, "cohort_id"),
]
