"""Which insights and cohorts are made of actions (rest-api §13, `references/`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core.http import row_number
from hedgerow.core.resources import authors
from hedgerow.insights.models import Insight
from hedgerow.people.models import Cohort
from hedgerow.taxonomy.action_view import Reference


async def action_references(session: AsyncSession, team_id: int) -> dict[int, list[Reference]]:
    """Action id → what is made of it, insights first, each by age. Three statements."""
    insights = (
        await session.scalars(
            select(Insight).where(Insight.team_id == team_id, Insight.deleted.is_(False)).order_by(Insight.id)
        )
    ).all()
    cohorts = (
        await session.scalars(
            select(Cohort).where(Cohort.team_id == team_id, Cohort.deleted.is_(False)).order_by(Cohort.id)
        )
    ).all()
    by = await authors(session, [row.created_by_id for row in [*insights, *cohorts]])
    found: dict[int, list[Reference]] = {}
    for row in insights:
        name = row.name or row.derived_name or "Untitled"
        made = Reference(
            "insight", str(row.id), name, f"/insights/{row.short_id}", row.created_at, by.get(row.created_by_id)
        )
        for action_id in set(named_actions([row.query, row.filters])):
            found.setdefault(action_id, []).append(made)
    for row in cohorts:
        name = row.name or "Untitled"
        made = Reference("cohort", str(row.id), name, f"/cohorts/{row.id}", row.created_at, by.get(row.created_by_id))
        for action_id in set(named_actions([row.filters, row.groups])):
            found.setdefault(action_id, []).append(made)
    return found


def named_actions(value: Any) -> Iterator[int]:
    """The ids of actions anywhere in a query, in an old client's filters, or in a cohort."""
    if isinstance(value, list):
        for each in cast("list[Any]", value):
            yield from named_actions(each)
    elif isinstance(value, dict):
        node = cast("dict[str, Any]", value)
        if node.get("kind") == "ActionsNode":
            yield from _number(node.get("id"))
        if node.get("event_type") == "actions":
            yield from _number(node.get("key"))
        if node.get("seq_event_type") == "actions":
            yield from _number(node.get("seq_event"))
        yield from _number(node.get("action_id"))
        listed = node.get("actions")
        for each in cast("list[Any]", listed) if isinstance(listed, list) else ():
            yield from _number(cast("dict[str, Any]", each).get("id") if isinstance(each, dict) else each)
        for each in node.values():
            yield from named_actions(each)


def _number(value: Any) -> Iterator[int]:
    if (number := row_number(value)) is not None:
        yield number
