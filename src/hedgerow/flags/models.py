"""The SQL tables of feature flags and early access features (rest-api §11, §12)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, ForeignKey, Index, Integer, String, Text, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from hedgerow.core.resources import NOT_DELETED, Made, SoftlyDeleted
from hedgerow.core.storage.tables import Base, Json, RowId, Timestamp


class FeatureFlag(Made, SoftlyDeleted, Base):
    """A flag: who gets which value."""

    __tablename__ = "feature_flags"

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    key: Mapped[str] = mapped_column(String(400))
    name: Mapped[str] = mapped_column(Text)
    """Really the description."""
    filters: Mapped[dict[str, Any]] = mapped_column(Json)
    active: Mapped[bool] = mapped_column(Boolean)
    archived: Mapped[bool] = mapped_column(Boolean)
    version: Mapped[int] = mapped_column(Integer)
    """1 when made, one more with every update."""
    updated_at: Mapped[datetime | None] = mapped_column(Timestamp)
    last_modified_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    ensure_experience_continuity: Mapped[bool] = mapped_column(Boolean)
    rollback_conditions: Mapped[list[Any] | None] = mapped_column(Json)
    performed_rollback: Mapped[bool | None] = mapped_column(Boolean)
    evaluation_tags: Mapped[list[str]] = mapped_column(Json)
    usage_dashboard_id: Mapped[int | None] = mapped_column(RowId)
    analytics_dashboards: Mapped[list[int]] = mapped_column(Json)
    has_enriched_analytics: Mapped[bool] = mapped_column(Boolean)
    is_remote_configuration: Mapped[bool | None] = mapped_column(Boolean)
    has_encrypted_payloads: Mapped[bool | None] = mapped_column(Boolean)
    evaluation_runtime: Mapped[str] = mapped_column(String(10))
    """all, client, server."""
    bucketing_identifier: Mapped[str | None] = mapped_column(String(20))
    """distinct_id, device_id."""
    creation_context: Mapped[str | None] = mapped_column(String(40))
    """What it was made for: experiments, surveys …"""
    last_called_at: Mapped[datetime | None] = mapped_column(Timestamp)

    __table_args__ = (
        Index(
            "feature_flags_one_key",
            "team_id",
            "key",
            unique=True,
            sqlite_where=NOT_DELETED,
            postgresql_where=NOT_DELETED,
        ),
        Index("feature_flags_by_team", "team_id", "created_at"),
        {"sqlite_autoincrement": True},
    )


class EarlyAccessFeature(Made, Base):
    """A feature that users may try before it is everybody's."""

    __tablename__ = "early_access_features"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    feature_flag_id: Mapped[int | None] = mapped_column(ForeignKey("feature_flags.id", ondelete="SET NULL"))
    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(Text)
    stage: Mapped[str] = mapped_column(String(40))
    documentation_url: Mapped[str] = mapped_column(String(800))
    payload: Mapped[dict[str, Any]] = mapped_column(Json)

    __table_args__ = (Index("early_access_features_by_team", "team_id"),)
