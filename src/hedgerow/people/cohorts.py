"""Cohorts are made, changed, hidden and brought back (rest-api §8); who is in them is `cohort_calculation`'s matter.

Whatever changes who is in a cohort takes its next number, `pending_version`, and adds a job that calculates it, in the
same transaction; so are those that name it, directly or by others.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core.http import Access, Caller, Team, ValidationFailed, at_most
from hedgerow.core.jobs import Jobs
from hedgerow.core.resources import Edit, Subject, editing, find, sent
from hedgerow.people.cohort_csv import read_csv
from hedgerow.people.cohort_definition import asks_for_behaviour, cohorts_named, read_filters, read_groups
from hedgerow.people.cohort_members import JOB as FILL
from hedgerow.people.cohort_members import CohortMembers
from hedgerow.people.models import Cohort

SCOPE: Final = "Cohort"
JOB: Final = "calculate_cohort"
NAME_LENGTH: Final = 400
DESCRIPTION_LENGTH: Final = 1_000
KINDS: Final = ("ActorsQuery", "HogQLQuery")
NO_COHORT: Final = "Invalid Cohort ID in filter"
LOOP: Final = "Cohorts cannot reference other cohorts in a loop."
QUERY_AND_FILTERS: Final = "Cannot set both query and filters at the same time."
QUERY_OF_DYNAMIC: Final = "Cannot create a dynamic cohort with a query. Set is_static to true."
FLAGS_READ_IT: Final = "Behavioral filters cannot be added to cohorts used in feature flags."
SHOWN: Final = ("name", "description", "groups", "filters", "query", "is_static", "cohort_type", "deleted")

FlagsUsing = Callable[[AsyncSession, Team, int], Awaitable[list[str]]]
Kind = Literal["static", "person_property", "behavioral", "realtime", "analytical"]


class NewCohort(msgspec.Struct, frozen=True):
    """The body that makes one."""

    name: str | None = None
    description: str = ""
    groups: list[Any] | None = None
    filters: dict[str, Any] | UnsetType | None = UNSET
    query: dict[str, Any] | None = None
    is_static: bool = False
    cohort_type: Kind | None = None
    csv: str | UnsetType = UNSET
    """A file, in a multipart body."""
    static_persons: list[str] | None = msgspec.field(default=None, name="_create_static_person_ids")


class CohortPatch(msgspec.Struct, frozen=True):
    """The body that changes one."""

    name: str | UnsetType | None = UNSET
    description: str | UnsetType = UNSET
    groups: list[Any] | UnsetType | None = UNSET
    filters: dict[str, Any] | UnsetType | None = UNSET
    query: dict[str, Any] | UnsetType | None = UNSET
    is_static: bool | UnsetType = UNSET
    cohort_type: Kind | UnsetType | None = UNSET
    deleted: bool | UnsetType = UNSET


class Cohorts:
    """The cohorts of all projects. One per process."""

    def __init__(
        self, jobs: Jobs, members: CohortMembers, *, forget: Callable[[int], None], flags_using: FlagsUsing
    ) -> None:
        """Calculations are `jobs`, lists are in `members`; `forget` hears of a project whose cohorts changed.

        `flags_using` gives the keys of the active flags that a cohort is used in.
        """
        self._flags_using = flags_using
        self._jobs = jobs
        self.members = members
        self._forget = forget

    async def create(self, access: Access, caller: Caller, team: Team, body: NewCohort) -> Cohort:
        """Check and store a new one. Raises ValidationFailed."""
        _check_texts(body.name, body.description)
        filters = {} if body.filters is UNSET else read_filters(body.filters)
        groups = body.groups or []
        definition = definition_of(filters, groups)
        _check_query(body.query, body.is_static, bool(filters))
        persons = await self._persons(team, body) if body.is_static else []
        async with editing(access, caller, team) as edit:
            await _check_names(edit, None, definition)
            row = Cohort(
                **edit.made(),
                name=body.name,
                description=body.description,
                groups=groups,
                filters=filters,
                query=body.query,
                is_static=body.is_static,
                is_behavioral=asks_for_behaviour(definition),
                cohort_type=body.cohort_type,
                is_calculating=False,
                version=None,
                pending_version=None,
                count=None,
                last_calculation=None,
                errors_calculating=0,
                last_error_message=None,
                deleted=False,
            )
            edit.session.add(row)
            await edit.session.flush()
            await self._calculate(edit.session, [row])
            if persons:
                await self._fill(edit.session, row, persons)
            edit.note_created(Subject(SCOPE, row.id, row.name))
        self._changed(team)
        return row

    async def change(self, access: Access, caller: Caller, team: Team, cohort_id: int, body: CohortPatch) -> Cohort:
        """Change what the body has. Raises NotFound, ValidationFailed."""
        fields = sent(body)
        _check_texts(fields.get("name"), fields.get("description", ""))
        if "filters" in fields:
            fields["filters"] = read_filters(fields["filters"])
        if "groups" in fields:
            fields["groups"] = fields["groups"] or []
            read_groups(fields["groups"])
        async with editing(access, caller, team) as edit:
            row = await find(edit.session, Cohort, team, cohort_id, to_change=True)
            before, was = _shown(row), definition_of(row.filters, row.groups)
            await self._check_flags(edit, row, fields, was)
            for name, value in fields.items():
                setattr(row, name, value)
            if "groups" in fields and "filters" not in fields:
                row.filters = {}  # who writes the older form means it
            definition = definition_of(row.filters, row.groups)
            _check_query(row.query, row.is_static, bool(row.filters))
            if definition != was:
                await _check_names(edit, row.id, definition)
            row.is_behavioral = asks_for_behaviour(definition)
            after = _shown(row)
            if any(before[name] != after[name] for name in ("groups", "filters", "query", "is_static", "deleted")):
                await self._calculate(edit.session, await _and_dependents(edit.session, row))
            edit.note_updated(Subject(SCOPE, row.id, row.name), before, after)
        self._changed(team)
        return row

    async def _check_flags(self, edit: Edit, row: Cohort, fields: dict[str, Any], was: dict[str, Any]) -> None:
        """A cohort that flags use stays, and does not begin to ask what somebody did: flags could not be decided."""
        filters = fields.get("filters", {} if "groups" in fields else row.filters)
        definition = definition_of(filters, fields.get("groups", row.groups))
        gains = asks_for_behaviour(definition) and not asks_for_behaviour(was)
        goes = bool(fields.get("deleted")) and not row.deleted
        if not (gains or goes):
            return
        keys = await self._flags_using(edit.session, edit.team, row.id)
        if keys and goes:
            raise ValidationFailed(
                f"This cohort is used in {len(keys)} active feature flag(s): {', '.join(keys)}. Please remove the cohort"
                " from these feature flags before deleting it."
            )
        if keys:
            raise ValidationFailed(FLAGS_READ_IT, code="behavioral_cohort_found", attr="filters")

    async def copy(self, access: Access, caller: Caller, team: Team, cohort_id: int) -> Cohort:
        """A list of those who are in a calculated cohort now. Raises NotFound, ValidationFailed."""
        async with editing(access, caller, team) as edit:
            source = await find(edit.session, Cohort, team, cohort_id)
            if source.is_static:
                raise ValidationFailed("Cannot duplicate a static cohort as a static cohort.")
            row = Cohort(
                **edit.made(),
                name=f"{source.name or ''} (static copy)"[:NAME_LENGTH],
                description=source.description,
                groups=[],
                filters={},
                query=None,
                is_static=True,
                is_behavioral=False,
                cohort_type=None,
                is_calculating=False,
                errors_calculating=0,
                deleted=False,
            )
            edit.session.add(row)
            await edit.session.flush()
            await self._fill(edit.session, row, [], copied=(source.id, source.version or 0))
            edit.note_created(Subject(SCOPE, row.id, row.name))
        self._changed(team)
        return row

    async def _persons(self, team: Team, body: NewCohort) -> list[str]:
        found = dict.fromkeys(await self.members.persons(team.id, "person_id", body.static_persons or []))
        if not isinstance(body.csv, UnsetType):
            listed = read_csv(body.csv)
            found |= dict.fromkeys(await self.members.persons(team.id, listed.kind, listed.ids))
        return list(found)

    async def _fill(
        self, session: AsyncSession, row: Cohort, persons: list[str], copied: tuple[int, int] | None = None
    ) -> None:
        row.is_calculating = True
        payload = {"team_id": row.team_id, "cohort_id": row.id, "persons": persons, "copied": copied}
        await self._jobs.add(FILL, payload, team_id=row.team_id, connection=await session.connection())

    async def _calculate(self, session: AsyncSession, rows: list[Cohort]) -> None:
        for row in rows:
            row.pending_version = max(row.pending_version or 0, row.version or 0) + 1
            row.is_calculating = not row.deleted and not (row.is_static and row.query is None)
            if row.is_static and row.query is None:
                continue
            payload = {"team_id": row.team_id, "cohort_id": row.id}
            await self._jobs.add(JOB, payload, team_id=row.team_id, connection=await session.connection())

    def _changed(self, team: Team) -> None:
        self._jobs.look()
        self._forget(team.id)


def definition_of(filters: dict[str, Any], groups: list[Any]) -> dict[str, Any]:
    """The group that a cohort's definition is; the older form counts where there are no filters.

    Raises ValidationFailed for groups that say nothing.
    """
    return (filters or read_groups(groups))["properties"]


async def _check_names(edit: Edit, cohort_id: int | None, definition: dict[str, Any]) -> None:
    """Cohorts that a definition names are there, and none of them leads back to it."""
    named = cohorts_named(definition)
    if not named:
        return
    rows = await edit.session.scalars(select(Cohort).where(Cohort.team_id == edit.team.id))
    known: dict[int, set[int]] = {}
    gone: set[int] = set()
    for row in rows:
        known[row.id] = cohorts_named(definition_of(row.filters, row.groups))
        if row.deleted:
            gone.add(row.id)
    if cohort_id in named:
        raise ValidationFailed(LOOP, attr="filters")
    if not named <= known.keys() - gone:
        raise ValidationFailed(NO_COHORT, attr="filters")
    reached: set[int] = set()
    waiting = [*named]
    while waiting:
        each = waiting.pop()
        if each == cohort_id:
            raise ValidationFailed(LOOP, attr="filters")
        if each not in reached:
            reached.add(each)
            waiting += known.get(each, ())


async def _and_dependents(session: AsyncSession, row: Cohort) -> list[Cohort]:
    """The cohort, and those that name it, directly or by others, that are not deleted."""
    statement = select(Cohort).where(Cohort.team_id == row.team_id, Cohort.deleted.is_(False), Cohort.id != row.id)
    others = (await session.scalars(statement.order_by(Cohort.id).with_for_update())).all()
    named = {other.id: cohorts_named(definition_of(other.filters, other.groups)) for other in others}
    found = {row.id}
    while more := {number for number, names in named.items() if number not in found and names & found}:
        found |= more
    return [row, *(other for other in others if other.id in found)]


def _check_texts(name: str | None, description: str) -> None:
    at_most(name or "", NAME_LENGTH, "name")
    at_most(description, DESCRIPTION_LENGTH, "description")


def _check_query(query: dict[str, Any] | None, is_static: bool, has_filters: bool) -> None:
    if not query:
        return
    if has_filters:
        raise ValidationFailed(QUERY_AND_FILTERS)
    if not is_static:
        raise ValidationFailed(QUERY_OF_DYNAMIC)
    if query.get("kind") not in KINDS:
        raise ValidationFailed(f"Query must be an ActorsQuery or HogQLQuery. Got: {query.get('kind')}", attr="query")


def _shown(row: Cohort) -> dict[str, Any]:
    return {name: getattr(row, name) for name in SHOWN}
