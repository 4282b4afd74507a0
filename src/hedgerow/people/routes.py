"""`/api/projects/:id/persons/` (rest-api §5)."""

from __future__ import annotations

import asyncio
from typing import Final, NoReturn
from uuid import UUID

from litestar import Response, delete, get, post, route
from litestar.datastructures import State
from msgspec import UnsetType

from hedgerow.core.http import (
    ApiRequest,
    Caller,
    FromPath,
    JSONBody,
    MethodNotAllowed,
    NamedDependency,
    NotFound,
    PageRequest,
    Team,
    ValidationFailed,
    needs,
    page_request,
    row_number,
)
from hedgerow.people import edits, listing
from hedgerow.people.asking import Asking
from hedgerow.people.filters import Filters
from hedgerow.people.schemas import (
    BulkDelete,
    BulkDeleted,
    DistinctIds,
    Done,
    PersonOut,
    PersonPage,
    PersonPatch,
    PersonsById,
    PropertyDelete,
    PropertyUpdate,
    Split,
    ValueOut,
)
from hedgerow.people.table import csv_of
from hedgerow.queries.connected import while_connected

AT_ONCE_MAX: Final = 1_000
PAGE_MAX: Final = 10_000
"""Persons of one page, and of a table."""
READS = [needs("person:read", limit="clickhouse")]
WRITES = [needs("person:write", limit="clickhouse")]
OF_A_FILE: Final = {
    "Content-Disposition": 'attachment; filename="persons.csv"',
    "X-Content-Type-Options": "nosniff",  # what is in it came from anybody
}
NO_PATCH: Final = PersonPatch()
NO_UPDATE: Final = PropertyUpdate()
NO_DELETE: Final = PropertyDelete()
NO_SPLIT: Final = Split()
NO_BULK: Final = BulkDelete()
POST_REFUSED: Final = (
    "Creating persons via this API is not allowed. Please create persons by sending an $identify event."
    " See https://posthog.com/docs/product-analytics/identify for details."
)
NOT_AN_ID: Final = (
    "The ID provided does not look like a personID. If you are using a distinctId, please use"
    " /persons?distinct_id=<id> instead."
)


def _at(path: str) -> list[str]:
    return [f"/api/{base}/{{project_id:str}}/persons/{path}" for base in ("projects", "environments")]


@get(_at(""), guards=READS)
async def list_persons(
    request: ApiRequest, state: State, team: NamedDependency[Team], caller: NamedDependency[Caller]
) -> PersonPage | Response[bytes]:
    """Persons, newest first; with `format=csv`, as a table; with `cohort`, those that are in it."""
    said = page_request(request).said()
    if "cohort" not in said:
        return await page_of_persons(request, state, team, caller)
    number = row_number(said["cohort"])
    if number is None:
        raise _no_cohort()
    return await page_of_persons(request, state, team, caller, cohort=number)


async def page_of_persons(
    request: ApiRequest, state: State, team: Team, caller: Caller, cohort: int | None = None
) -> PersonPage | Response[bytes]:
    """A page of persons, or of those in a cohort. Raises `ValidationFailed`."""
    page = page_request(request)
    said = page.said()
    as_csv = said.get("format") == "csv" or (cohort is not None and "is_csv_export" in said)
    if as_csv:
        page = page_request(request, default=PAGE_MAX)
    elif said.get("format", "json") != "json":
        raise NotFound
    if cohort is not None and not (await state["schema_of"](team)).cohort(cohort):
        raise _no_cohort()
    texts = {name: said[name] for name in ("email", "distinct_id", "search", "properties") if name in said}
    filters = Filters(**texts, cohort=cohort or 0)
    limit = min(page.limit, PAGE_MAX)
    names, clock = team.person_display_name_properties, state["people"].clock
    if filters.need_hogql:
        asking = Asking(state["queries"], state["schema_of"], team, f"{caller.kind} {caller.grant.digest}", clock)
        uuids, count = await while_connected(request.receive, asking.page(filters, limit, page.offset))
        found, taken = await listing.persons_by_uuid(state["metadata"], team.id, uuids, names)
    else:
        found, count = await listing.list_persons(
            state["metadata"], team.id, filters, now_us=clock.now_us(), limit=limit, offset=page.offset, names=names
        )
        taken = len(found)
    if as_csv:
        return Response(await asyncio.to_thread(csv_of, found), media_type="text/csv", headers=OF_A_FILE)
    return PersonPage(
        count,
        page.url_with(limit=limit, offset=page.offset + taken)
        if taken == limit or page.offset + taken < count
        else None,
        page.url_with(limit=limit, offset=page.offset - limit) if page.offset >= limit else None,
        found,
    )


@post(_at(""), guards=WRITES)
async def create_person(team: NamedDependency[Team]) -> NoReturn:
    """Persons come from events."""
    del team
    raise MethodNotAllowed(POST_REFUSED)


@get(_at("{person_id:str}/"), guards=READS)
async def get_person(person_id: FromPath[str], state: State, team: NamedDependency[Team]) -> PersonOut:
    """One person, by uuid or number."""
    return await _find(state, team, person_id)


@route(_at("{person_id:str}/"), http_method=["PATCH", "PUT"], guards=WRITES, status_code=202)
async def change_person(
    person_id: FromPath[str], state: State, team: NamedDependency[Team], data: JSONBody[PersonPatch] = NO_PATCH
) -> Response[bytes]:
    """Lay properties over the person's; PUT does the same, as in PostHog."""
    if isinstance(data.properties, UnsetType):
        raise _required("properties")
    person = await _find(state, team, person_id)
    await edits.change_properties(state["people"], team.id, person.uuid, set_=data.properties)
    return _accepted()


