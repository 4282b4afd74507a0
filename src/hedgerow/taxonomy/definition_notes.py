"""What people say about definitions: description, owner, verified, hidden (rest-api §17, §18)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any, Final, TypeVar

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from hedgerow.core.http import Team, ValidationFailed, at_most
from hedgerow.core.identity.models import OrganizationMembership
from hedgerow.core.identity.people import UserBasic
from hedgerow.core.resources import Edit, authors, contains, sent
from hedgerow.core.resources.models import TaggedItem
from hedgerow.taxonomy.models import EventNotes, PropertyNotes

DESCRIPTION_LENGTH: Final = 10_000
SHOWN: Final = ("description", "owner_id", "verified", "hidden")
AnyNotes = TypeVar("AnyNotes", EventNotes, PropertyNotes)


class NotesBody(msgspec.Struct, frozen=True, kw_only=True):
    """What of a definition can be said."""

    description: str | UnsetType | None = UNSET
    owner: int | UnsetType | None = UNSET
    tags: list[str] | UnsetType = UNSET
    verified: bool | UnsetType = UNSET
    hidden: bool | UnsetType | None = UNSET


class NotesOut(msgspec.Struct, frozen=True, kw_only=True):
    """What was said."""

    description: str
    owner: UserBasic | None
    tags: list[str]
    updated_at: dt.datetime | None
    updated_by: UserBasic | None
    verified: bool
    verified_at: dt.datetime | None
    verified_by: UserBasic | None
    hidden: bool | None


async def write_notes(edit: Edit, notes: AnyNotes, body: NotesBody, both: str) -> None:
    """Say what the body has. `both` refuses what is hidden and verified. Raises ValidationFailed."""
    fields = sent(body)
    if body.hidden is True and body.verified is True:
        raise ValidationFailed(both)
    if not isinstance(body.description, UnsetType):
        notes.description = at_most(body.description or "", DESCRIPTION_LENGTH, "description")
    if not isinstance(body.owner, UnsetType):
        notes.owner_id = await _member(edit, body.owner)
    if "hidden" in fields:
        notes.hidden = fields["hidden"]
    is_verified = False if body.hidden is True else body.verified
    if is_verified is True and not notes.verified:
        notes.verified, notes.verified_at, notes.verified_by_id = True, edit.clock.now(), edit.user_id
    elif is_verified is False:
        notes.verified, notes.verified_at, notes.verified_by_id = False, None, None
    if is_verified is True:
        notes.hidden = False
    notes.updated_at, notes.updated_by_id = edit.clock.now(), edit.user_id


async def people_of(session: AsyncSession, notes: Iterable[EventNotes | PropertyNotes | None]) -> Any:
    """Everybody whom the notes name, by their id; in one statement."""
    ids = [each for row in notes if row is not None for each in (row.owner_id, row.verified_by_id, row.updated_by_id)]
    return await authors(session, ids)


def notes_out(
    notes: EventNotes | PropertyNotes | None, by: dict[int | None, UserBasic], tags: list[str]
) -> dict[str, Any]:
    """The fields of `NotesOut`."""
    if notes is None:
        names = ("owner", "updated_at", "updated_by", "verified_at", "verified_by", "hidden")
        return {**dict.fromkeys(names), "description": "", "verified": False, "tags": tags}
    return {
        "description": notes.description,
        "owner": by.get(notes.owner_id),
        "tags": tags,
        "updated_at": notes.updated_at,
        "updated_by": by.get(notes.updated_by_id),
        "verified": notes.verified,
        "verified_at": notes.verified_at,
        "verified_by": by.get(notes.verified_by_id),
        "hidden": notes.hidden,
    }


def shown(notes: EventNotes | PropertyNotes, tags: list[str]) -> dict[str, Any]:
    """What activity compares."""
    return {**{name: getattr(notes, name) for name in SHOWN}, "tags": tags}


def narrowed(statement: Select[Any], name: InstrumentedAttribute[str], said: dict[str, str]) -> Select[Any]:
    """Those whose name holds every term of `search`, and is none of `excluded_properties`. Raises ValidationFailed."""
    for term in said.get("search", "").split():
        statement = statement.where(contains(name, term))
    if said.get("excluded_properties"):
        statement = statement.where(name.not_in(names_of(said["excluded_properties"], "excluded_properties")))
    return statement


async def tagged(
    session: AsyncSession, team: Team, scope: str, column: InstrumentedAttribute[Any], said: str
) -> ColumnElement[bool]:
    """The condition that something has one of the tags of a JSON list. Raises ValidationFailed."""
    wanted = [each.strip().lower() for each in names_of(said, "tags")]
    ids = await session.scalars(
        select(TaggedItem.item_id).where(
            TaggedItem.team_id == team.id, TaggedItem.kind == scope, TaggedItem.tag.in_(wanted)
        )
    )
    return column.in_([column.type.python_type(each) for each in ids])


def names_of(said: str, attr: str) -> list[str]:
    """The names of a JSON list in a query. Raises ValidationFailed."""
    try:
        return msgspec.json.decode(said, type=list[str])
    except msgspec.DecodeError:
        raise ValidationFailed(f"{attr} must be a JSON list of names.", attr=attr) from None


async def _member(edit: Edit, user_id: int | None) -> int | None:
    if user_id is None:
        return None
    found = await edit.session.scalar(
        select(OrganizationMembership.user_id).where(
            OrganizationMembership.organization_id == edit.team.organization_id,
            OrganizationMembership.user_id == user_id,
        )
    )
    if found is None:
        said = f'Invalid pk "{user_id}" - object does not exist.'
        raise ValidationFailed(said, attr="owner", code="does_not_exist")
    return found
