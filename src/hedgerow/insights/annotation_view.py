"""Annotations as they go over the wire, found and listed (rest-api §14)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, Select, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core.http import NotFound, Page, PageRequest, Team, ValidationFailed, integer_id
from hedgerow.core.identity.models import Project
from hedgerow.core.identity.people import UserBasic
from hedgerow.core.resources import authors, contains, rows_of, tags_of
from hedgerow.insights.annotations import INSIGHT, SCOPE
from hedgerow.insights.models import Annotation, Dashboard, Insight

SCOPES: Final = frozenset({INSIGHT, "dashboard", "project", "organization", "tag", "recording"})
WRONG_DATE: Final = "Invalid date range: {} must be a valid ISO 8601 date"
WRONG_ORDER: Final = "Invalid date range: date_from must be before date_to"
TRUE: Final = frozenset({"true", "1"})


class AnnotationOut(msgspec.Struct, frozen=True):
    """An annotation, in lists and alone."""

    id: int
    content: str | None
    date_marker: datetime | None
    creation_type: str
    dashboard_item: int | None
    dashboard_id: int | None
    dashboard_name: str | None
    insight_short_id: str | None
    insight_name: str | None
    insight_derived_name: str | None
    created_by: UserBasic | None
    created_at: datetime
    updated_at: datetime
    deleted: bool
    scope: str
    emoji: str | None
    hidden_in_user_interface: bool | None
    tags: list[str]


async def page_of_annotations(session: AsyncSession, team: Team, page: PageRequest) -> Page[AnnotationOut]:
    """The project's annotations, and those of its organization; latest moment first. Raises ValidationFailed."""
    said = page.said()
    statement = _visible(team).where(*_chosen(said))
    order = (Annotation.date_marker.desc().nulls_last(), Annotation.id.desc())
    rows, count = await rows_of(session, statement.order_by(*order), page)
    return page.page(await annotations_out(session, team, rows), count)


async def found_annotation(session: AsyncSession, team: Team, said: str) -> Annotation:
    """The annotation of a path. Raises NotFound for one that is hidden too."""
    row = await session.scalar(_visible(team).where(Annotation.id == integer_id(said)))
    if row is None:
        raise NotFound
    return row


async def annotation_id_of(session: AsyncSession, team: Team, said: str) -> int:
    """The number of an annotation, if there is one. Raises NotFound."""
    return (await found_annotation(session, team, said)).id


async def annotations_out(session: AsyncSession, team: Team, rows: Sequence[Annotation]) -> list[AnnotationOut]:
    """The annotations, in four statements however many they are."""
    by = await authors(session, (row.created_by_id for row in rows))
    tags = await tags_of(session, team.id, SCOPE, (row.id for row in rows))
    wanted = {row.insight_id for row in rows if row.insight_id is not None}
    insights = {each.id: each for each in await session.scalars(select(Insight).where(Insight.id.in_(wanted)))}
    wanted = {row.dashboard_id for row in rows if row.dashboard_id is not None}
    dashboards = {each.id: each for each in await session.scalars(select(Dashboard).where(Dashboard.id.in_(wanted)))}
    found: list[AnnotationOut] = []
    for row in rows:
        insight = None if row.insight_id is None else insights.get(row.insight_id)
        dashboard = None if row.dashboard_id is None else dashboards.get(row.dashboard_id)
        found.append(
            AnnotationOut(
                id=row.id,
                content=row.content,
                date_marker=row.date_marker,
                creation_type=row.creation_type,
                dashboard_item=row.insight_id,
                dashboard_id=row.dashboard_id,
                dashboard_name=None if dashboard is None else dashboard.name,
                insight_short_id=None if insight is None else insight.short_id,
                insight_name=None if insight is None else insight.name,
                insight_derived_name=None if insight is None else insight.derived_name,
                created_by=by.get(row.created_by_id),
                created_at=row.created_at,
                updated_at=row.updated_at,
                deleted=row.deleted,
                scope=row.scope,
                emoji=row.emoji,
                hidden_in_user_interface=row.hidden_in_user_interface,
                tags=tags.get(str(row.id), []),
            )
        )
    return found


def _visible(team: Team) -> Select[Annotation]:
    """Not hidden, nor of something that is; those of sibling projects only if they concern the organization."""
    siblings = select(Project.id).where(Project.organization_id == team.organization_id, Project.deleted_at.is_(None))
    of_organization = (Annotation.scope == "organization") & Annotation.team_id.in_(siblings)
    no_insight = exists(select(Insight.id).where(Insight.id == Annotation.insight_id, Insight.deleted.is_(True)))
    no_dashboard = exists(
        select(Dashboard.id).where(Dashboard.id == Annotation.dashboard_id, Dashboard.deleted.is_(True))
    )
    return select(Annotation).where(
        or_(Annotation.team_id == team.id, of_organization),
        Annotation.deleted.is_(False),
        ~((Annotation.scope == INSIGHT) & no_insight),
        ~((Annotation.scope == "dashboard") & no_dashboard),
    )


def _chosen(said: dict[str, str]) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if said.get("search"):
        where.append(contains(Annotation.content, said["search"]))
    if said.get("scope"):
        scope = INSIGHT if said["scope"] == "insight" else said["scope"]
        if scope not in SCOPES:
            raise ValidationFailed(f"Invalid scope: {said['scope'][:100]}")
        where.append(Annotation.scope == scope)
    first, last = _moment(said, "date_from"), _moment(said, "date_to")
    if first is not None and last is not None and first > last:
        raise ValidationFailed(WRONG_ORDER)
    if first is not None:
        where.append(Annotation.date_marker >= first)
    if last is not None:
        where.append(Annotation.date_marker <= last)
    if said.get("is_emoji", "").lower() in TRUE:
        where.append(Annotation.emoji.is_not(None))
    if said.get("hidden_in_user_interface"):
        is_hidden = Annotation.hidden_in_user_interface.is_(True)
        shown = or_(Annotation.hidden_in_user_interface.is_(None), Annotation.hidden_in_user_interface.is_(False))
        where.append(is_hidden if said["hidden_in_user_interface"].lower() in TRUE else shown)
    return where


def _moment(said: dict[str, str], name: str) -> datetime | None:
    if not said.get(name):
        return None
    try:
        moment = datetime.fromisoformat(said[name])
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValidationFailed(WRONG_DATE.format(name)) from None
