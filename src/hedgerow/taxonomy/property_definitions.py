"""Property definitions: found, listed, said things about, deleted (rest-api §18)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from msgspec import UNSET, UnsetType
from sqlalchemy import ColumnElement, delete, exists, false, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core.http import Access, Caller, Page, PageRequest, Team, ValidationFailed
from hedgerow.core.identity.people import UserBasic
from hedgerow.core.resources import Subject, editing, find, forget_tags, rows_of, set_tags, tags_of
from hedgerow.hogql.database import TABLES
from hedgerow.hogql.table import Column
from hedgerow.taxonomy.definition_notes import (
    NotesBody,
    NotesOut,
    names_of,
    narrowed,
    notes_out,
    people_of,
    shown,
    write_notes,
)
from hedgerow.taxonomy.models import EVENT, GROUP, NO_GROUP, PERSON, EventProperty, PropertyDefinition, PropertyNotes
from hedgerow.taxonomy.observer import Taxonomy

SCOPE: Final = "PropertyDefinition"
BOTH: Final = "A property cannot be both hidden and verified"
OWNERS: Final = {"event": EVENT, "person": PERSON, "group": GROUP}
KINDS: Final = ("DateTime", "String", "Numeric", "Boolean", "Duration")
GROUP_TYPES: Final = 5
NEVER: Final = (
    *("distinct_id", "$set", "$set_once", "$initial_referrer", "$initial_referring_domain"),
    *("$groups", "$group_type", "$group_key", "$group_set", "$group_0", "$group_1", "$group_2", "$group_3", "$group_4"),
)
"""Event properties that mean something else, and are not listed."""
FAMILIES: Final = {"DateTime": "DateTime", "Integer": "Numeric", "Float": "Numeric", "Boolean": "Boolean"}


class PropertyPatch(NotesBody, frozen=True, kw_only=True):
    """What of a property can be changed."""

    property_type: str | UnsetType | None = UNSET
    is_numerical: bool | UnsetType = UNSET


class PropertyOut(NotesOut, frozen=True, kw_only=True):
    """A property, in lists and alone."""

    id: UUID | str
    name: str
    is_numerical: bool
    property_type: str | None
    is_seen_on_filtered_events: bool | None = None


async def page_of_properties(session: AsyncSession, team: Team, page: PageRequest) -> Page[PropertyOut]:
    """The project's properties of one kind. Raises ValidationFailed."""
    said = page.said()
    kind = said.get("type") or "event"
    index = _group_index(kind, said.get("group_type_index"))
    events = names_of(said["event_names"], "event_names") if said.get("event_names") else None
    if events is not None and kind != "event":
        raise ValidationFailed("`event_names` can only be set for `event` type")
    if kind == "session":
        return page.cut(_of_sessions(said))
    if kind not in OWNERS:
        raise ValidationFailed(f'"{kind[:100]}" is not a valid choice.', attr="type", code="invalid_choice")
    is_seen = _is_seen(team, events)
    name, verified = PropertyDefinition.name, func.coalesce(PropertyNotes.verified, False)
    statement = (
        select(PropertyDefinition)
        .outerjoin(PropertyNotes, PropertyNotes.definition_id == PropertyDefinition.id)
        .where(
            PropertyDefinition.team_id == team.id,
            PropertyDefinition.owner == OWNERS[kind],
            PropertyDefinition.group_type_index == index,
        )
    )
    if kind == "event":
        statement = statement.where(name.not_in(NEVER), ~name.startswith("$session_entry_", autoescape=True))
    if said.get("properties"):
        statement = statement.where(name.in_(said["properties"].split(",")))
    if said.get("is_numerical") in {"true", "false"}:
        statement = statement.where(PropertyDefinition.is_numerical.is_(said["is_numerical"] == "true"))
    if said.get("is_feature_flag") in {"true", "false"}:
        is_flag = name.startswith("$feature/")
        statement = statement.where(is_flag if said["is_feature_flag"] == "true" else ~is_flag)
    if said.get("exclude_core_properties") == "true":
        statement = statement.where(~name.startswith("$"))
    if said.get("exclude_hidden") == "true":
        statement = statement.where(func.coalesce(PropertyNotes.hidden, False).is_(False))
    if events is not None and said.get("filter_by_event_names") == "true":
        statement = statement.where(is_seen)
    statement = narrowed(statement, name, said)
    order = [] if events is None else [is_seen.desc()]
    rows, count = await rows_of(session, statement.order_by(*order, verified.desc(), name, PropertyDefinition.id), page)
    seen: set[str] | None = None
    if events is not None:
        wanted = select(EventProperty.property).where(
            EventProperty.team_id == team.id,
            EventProperty.event.in_(events),
            EventProperty.property.in_([row.name for row in rows]),
        )
        seen = set(await session.scalars(wanted))
    return page.page(await _out(session, team, rows, seen), count)


async def property_out(session: AsyncSession, team: Team, row: PropertyDefinition) -> PropertyOut:
    """One property."""
    return (await _out(session, team, [row], None))[0]


