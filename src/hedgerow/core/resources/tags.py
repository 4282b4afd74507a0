"""Tags of any resource: a set of words, lower case, replaced as a whole (rest-api §1.8)."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Text, cast, delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from hedgerow.core.http import at_most
from hedgerow.core.resources.models import TAG_LENGTH, TaggedItem
from hedgerow.core.resources.rows import contains


async def tags_of(session: AsyncSession, team_id: int, kind: str, ids: Iterable[object]) -> dict[str, list[str]]:
    """Item id, as text → its tags, sorted; in one statement. Who has none is not in it."""
    wanted = {str(each) for each in ids}
    if not wanted:
        return {}
    found: dict[str, list[str]] = {}
    rows = await session.execute(
        select(TaggedItem.item_id, TaggedItem.tag)
        .where(TaggedItem.team_id == team_id, TaggedItem.kind == kind, TaggedItem.item_id.in_(wanted))
        .order_by(TaggedItem.tag)
    )
    for item_id, tag in rows:
        found.setdefault(item_id, []).append(tag)
    return found


def has_tag(team_id: int, kind: str, item_id: InstrumentedAttribute[int], words: Iterable[str]) -> ColumnElement[bool]:
    """The condition that an item, by its number, has one of the tags."""
    return _has(team_id, kind, item_id, TaggedItem.tag.in_({word.strip().lower() for word in words}))


def has_tag_with(team_id: int, kind: str, item_id: InstrumentedAttribute[int], part: str) -> ColumnElement[bool]:
    """The condition that an item, by its number, has a tag that holds the text."""
    return _has(team_id, kind, item_id, contains(TaggedItem.tag, part))


def _has(
    team_id: int, kind: str, item_id: InstrumentedAttribute[int], condition: ColumnElement[bool]
) -> ColumnElement[bool]:
    those = select(TaggedItem.item_id).where(TaggedItem.team_id == team_id, TaggedItem.kind == kind, condition)
    return cast(item_id, Text).in_(those)


async def set_tags(session: AsyncSession, team_id: int, kind: str, item_id: object, tags: Iterable[str]) -> list[str]:
    """Replace the tags of an item; what is stored comes back, sorted. Raises `ValidationFailed`."""
    wanted = sorted({tag for each in tags if (tag := each.strip().lower())})
    for tag in wanted:
        at_most(tag, TAG_LENGTH, "tags")
    await forget_tags(session, team_id, kind, item_id)
    session.add_all(TaggedItem(team_id=team_id, kind=kind, item_id=str(item_id), tag=tag) for tag in wanted)
    return wanted


async def forget_tags(session: AsyncSession, team_id: int, kind: str, item_id: object) -> None:
    """Take all tags from an item."""
    await session.execute(
        delete(TaggedItem).where(
            TaggedItem.team_id == team_id, TaggedItem.kind == kind, TaggedItem.item_id == str(item_id)
        )
    )
