"""Event definitions: found, listed, made by hand, said things about, deleted (rest-api §17)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import Date, cast, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core import ids
from hedgerow.core.http import Access, Caller, NotFound, Page, PageRequest, Team, ValidationFailed, at_most
from hedgerow.core.identity.people import UserBasic
from hedgerow.core.resources import (
    Edit,
    Subject,
    editing,
    find,
    flush_or,
    forget_tags,
    rows_of,
    sent,
    set_tags,
    tags_of,
)
from hedgerow.taxonomy.definition_notes import (
    NotesBody,
    NotesOut,
    names_of,
    narrowed,
    notes_out,
    people_of,
    shown,
    tagged,
    write_notes,
)
from hedgerow.taxonomy.models import EVENT, NAME_LENGTH, EventDefinition, EventNotes, EventProperty, PropertyDefinition
from hedgerow.taxonomy.observer import Taxonomy

SCOPE: Final = "EventDefinition"
BOTH: Final = "An event cannot be both hidden and verified"
ENFORCEMENT: Final = ("allow", "reject")
PLAIN: Final = ("post_to_slack", "default_columns", "primary_property")
TYPES: Final = {
    "Numeric": "number",
    "Boolean": "boolean",
    "DateTime": "string | Date",
    "String": "string",
    "Duration": "number",
}


class EventPatch(NotesBody, frozen=True, kw_only=True):
    """What of an event can be changed; its name cannot."""

    post_to_slack: bool | UnsetType = UNSET
    default_columns: list[str] | UnsetType = UNSET
    enforcement_mode: str | UnsetType = UNSET
    primary_property: str | UnsetType | None = UNSET


class NewEvent(EventPatch, frozen=True, kw_only=True):
    """An event that has not come yet."""

    name: str


class EventOut(NotesOut, frozen=True, kw_only=True):
    """An event, in lists and alone."""

    id: UUID
    name: str
    created_at: datetime | None
    last_seen_at: datetime | None
    last_updated_at: datetime | None
    is_action: bool = False
    action_id: int | None = None
    is_calculating: bool = False
    last_calculated_at: datetime | None = None
    created_by: UserBasic | None = None
    post_to_slack: bool = False
    default_columns: list[str] = msgspec.field(default_factory=list[str])
    enforcement_mode: str = "allow"
    primary_property: str | None = None


async def page_of_events(session: AsyncSession, team: Team, page: PageRequest) -> Page[EventOut]:
    """The project's events, those seen last first. Raises ValidationFailed."""
    said = page.said()
    statement = (
        select(EventDefinition)
        .outerjoin(EventNotes, EventNotes.definition_id == EventDefinition.id)
        .where(EventDefinition.team_id == team.id)
    )
    kind = said.get("event_type")
    if kind == "event_custom":
        statement = statement.where(~EventDefinition.name.startswith("$"))
    elif kind == "event_posthog":
        statement = statement.where(EventDefinition.name.startswith("$"))
    if said.get("names"):
        statement = statement.where(EventDefinition.name.in_(names_of(said["names"], "names")))
    if said.get("verified") in {"true", "false"}:
        statement = statement.where(func.coalesce(EventNotes.verified, False).is_(said["verified"] == "true"))
    if said.get("exclude_hidden") == "true":
        statement = statement.where(func.coalesce(EventNotes.hidden, False).is_(False))
    if said.get("tags"):
        statement = statement.where(await tagged(session, team, SCOPE, EventDefinition.id, said["tags"]))
    statement = narrowed(statement, EventDefinition.name, said)
    asked = [value for name, value in page.query if name == "ordering"]
    statement = statement.order_by(*_order(session, asked), EventDefinition.id)
    rows, count = await rows_of(session, statement, page)
    return page.page(await _out(session, team, rows), count)


async def event_out(session: AsyncSession, team: Team, row: EventDefinition) -> EventOut:
    """One event."""
    return (await _out(session, team, [row]))[0]


async def event_of(session: AsyncSession, team: Team, name: str) -> EventDefinition:
    """The event of a name. Raises NotFound."""
    row = await session.scalar(
        select(EventDefinition).where(EventDefinition.team_id == team.id, EventDefinition.name == name)
    )
    if row is None:
        raise NotFound
    return row


async def create_event(access: Access, caller: Caller, team: Team, body: NewEvent) -> EventDefinition:
    """An event that has not come yet. Raises ValidationFailed."""
    if not body.name.strip():
        raise ValidationFailed("This field may not be blank.", attr="name", code="blank")
    at_most(body.name, NAME_LENGTH, "name")
    async with editing(access, caller, team) as edit:
        row = EventDefinition(id=ids.uuid7(), team_id=team.id, name=body.name, created_at=None, last_seen_at=None)
        edit.session.add(row)
        taken = ValidationFailed(f"Event definition with name '{body.name}' already exists", attr="name")
        await flush_or(edit.session, taken)
        await _say(edit, row, body)
        edit.note_created(Subject(SCOPE, row.id, row.name))
    return row


async def change_event(access: Access, caller: Caller, team: Team, row_id: UUID, body: EventPatch) -> EventDefinition:
    """Say what the body has. Raises NotFound, ValidationFailed."""
    async with editing(access, caller, team) as edit:
        row = await find(edit.session, EventDefinition, team, row_id, to_change=True)
        before, after = await _say(edit, row, body)
        edit.note_updated(Subject(SCOPE, row.id, row.name), before, after)
    return row