async def seen_together(session: AsyncSession, team: Team, page: PageRequest) -> dict[str, bool]:
    """Whether each event of `event_names` came with the property of `property_name`."""
    said = page.said()
    if not said.get("property_name"):
        raise ValidationFailed("This field is required.", attr="property_name", code="required")
    events = [value for name, value in page.query if name == "event_names"]
    found = set(
        await session.scalars(
            select(EventProperty.event).where(
                EventProperty.team_id == team.id,
                EventProperty.event.in_(events),
                EventProperty.property == said["property_name"],
            )
        )
    )
    return {event: event in found for event in events}


async def change_property(
    access: Access, caller: Caller, team: Team, taxonomy: Taxonomy, *, row_id: UUID, body: PropertyPatch
) -> PropertyDefinition:
    """Say what the body has. Raises NotFound, ValidationFailed."""
    async with editing(access, caller, team) as edit:
        row = await find(edit.session, PropertyDefinition, team, row_id, to_change=True)
        notes = await edit.session.get(PropertyNotes, row.id)
        if notes is None:
            notes = PropertyNotes(definition_id=row.id, description="", verified=False)
            edit.session.add(notes)
        with edit.session.no_autoflush:
            tags = (await tags_of(edit.session, team.id, SCOPE, [row.id])).get(str(row.id), [])
            before = {**shown(notes, tags), "property_type": row.property_type}
            await write_notes(edit, notes, body, BOTH)
            if not isinstance(body.is_numerical, UnsetType):
                row.is_numerical = body.is_numerical
            if not isinstance(body.property_type, UnsetType):
                row.property_type = _kind(body.property_type)
                row.is_numerical = row.property_type == "Numeric"
                row.changed_at = edit.clock.now()
        await edit.session.flush()
        if not isinstance(body.tags, UnsetType):
            tags = await set_tags(edit.session, team.id, SCOPE, row.id, body.tags)
        after = {**shown(notes, tags), "property_type": row.property_type}
        edit.note_updated(Subject(SCOPE, row.id, row.name), before, after)
    if not isinstance(body.property_type, UnsetType):
        await taxonomy.forget(team.id)
    return row


async def delete_property(access: Access, caller: Caller, team: Team, row_id: UUID, taxonomy: Taxonomy) -> None:
    """Forget a property until it comes again. Raises NotFound."""
    async with editing(access, caller, team) as edit:
        row = await find(edit.session, PropertyDefinition, team, row_id, to_change=True)
        edit.note(Subject(SCOPE, row.id, row.name), "deleted")
        await forget_tags(edit.session, team.id, SCOPE, row.id)
        await edit.session.execute(delete(PropertyNotes).where(PropertyNotes.definition_id == row.id))
        await edit.session.delete(row)
    await taxonomy.forget(team.id)


def _group_index(kind: str, said: str | None) -> int:
    if kind != "group":
        if said:
            raise ValidationFailed("`group_type_index` can only set for `group` type")
        return NO_GROUP
    if not said:
        raise ValidationFailed("`group_type_index` must be set for `group` type")
    if said not in {str(index) for index in range(GROUP_TYPES)}:
        raise ValidationFailed("Invalid value for `group_type_index`")
    return int(said)


def _is_seen(team: Team, events: list[str] | None) -> ColumnElement[bool]:
    if events is None:
        return false()
    return exists().where(
        EventProperty.team_id == team.id,
        EventProperty.event.in_(events),
        EventProperty.property == PropertyDefinition.name,
    )


def _kind(said: str | None) -> str | None:
    if said is not None and said not in KINDS:
        text = f'"{said[:100]}" is not a valid choice.'
        raise ValidationFailed(text, attr="property_type", code="invalid_choice")
    return said


def _of_sessions(said: dict[str, str]) -> list[PropertyOut]:
    """What every session has: fields of HogQL's table, in order of names."""
    kinds = {
        each.name: FAMILIES.get(each.type.family, "String")
        for each in TABLES["sessions"].fields.values()
        if isinstance(each, Column) and each.starred and each.name.startswith("$")
    }
    terms = said.get("search", "").lower().split()
    wanted = said["properties"].split(",") if said.get("properties") else None
    excluded = names_of(said["excluded_properties"], "excluded_properties") if said.get("excluded_properties") else []
    numerical = {"true": True, "false": False}.get(said.get("is_numerical", ""))
    return [
        PropertyOut(
            **notes_out(None, {}, []),
            id=f"$builtin_{name}",
            name=name,
            is_numerical=kind == "Numeric",
            property_type=kind,
        )
        for name, kind in sorted(kinds.items())
        if all(term in name.lower() for term in terms)
        and (wanted is None or name in wanted)
        and name not in excluded
        and numerical in {None, kind == "Numeric"}
    ]


async def _out(
    session: AsyncSession, team: Team, rows: Sequence[PropertyDefinition], seen: set[str] | None
) -> list[PropertyOut]:
    found = await session.scalars(
        select(PropertyNotes).where(PropertyNotes.definition_id.in_([row.id for row in rows]))
    )
    notes = {each.definition_id: each for each in found}
    by: dict[int | None, UserBasic] = await people_of(session, notes.values())
    tags = await tags_of(session, team.id, SCOPE, (row.id for row in rows))
    return [
        PropertyOut(
            **notes_out(notes.get(row.id), by, tags.get(str(row.id), [])),
            id=row.id,
            name=row.name,
            is_numerical=row.is_numerical,
            property_type=row.property_type,
            is_seen_on_filtered_events=None if seen is None else row.name in seen,
        )
        for row in rows
    ]
