"""Actions as they go over the wire, found and listed (rest-api §13)."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Protocol

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core.http import Page, PageRequest, Team, integer_id, row_number
from hedgerow.core.identity.people import UserBasic
from hedgerow.core.resources import authors, contains, find, has_tag, rows_of, tags_of
from hedgerow.taxonomy.action_steps import StepOut, step_out
from hedgerow.taxonomy.actions import SCOPE
from hedgerow.taxonomy.definition_notes import names_of
from hedgerow.taxonomy.models import ActionRow

ALL_ROWS: Final = 2**31
ORDERS: Final[dict[str, Any]] = {
    "name": ActionRow.name,
    "created_at": ActionRow.created_at,
    "last_calculated_at": ActionRow.last_calculated_at,
    "pinned_at": ActionRow.pinned_at,
    "id": ActionRow.id,
}


class Reference(msgspec.Struct, frozen=True):
    """Something that is made of an action."""

    type: str
    """insight, cohort, experiment …"""
    id: str
    name: str
    url: str
    created_at: datetime | None
    created_by: UserBasic | None


class References(Protocol):
    """What rooms above know: who is made of actions."""

    async def __call__(self, session: AsyncSession, team_id: int) -> dict[int, list[Reference]]:
        """Action id → what is made of it."""
        ...


class ActionOut(msgspec.Struct, frozen=True):
    """An action, in lists and alone."""

    id: int
    name: str | None
    description: str
    tags: list[str]
    post_to_slack: bool
    slack_message_format: str
    steps: list[StepOut]
    created_at: datetime
    created_by: UserBasic | None
    deleted: bool
    is_calculating: bool
    last_calculated_at: datetime
    team_id: int
    is_action: bool
    bytecode_error: str | None
    pinned_at: datetime | None
    creation_context: str | None
    user_access_level: str | None
    reference_count: int | UnsetType = UNSET


async def page_of_actions(
    session: AsyncSession, team: Team, page: PageRequest, references: References
) -> Page[ActionOut]:
    """The project's actions that are not deleted; all of them where no `limit` is asked for. Raises ValidationFailed."""
    said = page.said()
    statement = select(ActionRow).where(ActionRow.team_id == team.id, ActionRow.deleted.is_(False))
    if said.get("search"):
        statement = statement.where(contains(ActionRow.name, said["search"]))
    if said.get("created_by"):
        statement = statement.where(ActionRow.created_by_id.in_(_numbers(said["created_by"])))
    if said.get("tags"):
        statement = statement.where(has_tag(team.id, SCOPE, ActionRow.id, names_of(said["tags"], "tags")))
    statement = statement.order_by(*_order(said.get("ordering")), ActionRow.id)
    part = page if "limit" in said else msgspec.structs.replace(page, limit=ALL_ROWS)
    rows, count = await rows_of(session, statement, part)
    counted = await references(session, team.id) if said.get("include_reference_count") in {"true", "1"} else None
    return part.page(await _out(session, team, rows, counted), count)


async def found_action(session: AsyncSession, team: Team, said: str) -> ActionRow:
    """The action of an id in a path, deleted or not. Raises NotFound."""
    return await find(session, ActionRow, team, integer_id(said))


async def action_id_of(session: AsyncSession, team: Team, said: str) -> int:
    """The id of an action, if there is one. Raises NotFound."""
    return (await found_action(session, team, said)).id


async def action_out(session: AsyncSession, team: Team, row: ActionRow) -> ActionOut:
    """One action."""
    return (await _out(session, team, [row], None))[0]


def csv_of(rows: Sequence[ActionOut]) -> bytes:
    """A table with a column for each field; what is no text stands as JSON."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    names = [name for name in ActionOut.__struct_fields__ if name != "reference_count"]
    writer.writerow(names)
    writer.writerows([_cell(getattr(row, name)) for name in names] for row in rows)
    return written.getvalue().encode("utf-8", "replace")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode().strip('"')


def _numbers(said: str) -> list[int]:
    return [number for each in said.split(",") if (number := row_number(each)) is not None]


def _order(said: str | None) -> list[Any]:
    column = ORDERS.get((said or "").removeprefix("-"))
    if column is None:
        return [ActionRow.last_calculated_at.desc(), ActionRow.name]
    return [column.desc() if said and said.startswith("-") else column.asc()]


async def _out(
    session: AsyncSession, team: Team, rows: Sequence[ActionRow], counted: dict[int, list[Reference]] | None
) -> list[ActionOut]:
    by = await authors(session, (row.created_by_id for row in rows))
    tags = await tags_of(session, team.id, SCOPE, (row.id for row in rows))
    return [
        ActionOut(
            id=row.id,
            name=row.name,
            description=row.description,
            tags=tags.get(str(row.id), []),
            post_to_slack=row.post_to_slack,
            slack_message_format=row.slack_message_format,
            steps=[step_out(step) for step in row.steps],
            created_at=row.created_at,
            created_by=by.get(row.created_by_id),
            deleted=row.deleted,
            is_calculating=False,
            last_calculated_at=row.last_calculated_at,
            team_id=row.team_id,
            is_action=True,
            bytecode_error=None,
            pinned_at=row.pinned_at,
            creation_context=None,
            user_access_level="manager",
            reference_count=UNSET if counted is None else len(counted.get(row.id, ())),
        )
        for row in rows
    ]
