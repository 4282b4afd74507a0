"""Insights are made, changed, hidden, brought back, and put on dashboards (rest-api §10)."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core import ids
from hedgerow.core.http import (
    Access,
    Caller,
    NotFound,
    PermissionDenied,
    Team,
    ValidationFailed,
    integer_id,
    row_number,
)
from hedgerow.core.http.fields import INTEGER_MAX
from hedgerow.core.identity.people import ADMIN
from hedgerow.core.resources import Edit, Subject, editing, find, flush_or, sent, set_tags
from hedgerow.insights.models import Dashboard, DashboardTile, Insight, InsightView
from hedgerow.insights.query_node import checked_query, query_of_filters

SCOPE: Final = "Insight"
SHORT_ID_LENGTH: Final = 8
EVERYONE: Final = 21
ONLY_COLLABORATORS: Final = 37
ALREADY_THERE: Final = "This insight is already on the destination dashboard."
MATERIAL: Final = ("name", "description", "filters", "query")
"""Fields whose change moves `last_modified_at`."""
SHOWN: Final = ("name", "derived_name", "description", "filters", "query", "deleted", "favorited", "saved")
Text400 = Annotated[str, msgspec.Meta(max_length=400)]
Order = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]


class InsightBody(msgspec.Struct, frozen=True):
    """What makes or changes an insight; every field may be left out."""

    name: Text400 | UnsetType | None = UNSET
    derived_name: Text400 | UnsetType | None = UNSET
    description: Text400 | UnsetType | None = UNSET
    filters: dict[str, Any] | UnsetType | None = UNSET
    query: Any = UNSET
    order: Order | UnsetType | None = UNSET
    deleted: bool | UnsetType = UNSET
    dashboards: list[int] | UnsetType = UNSET
    tags: list[str] | UnsetType = UNSET
    favorited: bool | UnsetType = UNSET
    saved: bool | UnsetType = UNSET


async def found_insight(
    session: AsyncSession, team: Team, said: str, *, deleted_too: bool = False, to_change: bool = False
) -> Insight:
    """The insight of a path: by number, else by short id. Raises NotFound."""
    where = [] if deleted_too else [Insight.deleted.is_(False)]
    if (number := row_number(said)) is not None:
        try:
            return await find(session, Insight, team, number, *where, to_change=to_change)
        except NotFound:
            pass
    statement = select(Insight).where(Insight.team_id == team.id, Insight.short_id == said, *where)
    row = None
    if "\0" not in said:
        row = await session.scalar(statement.with_for_update() if to_change else statement)
    if row is None:
        raise NotFound
    return row


async def insight_id_of(session: AsyncSession, team: Team, said: str) -> int:
    """The number of an insight, if there is one. Raises NotFound."""
    return (await found_insight(session, team, said)).id


async def filters_from(session: AsyncSession, team: Team, insight: Insight, said: str) -> dict[str, Any]:
    """The filters of a dashboard and of the insight's tile on it. Raises NotFound where it is not there."""
    statement = (
        select(Dashboard.filters, DashboardTile.filters_overrides)
        .join(DashboardTile, DashboardTile.dashboard_id == Dashboard.id)
        .where(Dashboard.team_id == team.id, Dashboard.id == integer_id(said), Dashboard.deleted.is_(False))
        .where(DashboardTile.insight_id == insight.id, DashboardTile.deleted.is_(False))
    )
    found = (await session.execute(statement)).one_or_none()
    if found is None:
        raise NotFound
    return {**found[0], **found[1]}


async def create_insight(access: Access, caller: Caller, team: Team, body: InsightBody, *, wraps: bool) -> Insight:
    """Check and store a new one. Raises ValidationFailed, ParseFailed, PermissionDenied."""
    said = sent(body)
    filters, query = _definition(said, wraps=wraps)
    async with editing(access, caller, team) as edit:
        now = edit.clock.now()
        row = Insight(
            **edit.made(),
            short_id=ids.short_id(SHORT_ID_LENGTH),
            name=said.get("name"),
            derived_name=said.get("derived_name"),
            description=said.get("description"),
            filters=filters,
            query=query,
            order=said.get("order"),
            favorited=said.get("favorited", False),
            saved=said.get("saved", False),
            deleted=False,
            updated_at=now,
            last_modified_at=now,
            last_modified_by_id=edit.user_id,
        )
        edit.session.add(row)
        await edit.session.flush()
        await _put_on_dashboards(edit, row, said.get("dashboards", []))
        await set_tags(edit.session, team.id, SCOPE, row.id, said.get("tags", []))
        edit.note_created(subject_of(row))
    return row


