"""Rows of resources: what each has, how one is found, listed and changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET
from sqlalchemy import BigInteger, Boolean, ColumnElement, ForeignKey, Select, func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, Mapped, mapped_column

from hedgerow.core.http import ApiError, NotFound, PageRequest, Team
from hedgerow.core.storage.tables import Timestamp

Row = TypeVar("Row")
NOT_DELETED: Final = text("deleted = false")
"""The condition of unique indexes of what is `SoftlyDeleted`: a deletion frees the name."""


class Made:
    """Columns of every resource of a project. The room adds `id` and an index that begins with `team_id`."""

    team_id: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(Timestamp)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))


class SoftlyDeleted:
    """The column of resources that a deletion only hides."""

    deleted: Mapped[bool] = mapped_column(Boolean, default=False)


def sent(body: msgspec.Struct) -> dict[str, Any]:
    """The fields that a body has: what was not sent is not in it."""
    return {name: value for name in body.__struct_fields__ if (value := getattr(body, name)) is not UNSET}


async def find(
    session: AsyncSession, table: type[Row], team: Team, row_id: int | UUID, *where: Any, to_change: bool = False
) -> Row:
    """The row of the project with that id. `to_change` keeps it from other writers until the transaction ends.

    Raises `NotFound` where there is none, where it is another project's, or where a condition of `where` does not hold.
    """
    columns: Any = table
    statement = select(table).where(columns.id == row_id, columns.team_id == team.id, *where)
    row = await session.scalar(statement.with_for_update() if to_change else statement)
    if row is None:
        raise NotFound
    return row


async def flush_or(session: AsyncSession, refusal: ApiError) -> None:
    """Write what was changed so far. Raises `refusal` where a unique index says that somebody was first."""
    try:
        await session.flush()
    except IntegrityError:
        raise refusal from None


async def rows_of(session: AsyncSession, statement: Select[Row], page: PageRequest) -> tuple[Sequence[Row], int]:
    """The rows of a page, in the statement's order, and how many there are in all: two statements."""
    count = await session.scalar(select(func.count()).select_from(statement.order_by(None).subquery()))
    rows = await session.scalars(statement.limit(page.limit).offset(page.offset))
    return rows.all(), count or 0


def contains(column: InstrumentedAttribute[Any], part: str) -> ColumnElement[bool]:
    """Whether a text holds another, in any letter case, `%` and `_` being letters like others."""
    return func.lower(column).contains(part.lower(), autoescape=True)
