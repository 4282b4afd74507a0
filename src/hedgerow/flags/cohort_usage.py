"""Which flags a cohort is used in: the room of people asks before it changes one (rest-api §8)."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core.http import Team
from hedgerow.flags.filters import conditions_of
from hedgerow.flags.models import FeatureFlag


async def flags_using(session: AsyncSession, team: Team, cohort_id: int) -> list[str]:
    """Keys of the project's active flags with a condition on the cohort, in order."""
    statement = select(FeatureFlag.key, FeatureFlag.filters).where(
        FeatureFlag.team_id == team.id, FeatureFlag.deleted.is_(False), FeatureFlag.active.is_(True)
    )
    rows = await session.execute(statement.order_by(FeatureFlag.key))
    return [key for key, filters in rows if any(_names(each, cohort_id) for each in conditions_of(filters))]


def _names(condition: object, cohort_id: int) -> bool:
    if not isinstance(condition, dict):
        return False
    return condition.get("type") == "cohort" and str(condition.get("value")) == str(cohort_id)
