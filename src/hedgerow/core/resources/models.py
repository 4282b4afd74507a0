"""The SQL tables that belong to resources of every kind: tags, and who changed what."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from hedgerow.core.storage.tables import Base, Json, Timestamp

TAG_LENGTH = 255


class TaggedItem(Base):
    """That a resource has a tag."""

    __tablename__ = "tagged_items"

    team_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    kind: Mapped[str] = mapped_column(String(40), primary_key=True)
    """What is tagged, by the name that its activity has: `FeatureFlag`, `Dashboard` …"""
    item_id: Mapped[str] = mapped_column(String(72), primary_key=True)
    tag: Mapped[str] = mapped_column(String(TAG_LENGTH), primary_key=True)

    __table_args__ = (Index("tagged_items_by_tag", "team_id", "tag"),)


class ActivityLog(Base):
    """One thing that somebody did to one resource."""

    __tablename__ = "activity_log"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    """Version 7: in the order of time."""
    team_id: Mapped[int] = mapped_column(BigInteger)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    scope: Mapped[str] = mapped_column(String(40))
    item_id: Mapped[str] = mapped_column(String(72))
    activity: Mapped[str] = mapped_column(String(40))
    detail: Mapped[dict[str, Any]] = mapped_column(Json)
    is_system: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime] = mapped_column(Timestamp)

    __table_args__ = (
        Index("activity_log_by_team", "team_id", "id"),
        Index("activity_log_by_item", "team_id", "scope", "item_id", "id"),
    )
