"""`/api/projects/:id/cohorts/:id/persons/`, and changes of lists (rest-api §8)."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Response, get, patch
from litestar.datastructures import State

from hedgerow.core.http import (
    Access,
    ApiRequest,
    Caller,
    FromPath,
    JSONBody,
    NamedDependency,
    NotFound,
    Team,
    ValidationFailed,
    integer_id,
    needs,
)
from hedgerow.core.resources import Subject, editing, find
from hedgerow.people.cohort_routes import ITEMS, SHARED, WRITES
from hedgerow.people.cohort_view import CohortOut, cohort_out, found_cohort
from hedgerow.people.cohorts import SCOPE, Cohorts
from hedgerow.people.models import Cohort
from hedgerow.people.routes import page_of_persons
from hedgerow.people.schemas import Done, PersonPage

PERSONS_MAX: Final = 10_000
"""Of one request."""
DISTINCT_IDS_MAX: Final = 10
"""Of one person in a cohort's list."""


class AddedPersons(msgspec.Struct, frozen=True):
    """Persons to put on a list, by uuid."""

    person_ids: Any = None


class RemovedPerson(msgspec.Struct, frozen=True):
    """A person to take from a list, by uuid."""

    person_id: Any = None


NOBODY_MORE: Final = AddedPersons()
NOBODY_LESS: Final = RemovedPerson()


@get(
    [f"{path}persons/" for path in ITEMS],
    guards=[needs("cohort:read", limit="clickhouse"), needs("person:read", limit=None)],
)
async def list_cohort_persons(
    *,
    cohort_id: FromPath[str],
    request: ApiRequest,
    state: State,
    team: NamedDependency[Team],
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
) -> PersonPage | Response[bytes]:
    """The persons of a cohort, newest first; with `format=csv`, as a table."""
    async with access.metadata.read() as session:
        row = await found_cohort(session, team, cohort_id)
    if row.deleted:
        raise NotFound
    page = await page_of_persons(request, state, team, caller, cohort=row.id)
    if not isinstance(page, PersonPage):
        return page
    shown = [
        msgspec.structs.replace(person, distinct_ids=person.distinct_ids[:DISTINCT_IDS_MAX]) for person in page.results
    ]
    return msgspec.structs.replace(page, results=shown)


@get([f"{path}duplicate_as_static_cohort/" for path in ITEMS], guards=WRITES, **SHARED)
async def duplicate_as_static_cohort(
    cohort_id: FromPath[str],
    team: NamedDependency[Team],
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
    cohorts: NamedDependency[Cohorts],
) -> CohortOut:
    """A new static cohort of those who are in this one now."""
    row = await cohorts.copy(access, caller, team, integer_id(cohort_id))
    async with access.metadata.read() as session:
        return await cohort_out(session, row)


@patch([f"{path}add_persons_to_static_cohort/" for path in ITEMS], guards=WRITES, **SHARED)
async def add_persons(
    *,
    cohort_id: FromPath[str],
    team: NamedDependency[Team],
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
    cohorts: NamedDependency[Cohorts],
    data: JSONBody[AddedPersons] = NOBODY_MORE,
) -> Done:
    """Put persons on a static cohort's list."""
    row = await _list(access, team, cohort_id, "Can only add users to static cohorts")
    said = data.person_ids
    if not isinstance(said, list):
        raise ValidationFailed("person_ids must be a list", attr="person_ids")
    if not said:
        raise ValidationFailed("person_ids cannot be empty", attr="person_ids")
    if len(said) > PERSONS_MAX:
        raise ValidationFailed("List size exceeds limit", attr="person_ids")
    persons = await cohorts.members.persons(team.id, "person_id", [str(each) for each in said])
    if not persons:
        raise ValidationFailed("No valid users to add to cohort", attr="person_ids")
    await cohorts.members.put(team.id, row.id, persons)
    await _note(access, caller, team, row, "persons_added_manually")
    return Done()


@patch([f"{path}remove_person_from_static_cohort/" for path in ITEMS], guards=WRITES, **SHARED)
async def remove_person(
    *,
    cohort_id: FromPath[str],
    team: NamedDependency[Team],
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
    cohorts: NamedDependency[Cohorts],
    data: JSONBody[RemovedPerson] = NOBODY_LESS,
) -> Done:
    """Take a person from a static cohort's list."""
    row = await _list(access, team, cohort_id, "Can only remove users from static cohorts")
    if data.person_id in (None, ""):
        raise ValidationFailed("person_id is required", attr="person_id")
    try:
        uuid = str(UUID(str(data.person_id)))
    except ValueError:
        raise ValidationFailed("person_id must be a valid UUID", attr="person_id") from None
    if not await cohorts.members.persons(team.id, "person_id", [uuid]):
        raise NotFound("Person with this UUID does not exist in the cohort's team")
    if not await cohorts.members.has(team.id, row.id, uuid):
        raise NotFound("Person is not part of the cohort")
    await cohorts.members.put(team.id, row.id, [uuid], gone=True)
    await _note(access, caller, team, row, "person_removed_manually")
    return Done()


async def _list(access: Access, team: Team, said: str, refusal: str) -> Cohort:
    async with access.metadata.read() as session:
        row = await find(session, Cohort, team, integer_id(said))
    if not row.is_static:
        raise ValidationFailed(refusal)
    return row


async def _note(access: Access, caller: Caller, team: Team, row: Cohort, activity: str) -> None:
    async with editing(access, caller, team) as edit:
        edit.note(Subject(SCOPE, row.id, row.name), activity)


routes = [list_cohort_persons, duplicate_as_static_cohort, add_persons, remove_person]
