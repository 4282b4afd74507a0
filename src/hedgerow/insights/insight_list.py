"""Lists of insights: filters, search and order (rest-api §10)."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import ColumnElement, Select, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core.clock import Clock
from hedgerow.core.http import Caller, PageRequest, Team, ValidationFailed
from hedgerow.core.http.fields import INTEGER_MAX
from hedgerow.core.resources import contains, has_tag, has_tag_with, rows_of
from hedgerow.insights.insight_view import InsightOut, insights_out
from hedgerow.insights.insights import SCOPE
from hedgerow.insights.models import Dashboard, DashboardTile, Insight, InsightView
from hedgerow.queries.dates import parse_date

SEARCH_LENGTH: Final = 200
VIEWED_LAST: Final = 5
KINDS: Final = {
    "TRENDS": "TrendsQuery", "FUNNELS": "FunnelsQuery", "RETENTION": "RetentionQuery", "PATHS": "PathsQuery",
    "STICKINESS": "StickinessQuery", "LIFECYCLE": "LifecycleQuery", "SQL": "HogQLQuery",
}  # fmt: skip
ORDERS: Final = frozenset({
    "id", "short_id", "name", "derived_name", "description", "order", "deleted", "favorited", "saved", "created_at",
    "updated_at", "last_modified_at", "last_viewed_at", "created_by", "last_modified_by",
})  # fmt: skip
_ORDER: Final = re.compile(r"(-?)(\w+)")


async def page_of_insights(
    session: AsyncSession, caller: Caller, team: Team, page: PageRequest, clock: Clock
) -> tuple[list[InsightOut], int]:
    """A page of the project's insights without results, and how many there are. Raises ValidationFailed."""
    said = page.said()
    user = caller.user_or_nobody
    viewed = (
        select(InsightView.last_viewed_at)
        .where(InsightView.insight_id == Insight.id, InsightView.user_id == (0 if user is None else user.id))
        .scalar_subquery()
    )
    statement = select(Insight).where(Insight.team_id == team.id, Insight.deleted.is_(False))
    statement = statement.where(*_chosen(team.id, said, 0 if user is None else user.id))
    statement = statement.where(*_dated(said, clock.now().astimezone(ZoneInfo(team.timezone)), viewed))
    rows, count = await rows_of(session, _ordered(statement, said.get("order", ""), viewed), page)
    return await insights_out(session, caller, team, rows), count


async def viewed_last(session: AsyncSession, caller: Caller, team: Team) -> list[InsightOut]:
    """The insights that the caller looked at last, newest first."""
    statement = (
        select(Insight)
        .join(InsightView, InsightView.insight_id == Insight.id)
        .where(Insight.team_id == team.id, Insight.deleted.is_(False), InsightView.user_id == caller.user.id)
        .order_by(InsightView.last_viewed_at.desc(), Insight.id.desc())
        .limit(VIEWED_LAST)
    )
    return await insights_out(session, caller, team, (await session.scalars(statement)).all())


def _chosen(team_id: int, said: dict[str, str], user_id: int) -> list[ColumnElement[bool]]:
    """The conditions that look at the insight itself."""
    where: list[ColumnElement[bool]] = []
    if said.get("short_id"):
        where.append(Insight.short_id == said["short_id"])
    if said.get("saved"):
        is_kept = or_(Insight.saved.is_(True), _on_dashboard())
        where.append(is_kept if said["saved"].lower() in {"true", "1"} else ~is_kept)
    if "user" in said:
        where.append(Insight.created_by_id == user_id)
    if "favorited" in said:
        where.append(Insight.favorited.is_(True))
    if said.get("created_by"):
        where.append(Insight.created_by_id.in_(_numbers(said["created_by"], "created_by")))
    if said.get("insight"):
        where.append(_of_kind(said["insight"].upper()))
    if said.get("search"):
        where.append(_found(team_id, said["search"]))
    if said.get("dashboards"):
        where += [_on_dashboard(each) for each in _numbers(said["dashboards"], "dashboards")]
    if said.get("tags"):
        where.append(has_tag(team_id, SCOPE, Insight.id, _texts(said["tags"])))
    return where