async def change_insight(
    access: Access, caller: Caller, team: Team, said_id: str, body: InsightBody, *, wraps: bool
) -> Insight:
    """Change what the body has. Raises NotFound, ValidationFailed, ParseFailed, PermissionDenied."""
    said = sent(body)
    definition = _definition(said, wraps=wraps) if "query" in said or "filters" in said else None
    async with editing(access, caller, team) as edit:
        is_back = said.get("deleted") is False
        row = await found_insight(edit.session, team, said_id, deleted_too=is_back, to_change=True)
        before = {name: getattr(row, name) for name in SHOWN}
        for name in ("name", "derived_name", "description", "order", "deleted", "favorited", "saved"):
            if name in said:
                setattr(row, name, said[name])
        if definition is not None and (definition[1] is not None or "query" in said or said.get("filters")):
            row.filters, row.query = definition
        if "dashboards" in said and not row.deleted:
            await _put_on_dashboards(edit, row, said["dashboards"])
        if row.deleted:
            await edit.session.execute(
                update(DashboardTile).where(DashboardTile.insight_id == row.id).values(deleted=True)
            )
        if "tags" in said:
            await set_tags(edit.session, team.id, SCOPE, row.id, said["tags"])
        after = {name: getattr(row, name) for name in SHOWN}
        row.updated_at = edit.clock.now()
        if any(before[name] != after[name] for name in MATERIAL):
            row.last_modified_at, row.last_modified_by_id = row.updated_at, edit.user_id
        edit.note_updated(subject_of(row), before, after)
    return row


async def note_viewed(access: Access, caller: Caller, team: Team, said: list[str]) -> None:
    """Store that the caller looks at these insights now. Raises NotFound where one is not there."""
    async with access.metadata.write() as session:
        for each in said:
            row = await found_insight(session, team, each, to_change=True)
            view = await session.get(InsightView, (row.id, caller.user.id))
            if view is None:
                view = InsightView(insight_id=row.id, user_id=caller.user.id)
                session.add(view)
            view.last_viewed_at = access.clock.now()
            await session.flush()


def subject_of(row: Insight) -> Subject:
    """An insight, as its activity names it."""
    return Subject(SCOPE, row.id, row.name or row.derived_name, row.short_id)


def may_edit(caller: Caller, team: Team, dashboard: Dashboard) -> bool:
    """Whether the caller may change a dashboard and what is on it."""
    if dashboard.restriction_level != ONLY_COLLABORATORS:
        return True
    user = caller.user_or_nobody
    is_author = user is not None and user.id == dashboard.created_by_id
    return is_author or caller.level_in(team.organization_id) >= ADMIN


def _definition(said: dict[str, Any], *, wraps: bool) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """`filters` and `query` as they are stored: the second wins."""
    query = checked_query(said.get("query"), wraps=wraps)
    filters: dict[str, Any] = said.get("filters") or {}
    if query is not None:
        return {}, query
    return filters, checked_query(query_of_filters(filters), wraps=False)


async def _put_on_dashboards(edit: Edit, row: Insight, wanted: list[int]) -> None:
    """The insight is on these dashboards, and on no other: tiles are hidden, brought back, or made."""
    for each in wanted:
        if not 0 < each <= INTEGER_MAX:
            raise _no_dashboard(each)
    statement = select(Dashboard).where(
        Dashboard.team_id == edit.team.id, Dashboard.id.in_(set(wanted)), Dashboard.deleted.is_(False)
    )
    dashboards = {each.id: each for each in await edit.session.scalars(statement)}
    tiles = select(DashboardTile).where(DashboardTile.insight_id == row.id).order_by(DashboardTile.id)
    latest = {tile.dashboard_id: tile for tile in await edit.session.scalars(tiles)}
    latest |= {
        tile.dashboard_id: tile for tile in await edit.session.scalars(tiles.where(DashboardTile.deleted.is_(False)))
    }
    for each in dict.fromkeys(wanted):
        if each not in dashboards:
            raise _no_dashboard(each)
        tile = latest.get(each)
        if tile is not None and not tile.deleted:
            continue
        if edit.caller is not None and not may_edit(edit.caller, edit.team, dashboards[each]):
            raise PermissionDenied(f"You don't have permission to add insights to dashboard: {each}")
        if tile is None:
            edit.session.add(new_tile(each, insight_id=row.id))
        else:
            tile.deleted = False
    for dashboard_id, tile in latest.items():
        if dashboard_id not in dashboards:
            tile.deleted = True
    await flush_or(edit.session, ValidationFailed(ALREADY_THERE, attr="dashboards"))


def new_tile(dashboard_id: int, **what: Any) -> DashboardTile:
    """A tile without a place yet. `what` is its insight or its text."""
    plain: dict[str, Any] = {"insight_id": None, "text_id": None, "button": None, "layouts": {}, "color": None}
    plain |= {"filters_overrides": {}, "show_description": None, "transparent_background": None, "deleted": False}
    return DashboardTile(**{**plain, "dashboard_id": dashboard_id, **what})


def _no_dashboard(dashboard_id: int) -> ValidationFailed:
    detail = f'Invalid pk "{dashboard_id}" - object does not exist.'
    return ValidationFailed(detail, code="does_not_exist", attr="dashboards")
