"""Tiles of dashboards: placed, coloured, copied, moved, put in order (rest-api §9)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core import ids
from hedgerow.core.http import NotFound, ValidationFailed
from hedgerow.core.resources import Edit, flush_or, sent
from hedgerow.insights.insights import ALREADY_THERE, SHORT_ID_LENGTH, Text400, new_tile, subject_of
from hedgerow.insights.models import Dashboard, DashboardText, DashboardTile, Insight

BODY_LENGTH: Final = 4_000
TOO_LONG: Final = f"Text body cannot exceed {BODY_LENGTH} characters"
COLUMNS: Final = 2
WIDTH: Final = 6
HEIGHT: Final = 5
"""Cells of a tile that was put in order."""


class TextBody(msgspec.Struct, frozen=True):
    """The text of a tile."""

    body: str | None = None


class TileChange(msgspec.Struct, frozen=True):
    """What is to become of a tile; without `id`, a new text."""

    id: int | UnsetType | None = UNSET
    text: TextBody | UnsetType | None = UNSET
    layouts: dict[str, Any] | UnsetType | None = UNSET
    color: Text400 | UnsetType | None = UNSET
    filters_overrides: dict[str, Any] | UnsetType | None = UNSET
    show_description: bool | UnsetType | None = UNSET
    transparent_background: bool | UnsetType | None = UNSET
    deleted: bool | UnsetType | None = UNSET


async def tiles_of(session: AsyncSession, dashboard_id: int) -> Sequence[DashboardTile]:
    """The tiles of a dashboard that are to be seen, oldest first."""
    statement = (
        select(DashboardTile)
        .outerjoin(Insight, Insight.id == DashboardTile.insight_id)
        .where(
            DashboardTile.dashboard_id == dashboard_id,
            DashboardTile.deleted.is_(False),
            Insight.id.is_(None) | Insight.deleted.is_(False),
        )
    )
    return (await session.scalars(statement.order_by(DashboardTile.id))).all()


async def change_tiles(edit: Edit, row: Dashboard, changes: Sequence[TileChange]) -> None:
    """Change, add and remove tiles. Raises ValidationFailed."""
    if not changes:
        return
    statement = select(DashboardTile).where(DashboardTile.dashboard_id == row.id).with_for_update()
    tiles = {tile.id: tile for tile in await edit.session.scalars(statement)}
    for change in changes:
        if isinstance(change.id, int):
            tile = tiles.get(change.id)
            if tile is None:
                detail = f'Invalid pk "{change.id}" - object does not exist.'
                raise ValidationFailed(detail, code="does_not_exist", attr="tiles")
            if tile.text_id is not None and isinstance(change.text, TextBody) and change.text.body is not None:
                text = await edit.session.get_one(DashboardText, tile.text_id)
                text.body = _checked(change.text.body)
                text.last_modified_at, text.last_modified_by_id = edit.clock.now(), edit.user_id
        elif isinstance(change.text, TextBody):
            text_id = await _new_text(edit, change.text.body or "")
            tile = new_tile(row.id, text_id=text_id)
            edit.session.add(tile)
        else:
            continue
        said = sent(change)
        for name in ("layouts", "filters_overrides"):
            if name in said:
                setattr(tile, name, said[name] or {})
        for name in ("color", "show_description", "transparent_background"):
            if name in said:
                setattr(tile, name, said[name])
        if said.get("deleted") is not None:
            tile.deleted = said["deleted"]
    await flush_or(edit.session, ValidationFailed(ALREADY_THERE, attr="tiles"))


async def put_copy(
    edit: Edit, tile: DashboardTile, dashboard_id: int, *, deep: bool, layouts: dict[str, Any] | None = None
) -> None:
    """A copy of a tile on a dashboard. `deep` copies its insight too; a text is copied always."""
    insight_id, text_id = tile.insight_id, None
    if tile.insight_id is not None and deep:
        insight_id = (await copy_of(edit, await edit.session.get_one(Insight, tile.insight_id))).id
    if tile.text_id is not None:
        text_id = await _new_text(edit, (await edit.session.get_one(DashboardText, tile.text_id)).body)
    edit.session.add(
        new_tile(
            dashboard_id,
            insight_id=insight_id,
            text_id=text_id,
            button=tile.button,
            layouts=tile.layouts if layouts is None else layouts,
            color=tile.color,
            filters_overrides=tile.filters_overrides,
            show_description=tile.show_description,
            transparent_background=tile.transparent_background,
        )
    )
    await flush_or(edit.session, ValidationFailed(ALREADY_THERE))


async def copy_of(edit: Edit, insight: Insight) -> Insight:
    """A new insight like this one, named as a copy."""
    now = edit.clock.now()
    name = insight.name or insight.derived_name
    row = Insight(
        **edit.made(),
        short_id=ids.short_id(SHORT_ID_LENGTH),
        name=None if name is None else f"{name[: 400 - len(' (Copy)')]} (Copy)",
        derived_name=insight.derived_name,
        description=insight.description,
        filters=insight.filters,
        query=insight.query,
        order=insight.order,
        favorited=False,
        saved=insight.saved,
        deleted=False,
        updated_at=now,
        last_modified_at=now,
        last_modified_by_id=edit.user_id,
    )
    edit.session.add(row)
    await edit.session.flush()
    edit.note_created(subject_of(row))
    return row


async def tile_on(edit: Edit, dashboard_id: int, tile_id: int) -> DashboardTile:
    """The tile of that number on that dashboard. Raises NotFound."""
    for tile in await tiles_of(edit.session, dashboard_id):
        if tile.id == tile_id:
            return tile
    raise NotFound


async def move(edit: Edit, tile: DashboardTile, dashboard_id: int) -> None:
    """Take a tile to another dashboard. Raises ValidationFailed where its insight is there already."""
    tile.dashboard_id = dashboard_id
    await flush_or(edit.session, ValidationFailed(ALREADY_THERE))


async def put_in_order(edit: Edit, dashboard_id: int, order: Sequence[int]) -> None:
    """Two columns of tiles, row by row. Raises ValidationFailed, NotFound."""
    if len(set(order)) != len(order):
        raise ValidationFailed("tile_order must contain unique tile IDs")
    tiles = {tile.id: tile for tile in await tiles_of(edit.session, dashboard_id)}
    missing = [each for each in order if each not in tiles]
    if missing:
        raise NotFound(f"Tile IDs not found on this dashboard: {missing}")
    for place, each in enumerate(order):
        down, across = divmod(place, COLUMNS)
        tiles[each].layouts = {
            **tiles[each].layouts,
            "sm": {"x": across * WIDTH, "y": down * HEIGHT, "w": WIDTH, "h": HEIGHT},
        }


def _checked(body: str) -> str:
    if len(body) > BODY_LENGTH:
        raise ValidationFailed(TOO_LONG, code="max_length", attr="tiles")
    return body


async def _new_text(edit: Edit, body: str) -> int:
    text = DashboardText(
        team_id=edit.team.id,
        body=_checked(body),
        created_by_id=edit.user_id,
        last_modified_at=edit.clock.now(),
        last_modified_by_id=edit.user_id,
    )
    edit.session.add(text)
    await edit.session.flush()
    return text.id