@post(_at("{person_id:str}/update_property/"), guards=WRITES, status_code=202)
async def update_property(
    person_id: FromPath[str], state: State, team: NamedDependency[Team], data: JSONBody[PropertyUpdate] = NO_UPDATE
) -> Response[bytes]:
    """Set one property."""
    if data.value is None:
        raise _required("value")
    if data.key is None:
        raise _required("key")
    person = await _find(state, team, person_id)
    await edits.change_properties(state["people"], team.id, person.uuid, set_={data.key: data.value})
    return _accepted()


@post(_at("{person_id:str}/delete_property/"), guards=WRITES)
async def delete_property(
    person_id: FromPath[str], state: State, team: NamedDependency[Team], data: JSONBody[PropertyDelete] = NO_DELETE
) -> Done:
    """Remove one property."""
    if isinstance(data.unset, UnsetType):
        raise _required("$unset")
    person = await _find(state, team, person_id)
    await edits.change_properties(state["people"], team.id, person.uuid, unset=[data.unset])
    return Done()


@post(_at("{person_id:str}/split/"), guards=WRITES)
async def split_person(
    person_id: FromPath[str], state: State, team: NamedDependency[Team], data: JSONBody[Split] = NO_SPLIT
) -> Done:
    """Make a person of each distinct id."""
    person = await _find(state, team, person_id)
    await edits.split_person(state["people"], team.id, person.uuid, data.main_distinct_id)
    return Done()


@delete(_at("{person_id:str}/"), guards=WRITES, status_code=202)
async def delete_person(
    person_id: FromPath[str], state: State, team: NamedDependency[Team], page: NamedDependency[PageRequest]
) -> Response[bytes]:
    """Delete a person; with `delete_events` in the address, its events too, by a job."""
    person = await _find(state, team, person_id)
    with_events = any(name == "delete_events" for name, _ in page.query)
    await edits.delete_persons(state["people"], state["jobs"], team.id, [person.uuid], with_events=with_events)
    return _accepted()


@post(_at("bulk_delete/"), guards=WRITES, status_code=202)
async def bulk_delete(state: State, team: NamedDependency[Team], data: JSONBody[BulkDelete] = NO_BULK) -> BulkDeleted:
    """Delete up to 1,000 persons."""
    people = state["people"]
    if data.ids:
        if len(data.ids) > AT_ONCE_MAX:
            raise ValidationFailed("You can only pass 1000 ids in one call")
        uuids = [found for said in data.ids if (found := _uuid(said)) is not None]
    elif data.distinct_ids:
        if len(data.distinct_ids) > AT_ONCE_MAX:
            raise ValidationFailed("You can only pass 1000 distinct_ids in one call")
        uuids = await edits.owners(people, team.id, data.distinct_ids)
    else:
        raise ValidationFailed("You need to specify either distinct_ids or ids")
    count = await edits.delete_persons(people, state["jobs"], team.id, uuids, with_events=data.delete_events)
    return BulkDeleted(count, count, data.delete_events)


@get(_at("values/"), guards=READS)
async def values(state: State, team: NamedDependency[Team], page: NamedDependency[PageRequest]) -> list[ValueOut]:
    """The values of a person property, most frequent first."""
    said = page.said()
    if not said.get("key"):
        raise _required("key")
    return await listing.property_values(state["metadata"], team.id, said["key"], said.get("value", ""))


@post(_at("batch_by_distinct_ids/"), guards=READS, status_code=200)
async def batch_by_distinct_ids(state: State, team: NamedDependency[Team], data: JSONBody[DistinctIds]) -> PersonsById:
    """The persons of up to 1,000 distinct ids."""
    if len(data.distinct_ids) > AT_ONCE_MAX:
        raise ValidationFailed("You can only pass 1000 distinct_ids in one call")
    names = team.person_display_name_properties
    return PersonsById(await listing.persons_of(state["metadata"], team.id, data.distinct_ids, names))


def _no_cohort() -> ValidationFailed:
    return ValidationFailed("There is no such cohort.", attr="cohort")


def _accepted() -> Response[bytes]:
    """202 with an empty body, as PostHog answers these."""
    return Response(b"", status_code=202, media_type="application/json")


async def _find(state: State, team: Team, said: str) -> PersonOut:
    """The person of a path. Raises `NotFound`, or `ValidationFailed` for what is neither uuid nor number."""
    uuid = _uuid(said)
    row_id = row_number(said) if uuid is None else None
    if uuid is None and row_id is None:
        raise ValidationFailed(NOT_AN_ID)
    names = team.person_display_name_properties
    person = await listing.find_person(state["metadata"], team.id, uuid=uuid, row_id=row_id, names=names)
    if person is None:
        raise NotFound
    return person


def _uuid(said: str) -> str | None:
    try:
        return str(UUID(said))
    except ValueError:
        return None


def _required(attr: str) -> ValidationFailed:
    """PostHog's persons endpoint has code and detail the wrong way round, and clients know it so."""
    return ValidationFailed("required", code="This field is required.", attr=attr)


routes = [
    list_persons,
    create_person,
    get_person,
    change_person,
    update_property,
    delete_property,
    split_person,
    delete_person,
    bulk_delete,
    values,
    batch_by_distinct_ids,
]
