"""Users as other objects embed them (rest-api §1.8)."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core.identity.models import User
from hedgerow.core.identity.people import UserBasic, user_basic


async def authors(session: AsyncSession, ids: Iterable[int | None]) -> dict[int | None, UserBasic]:
    """User id → the user, in one statement. Who is gone, and null, is not in it: ask by `get`."""
    wanted = {user_id for user_id in ids if user_id is not None}
    if not wanted:
        return {}
    users = await session.scalars(select(User).where(User.id.in_(wanted)))
    return {user.id: user_basic(user) for user in users}
