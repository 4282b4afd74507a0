"""Dashboards are made, copied, changed, hidden and brought back (rest-api §9)."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core.http import Access, Caller, PermissionDenied, Team, ValidationFailed, integer_id, parse_moment
from hedgerow.core.http.fields import INTEGER_MAX
from hedgerow.core.identity.models import Project
from hedgerow.core.identity.people import ADMIN
from hedgerow.core.resources import Edit, Subject, editing, find, sent, set_tags
from hedgerow.insights.insights import EVERYONE, Text400, may_edit
from hedgerow.insights.models import Dashboard, DashboardTile, DashboardView, Insight
from hedgerow.insights.tiles import TileChange, change_tiles, put_copy, tiles_of

SCOPE: Final = "Dashboard"
NO_EDIT: Final = "You don't have edit permissions for this dashboard."
NO_RESTRICTION: Final = (
    "Only the dashboard owner and project admins have the restriction rights required to change the dashboard's"
    " restriction level."
)
BOTH: Final = "`use_dashboard` and `use_template` cannot be used together"
SHOWN: Final = ("name", "description", "pinned", "deleted", "restriction_level", "filters", "variables")
PLAIN: Final = ("name", "pinned", "breakdown_colors", "data_color_theme_id")
Number = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]


class TileCopy(msgspec.Struct, frozen=True):
    """A tile of the dashboard that is to be there twice."""

    id: int
    layouts: dict[str, Any] | None = None


class _Fields(msgspec.Struct, frozen=True, kw_only=True):
    name: Text400 | UnsetType | None = UNSET
    description: str | UnsetType = UNSET
    pinned: bool | UnsetType = UNSET
    tags: list[str] | UnsetType = UNSET
    restriction_level: Literal[21, 37] | UnsetType = UNSET
    last_refresh: str | UnsetType | None = UNSET
    filters: Any = UNSET
    variables: Any = UNSET
    breakdown_colors: list[Any] | dict[str, Any] | UnsetType | None = UNSET
    data_color_theme_id: Number | UnsetType | None = UNSET
    quick_filter_ids: list[str] | UnsetType | None = UNSET


class NewDashboard(_Fields, frozen=True, kw_only=True):
    """The body that makes one; every field may be left out."""

    use_template: str | None = None
    use_dashboard: int | None = None
    duplicate_tiles: bool = False


class DashboardPatch(_Fields, frozen=True, kw_only=True):
    """The body that changes one."""

    deleted: bool | UnsetType = UNSET
    delete_insights: bool | UnsetType = UNSET
    tiles: list[TileChange] | UnsetType | None = UNSET
    duplicate_tiles: list[TileCopy] | UnsetType | None = UNSET


async def found_dashboard(
    session: AsyncSession, team: Team, said: str, *, deleted_too: bool = False, to_change: bool = False
) -> Dashboard:
    """The dashboard of a path. Raises NotFound."""
    where = [] if deleted_too else [Dashboard.deleted.is_(False)]
    return await find(session, Dashboard, team, integer_id(said), *where, to_change=to_change)


async def dashboard_id_of(session: AsyncSession, team: Team, said: str) -> int:
    """The number of a dashboard, if there is one. Raises NotFound."""
    return (await found_dashboard(session, team, said)).id


async def to_edit(edit: Edit, caller: Caller, said: str, *, deleted_too: bool = False) -> Dashboard:
    """The dashboard of a path, kept from other writers. Raises NotFound, PermissionDenied."""
    row = await found_dashboard(edit.session, edit.team, said, deleted_too=deleted_too, to_change=True)
    if not may_edit(caller, edit.team, row):
        raise PermissionDenied(NO_EDIT)
    return row


async def create_dashboard(access: Access, caller: Caller, team: Team, body: NewDashboard) -> Dashboard:
    """Store a new one, which may be a copy. Raises ValidationFailed."""
    if body.use_template and body.use_dashboard:
        raise ValidationFailed(BOTH)
    if body.use_template:
        raise ValidationFailed(f"Invalid template provided: {body.use_template[:400]}", attr="use_template")
    said = sent(body)
    async with editing(access, caller, team) as edit:
        source = None if body.use_dashboard is None else await _source(edit, body.use_dashboard)
        row = Dashboard(
            **edit.made(),
            name=None if source is None else source.name,
            description="" if source is None else source.description,
            pinned=False,
            creation_mode="default" if source is None else "duplicate",
            restriction_level=EVERYONE,
            filters={} if source is None else source.filters,
            variables=None if source is None else source.variables,
            breakdown_colors=[] if source is None else source.breakdown_colors,
            data_color_theme_id=None if source is None else source.data_color_theme_id,
            quick_filter_ids=[],
            last_accessed_at=None,
            last_refresh=None,
            deleted=False,
        )
        _write(row, said)
        edit.session.add(row)
        await edit.session.flush()
        if source is not None:
            for tile in await tiles_of(edit.session, source.id):
                await put_copy(edit, tile, row.id, deep=body.duplicate_tiles)
        await set_tags(edit.session, team.id, SCOPE, row.id, said.get("tags", []))
        edit.note_created(subject_of(row))
    return row


async def change_dashboard(access: Access, caller: Caller, team: Team, said_id: str, body: DashboardPatch) -> Dashboard:
    """Change what the body has. Raises NotFound, ValidationFailed, PermissionDenied."""
    said = sent(body)
    async with editing(access, caller, team) as edit:
        row = await to_edit(edit, caller, said_id, deleted_too=body.deleted is False)
        before = {name: getattr(row, name) for name in SHOWN}
        level = said.get("restriction_level", row.restriction_level)
        is_author = edit.user_id is not None and edit.user_id == row.created_by_id
        if level != row.restriction_level and not is_author and caller.level_in(team.organization_id) < ADMIN:
            raise PermissionDenied(NO_RESTRICTION)
        _write(row, said)
        if "tags" in said:
            await set_tags(edit.session, team.id, SCOPE, row.id, said["tags"])
        await change_tiles(edit, row, said.get("tiles") or [])
        await _copy_tiles(edit, row, said.get("duplicate_tiles") or [])
        if said.get("deleted") is True:
            await _hide(edit, row, with_insights=body.delete_insights is True)
        elif said.get("deleted") is False and row.deleted:
            await _bring_back(edit, row)
        edit.note_updated(subject_of(row), before, {name: getattr(row, name) for name in SHOWN})
    if row.deleted:
        access.forget()
    return row


async def note_seen(access: Access, caller: Caller, team: Team, said: str) -> Dashboard:
    """Store that somebody looks at the dashboard now. Raises NotFound."""
    async with access.metadata.write() as session:
        row = await found_dashboard(session, team, said, to_change=True)
        row.last_accessed_at = access.clock.now()
        user = caller.user_or_nobody
        if user is not None:
            view = await session.get(DashboardView, (row.id, user.id))
            if view is None:
                view = DashboardView(dashboard_id=row.id, user_id=user.id)
                session.add(view)
            view.last_viewed_at = access.clock.now()
        return row


def subject_of(row: Dashboard) -> Subject:
    """A dashboard, as its activity names it."""
    return Subject(SCOPE, row.id, row.name)


async def _source(edit: Edit, dashboard_id: int) -> Dashboard:
    statement = select(Dashboard).where(
        Dashboard.id == dashboard_id, Dashboard.team_id == edit.team.id, Dashboard.deleted.is_(False)
    )
    found = await edit.session.scalar(statement) if 0 < dashboard_id <= INTEGER_MAX else None
    if found is None:
        raise ValidationFailed("Invalid value provided", attr="use_dashboard")
    return found


def _write(row: Dashboard, said: dict[str, Any]) -> None:
    for name in (*PLAIN, "description", "restriction_level"):
        if name in said:
            setattr(row, name, said[name])
    for name in ("filters", "variables"):
        if name in said:
            value = said[name]
            if value is not None and not isinstance(value, dict):
                raise ValidationFailed(f"{name.capitalize()} must be a dictionary", attr=name)
            setattr(row, name, {} if value is None and name == "filters" else value)
    if "last_refresh" in said:
        moment = said["last_refresh"]
        row.last_refresh = None if moment is None else parse_moment(moment, "last_refresh")
    if "quick_filter_ids" in said:
        row.quick_filter_ids = said["quick_filter_ids"] or []


async def _copy_tiles(edit: Edit, row: Dashboard, wanted: list[TileCopy]) -> None:
    if not wanted:
        return
    tiles = {tile.id: tile for tile in await tiles_of(edit.session, row.id)}
    for each in wanted:
        if each.id not in tiles:
            detail = f'Invalid pk "{each.id}" - object does not exist.'
            raise ValidationFailed(detail, code="does_not_exist", attr="duplicate_tiles")
        await put_copy(edit, tiles[each.id], row.id, deep=True, layouts=each.layouts)


async def _hide(edit: Edit, row: Dashboard, *, with_insights: bool) -> None:
    session = edit.session
    row.deleted = True
    if with_insights:
        others = exists(
            select(DashboardTile.id)
            .join(Dashboard, Dashboard.id == DashboardTile.dashboard_id)
            .where(
                DashboardTile.insight_id == Insight.id,
                DashboardTile.dashboard_id != row.id,
                DashboardTile.deleted.is_(False),
                Dashboard.deleted.is_(False),
            )
        )
        here = select(DashboardTile.insight_id).where(
            DashboardTile.dashboard_id == row.id, DashboardTile.deleted.is_(False)
        )
        gone = update(Insight).where(Insight.team_id == edit.team.id, Insight.id.in_(here), ~others)
        await session.execute(gone.values(deleted=True).execution_options(synchronize_session=False))
    await session.execute(update(DashboardTile).where(DashboardTile.dashboard_id == row.id).values(deleted=True))
    project = await session.get(Project, edit.team.id, with_for_update=True)
    if project is not None and project.settings.get("primary_dashboard") == row.id:
        project.settings = {**project.settings, "primary_dashboard": None}


async def _bring_back(edit: Edit, row: Dashboard) -> None:
    """The dashboard, its tiles and their insights; of two tiles with one insight the newer."""
    row.deleted = False
    statement = select(DashboardTile).where(DashboardTile.dashboard_id == row.id).order_by(DashboardTile.id.desc())
    seen: set[int] = set()
    for tile in await edit.session.scalars(statement):
        if tile.insight_id is None or tile.insight_id not in seen:
            tile.deleted = False
        if tile.insight_id is not None:
            seen.add(tile.insight_id)
    await edit.session.execute(
        update(Insight).where(Insight.team_id == edit.team.id, Insight.id.in_(seen)).values(deleted=False)
    )