def _dated(said: dict[str, str], now: datetime, viewed: Any) -> list[ColumnElement[bool]]:
    """The conditions that look at moments."""
    where: list[ColumnElement[bool]] = []
    columns: dict[str, Any] = {"": Insight.last_modified_at, "created_": Insight.created_at, "last_viewed_": viewed}
    for name, column in columns.items():
        for edge in ("date_from", "date_to"):
            text = said.get(f"{name}{edge}")
            if not text or text == "all":
                continue
            moment = parse_date(text, now)
            if moment is None:
                raise ValidationFailed(f"Invalid date: {text[:100]}", attr=f"{name}{edge}")
            if edge == "date_to" and len(text) <= len("2026-01-05") and "-" in text[1:]:
                moment = moment.replace(hour=23, minute=59, second=59, microsecond=999999)
            where.append(column >= moment if edge == "date_from" else column <= moment)
    return where


def _on_dashboard(dashboard_id: int | None = None) -> ColumnElement[bool]:
    statement = (
        select(DashboardTile.id)
        .join(Dashboard, Dashboard.id == DashboardTile.dashboard_id)
        .where(DashboardTile.insight_id == Insight.id, DashboardTile.deleted.is_(False), Dashboard.deleted.is_(False))
    )
    return exists(statement if dashboard_id is None else statement.where(Dashboard.id == dashboard_id))


def _of_kind(insight: str) -> ColumnElement[bool]:
    outer = func.coalesce(Insight.query["kind"].as_string(), "")
    inner = func.coalesce(Insight.query[("source", "kind")].as_string(), "")
    if insight == "JSON":
        return outer.in_(["DataTableNode", "DataVisualizationNode", "HogQLQuery"])
    if insight not in KINDS:
        raise ValidationFailed(f'"{insight[:100]}" is not a valid choice.', code="invalid_choice", attr="insight")
    return or_(outer == KINDS[insight], inner == KINDS[insight])


def _found(team_id: int, search: str) -> ColumnElement[bool]:
    if len(search) > SEARCH_LENGTH:
        raise ValidationFailed(f"Search query must be {SEARCH_LENGTH} characters or fewer.", attr="search")
    columns = (Insight.name, Insight.derived_name, Insight.description)
    return or_(*(contains(column, search) for column in columns), has_tag_with(team_id, SCOPE, Insight.id, search))


def _ordered(statement: Select[Insight], said: str, viewed: Any) -> Select[Insight]:
    parsed = _ORDER.fullmatch(said)
    name = parsed[2] if parsed is not None and parsed[2] in ORDERS else ""
    if parsed is None or not name:
        return statement.order_by(Insight.order.asc().nulls_last(), Insight.id.asc())
    columns: Any = {"last_viewed_at": viewed, "created_by": Insight.created_by_id}
    columns["last_modified_by"] = Insight.last_modified_by_id
    column: Any = columns.get(name, getattr(Insight, name, None))
    if parsed[1]:
        return statement.order_by(column.desc().nulls_last(), Insight.id.desc())
    return statement.order_by(column.asc().nulls_first(), Insight.id.asc())


def _numbers(said: str, name: str) -> list[int]:
    try:
        value: int | list[int] = msgspec.json.decode(said, type=int | list[int])
    except msgspec.MsgspecError:
        raise ValidationFailed("A valid integer is required.", attr=name) from None
    numbers = [value] if isinstance(value, int) else value
    return [each for each in numbers if 0 < each <= INTEGER_MAX] or [0]


def _texts(said: str) -> list[str]:
    """A JSON list, or words between commas."""
    try:
        return msgspec.json.decode(said, type=list[str])
    except msgspec.MsgspecError:
        return said.split(",")