async def delete_event(access: Access, caller: Caller, team: Team, row_id: UUID, taxonomy: Taxonomy) -> None:
    """Forget an event until it comes again. Raises NotFound."""
    async with editing(access, caller, team) as edit:
        row = await find(edit.session, EventDefinition, team, row_id, to_change=True)
        edit.note(Subject(SCOPE, row.id, row.name), "deleted")
        await forget_tags(edit.session, team.id, SCOPE, row.id)
        await edit.session.execute(delete(EventNotes).where(EventNotes.definition_id == row.id))
        await edit.session.execute(
            delete(EventProperty).where(EventProperty.team_id == team.id, EventProperty.event == row.name)
        )
        await edit.session.delete(row)
    await taxonomy.forget(team.id)


async def typescript(session: AsyncSession, team: Team) -> str:
    """The project's events and their properties as types, in order of names."""
    names = await session.scalars(
        select(EventDefinition.name).where(EventDefinition.team_id == team.id).order_by(EventDefinition.name)
    )
    events: dict[str, list[str]] = {name: [] for name in names}
    found = await session.execute(
        select(PropertyDefinition.name, PropertyDefinition.property_type).where(
            PropertyDefinition.team_id == team.id, PropertyDefinition.owner == EVENT
        )
    )
    kinds = {name: TYPES.get(kind or "", "any") for name, kind in found}
    pairs = await session.execute(
        select(EventProperty.event, EventProperty.property)
        .where(EventProperty.team_id == team.id)
        .order_by(EventProperty.event, EventProperty.property)
    )
    for event, name in pairs:
        if event in events:
            events[event].append(f"        {_literal(name)}?: {kinds.get(name, 'any')}")
    lines = ["export interface EventSchemas {"]
    for event, properties in events.items():
        lines += [f"    {_literal(event)}: {{", *properties, "    }"]
    return "\n".join([*lines, "}", "", "export type EventName = keyof EventSchemas", ""])


def _literal(name: str) -> str:
    text = msgspec.json.encode(name).decode()
    return re.sub("[\u2028\u2029]", lambda found: f"\\u{ord(found.group()):04x}", text)


async def _say(edit: Edit, row: EventDefinition, body: EventPatch) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write what was said; before and after."""
    notes = await edit.session.get(EventNotes, row.id)
    if notes is None:
        notes = EventNotes(
            definition_id=row.id,
            description="",
            verified=False,
            post_to_slack=False,
            default_columns=[],
            enforcement_mode="allow",
        )
        edit.session.add(notes)
    with edit.session.no_autoflush:
        tags = (await tags_of(edit.session, edit.team.id, SCOPE, [row.id])).get(str(row.id), [])
        before = _all_shown(notes, tags)
        await write_notes(edit, notes, body, BOTH)
        fields = sent(body)
        for name in PLAIN:
            if name in fields:
                setattr(notes, name, fields[name])
        if not isinstance(body.enforcement_mode, UnsetType):
            if body.enforcement_mode not in ENFORCEMENT:
                text = f'"{body.enforcement_mode[:100]}" is not a valid choice.'
                raise ValidationFailed(text, attr="enforcement_mode", code="invalid_choice")
            notes.enforcement_mode = body.enforcement_mode
    await edit.session.flush()
    if not isinstance(body.tags, UnsetType):
        tags = await set_tags(edit.session, edit.team.id, SCOPE, row.id, body.tags)
    return before, _all_shown(notes, tags)


def _all_shown(notes: EventNotes, tags: list[str]) -> dict[str, Any]:
    return {**shown(notes, tags), **{name: getattr(notes, name) for name in (*PLAIN, "enforcement_mode")}}


def _order(session: AsyncSession, asked: Sequence[str]) -> list[Any]:
    day: Any
    if session.get_bind().dialect.name == "postgresql":
        day = cast(func.timezone("UTC", EventDefinition.last_seen_at), Date)
    else:
        day = func.date(EventDefinition.last_seen_at)
    columns: dict[str, Any] = {
        "name": EventDefinition.name,
        "last_seen_at": EventDefinition.last_seen_at,
        "last_seen_at::date": day,
        "created_at": EventDefinition.created_at,
    }
    found: list[Any] = []
    for each in asked or ["-last_seen_at::date"]:
        column = columns.get(each.removeprefix("-"))
        if column is not None:
            found.append(column.desc().nulls_last() if each.startswith("-") else column.asc().nulls_last())
    return [*found, EventDefinition.name]


async def _out(session: AsyncSession, team: Team, rows: Sequence[EventDefinition]) -> list[EventOut]:
    found = await session.scalars(select(EventNotes).where(EventNotes.definition_id.in_([row.id for row in rows])))
    notes = {each.definition_id: each for each in found}
    by = await people_of(session, notes.values())
    tags = await tags_of(session, team.id, SCOPE, (row.id for row in rows))
    return [_event_out(row, notes.get(row.id), by, tags.get(str(row.id), [])) for row in rows]


def _event_out(
    row: EventDefinition, notes: EventNotes | None, by: dict[int | None, UserBasic], tags: list[str]
) -> EventOut:
    more: dict[str, Any] = (
        {} if notes is None else {name: getattr(notes, name) for name in (*PLAIN, "enforcement_mode")}
    )
    return EventOut(
        **notes_out(notes, by, tags),
        **more,
        id=row.id,
        name=row.name,
        created_at=row.created_at,
        last_seen_at=row.last_seen_at,
        last_updated_at=row.created_at if notes is None else notes.updated_at,
    )
