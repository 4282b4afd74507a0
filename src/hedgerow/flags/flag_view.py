"""Feature flags as they go over the wire, found and listed (rest-api §11)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core.http import Page, PageRequest, Team, integer_id, row_number
from hedgerow.core.identity.people import UserBasic
from hedgerow.core.resources import access_level, authors, find, rows_of, tags_of
from hedgerow.flags.flag_context import FlagContext
from hedgerow.flags.flag_list import ordered, selected
from hedgerow.flags.flag_status import State, status_of
from hedgerow.flags.flags import SCOPE
from hedgerow.flags.models import EarlyAccessFeature, FeatureFlag


class FeatureOfFlag(msgspec.Struct, frozen=True, rename="camel"):
    """An early access feature that a flag opens."""

    id: UUID
    name: str
    description: str
    stage: str
    documentation_url: str
    payload: dict[str, Any]
    flag_key: str


class FlagOut(msgspec.Struct, frozen=True):
    """A flag, in lists and alone."""

    id: int
    name: str
    key: str
    filters: dict[str, Any]
    deleted: bool
    active: bool
    archived: bool
    created_by: UserBasic | None
    last_modified_by: UserBasic | None
    created_at: datetime
    updated_at: datetime | None
    version: int
    ensure_experience_continuity: bool
    tags: list[str]
    evaluation_runtime: str
    evaluation_tags: list[str]
    evaluation_contexts: list[str]
    bucketing_identifier: str | None
    rollback_conditions: list[Any] | None
    performed_rollback: bool | None
    usage_dashboard: int | None
    analytics_dashboards: list[int]
    has_enriched_analytics: bool
    is_remote_configuration: bool | None
    has_encrypted_payloads: bool | None
    last_called_at: datetime | None
    is_simple_flag: bool
    rollout_percentage: float | None
    status: State
    features: list[FeatureOfFlag]
    user_access_level: str | None
    experiment_set: list[int] = []
    experiment_set_metadata: list[dict[str, Any]] = []
    surveys: list[dict[str, Any]] = []
    is_used_in_replay_settings: bool = False
    can_edit: bool = True


async def page_of_flags(session: AsyncSession, context: FlagContext, page: PageRequest) -> Page[FlagOut]:
    """The flags that the parameters ask for (`flag_list`)."""
    said = page.said()
    statement = await selected(session, context.team, said, context.clock.now())
    rows, count = await rows_of(session, ordered(statement, said), page)
    return page.page(await _out(session, context, rows), count)


async def flag_out(session: AsyncSession, context: FlagContext, row: FeatureFlag) -> FlagOut:
    """One flag."""
    return (await _out(session, context, [row]))[0]


async def found_flag(session: AsyncSession, team: Team, said: str) -> FeatureFlag:
    """The flag of an id in a path, deleted or not. Raises NotFound."""
    return await find(session, FeatureFlag, team, integer_id(said))


async def found_by_id_or_key(session: AsyncSession, team: Team, said: str) -> FeatureFlag | None:
    """The flag that is not deleted of a key, else of an id."""
    mine = select(FeatureFlag).where(FeatureFlag.team_id == team.id, FeatureFlag.deleted.is_(False))
    found = await session.scalar(mine.where(FeatureFlag.key == said))
    if found is None and (number := row_number(said)) is not None:
        found = await session.scalar(mine.where(FeatureFlag.id == number))
    return found


async def flag_id_of(session: AsyncSession, team: Team, said: str) -> int:
    """The id of a flag, if there is one. Raises NotFound."""
    return (await found_flag(session, team, said)).id


async def _out(session: AsyncSession, context: FlagContext, rows: Sequence[FeatureFlag]) -> list[FlagOut]:
    by = await authors(session, [user for row in rows for user in (row.created_by_id, row.last_modified_by_id)])
    tags = await tags_of(session, context.team.id, SCOPE, (row.id for row in rows))
    features = await _features(session, rows)
    now = context.clock.now()
    return [
        FlagOut(
            id=row.id,
            name=row.name,
            key=row.key,
            filters=context.shown_filters(row.filters),
            deleted=row.deleted,
            active=row.active,
            archived=row.archived,
            created_by=by.get(row.created_by_id),
            last_modified_by=by.get(row.last_modified_by_id),
            created_at=row.created_at,
            updated_at=row.updated_at,
            version=row.version,
            ensure_experience_continuity=row.ensure_experience_continuity,
            tags=tags.get(str(row.id), []),
            evaluation_runtime=row.evaluation_runtime,
            evaluation_tags=row.evaluation_tags,
            evaluation_contexts=row.evaluation_tags,
            bucketing_identifier=row.bucketing_identifier,
            rollback_conditions=row.rollback_conditions,
            performed_rollback=row.performed_rollback,
            usage_dashboard=row.usage_dashboard_id,
            analytics_dashboards=row.analytics_dashboards,
            has_enriched_analytics=row.has_enriched_analytics,
            is_remote_configuration=row.is_remote_configuration,
            has_encrypted_payloads=row.has_encrypted_payloads,
            last_called_at=row.last_called_at,
            is_simple_flag=is_simple(row.filters),
            rollout_percentage=rollout(row.filters),
            status=status_of(row, now).state,
            features=features.get(row.id, []),
            user_access_level=access_level(context.caller, context.team, row.created_by_id),
        )
        for row in rows
    ]


async def _features(session: AsyncSession, rows: Sequence[FeatureFlag]) -> dict[int, list[FeatureOfFlag]]:
    """Flag id → its early access features: one statement."""
    keys = {row.id: row.key for row in rows}
    statement = select(EarlyAccessFeature).where(EarlyAccessFeature.feature_flag_id.in_(keys))
    found: dict[int, list[FeatureOfFlag]] = {}
    for each in await session.scalars(statement.order_by(EarlyAccessFeature.created_at, EarlyAccessFeature.id)):
        if each.feature_flag_id is not None:
            found.setdefault(each.feature_flag_id, []).append(
                FeatureOfFlag(
                    id=each.id,
                    name=each.name,
                    description=each.description,
                    stage=each.stage,
                    documentation_url=each.documentation_url,
                    payload=each.payload,
                    flag_key=keys[each.feature_flag_id],
                )
            )
    return found


def is_simple(filters: dict[str, Any]) -> bool:
    """One group of people without conditions or variants: what old clients call simple."""
    groups = filters.get("groups") or []
    variants = (filters.get("multivariate") or {}).get("variants")
    return (
        len(groups) == 1
        and not groups[0].get("properties")
        and not variants
        and filters.get("aggregation_group_type_index") is None
    )


def rollout(filters: dict[str, Any]) -> float | None:
    """The percentage of a simple flag; None for others, and where none is said."""
    return filters["groups"][0].get("rollout_percentage") if is_simple(filters) else None
