"""The SQL tables of insights, dashboards and their tiles (rest-api §9, §10)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, ForeignKey, Index, Integer, SmallInteger, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from hedgerow.core.resources import NOT_DELETED, Made, SoftlyDeleted
from hedgerow.core.storage.tables import Base, Json, RowId, Timestamp


class Insight(Made, SoftlyDeleted, Base):
    """A question that was saved."""

    __tablename__ = "insights"

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    short_id: Mapped[str] = mapped_column(String(12))
    name: Mapped[str | None] = mapped_column(String(400))
    derived_name: Mapped[str | None] = mapped_column(String(400))
    description: Mapped[str | None] = mapped_column(String(400))
    filters: Mapped[dict[str, Any]] = mapped_column(Json)
    """As an old client wrote them; what is computed is `query`."""
    query: Mapped[dict[str, Any] | None] = mapped_column(Json)
    order: Mapped[int | None] = mapped_column(Integer)
    favorited: Mapped[bool] = mapped_column(Boolean)
    saved: Mapped[bool] = mapped_column(Boolean)
    updated_at: Mapped[datetime] = mapped_column(Timestamp)
    last_modified_at: Mapped[datetime] = mapped_column(Timestamp)
    """Moves with name, description, filters and query only."""
    last_modified_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))

    __table_args__ = (
        Index("insights_one_short_id", "team_id", "short_id", unique=True),
        Index("insights_by_team", "team_id", "id"),
        {"sqlite_autoincrement": True},
    )


class InsightView(Base):
    """When a user looked at an insight last."""

    __tablename__ = "insight_views"

    insight_id: Mapped[int] = mapped_column(ForeignKey("insights.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    last_viewed_at: Mapped[datetime] = mapped_column(Timestamp)

    __table_args__ = (Index("insight_views_by_user", "user_id", "last_viewed_at"),)


class Dashboard(Made, SoftlyDeleted, Base):
    """A page of tiles."""

    __tablename__ = "dashboards"

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    name: Mapped[str | None] = mapped_column(String(400))
    description: Mapped[str] = mapped_column(Text)
    pinned: Mapped[bool] = mapped_column(Boolean)
    creation_mode: Mapped[str] = mapped_column(String(16))
    """default, template, duplicate, unlisted."""
    restriction_level: Mapped[int] = mapped_column(SmallInteger)
    """21 everyone edits, 37 only the author and administrators."""
    filters: Mapped[dict[str, Any]] = mapped_column(Json)
    variables: Mapped[dict[str, Any] | None] = mapped_column(Json)
    breakdown_colors: Mapped[Any] = mapped_column(Json)
    data_color_theme_id: Mapped[int | None] = mapped_column(Integer)
    quick_filter_ids: Mapped[list[str]] = mapped_column(Json)
    last_accessed_at: Mapped[datetime | None] = mapped_column(Timestamp)
    last_refresh: Mapped[datetime | None] = mapped_column(Timestamp)

    __table_args__ = (Index("dashboards_by_team", "team_id", "id"), {"sqlite_autoincrement": True})


class DashboardText(Base):
    """The text of a tile."""

    __tablename__ = "dashboard_texts"

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    team_id: Mapped[int] = mapped_column(RowId)
    body: Mapped[str] = mapped_column(Text)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    last_modified_at: Mapped[datetime] = mapped_column(Timestamp)
    last_modified_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))

    __table_args__ = ({"sqlite_autoincrement": True},)


class DashboardTile(SoftlyDeleted, Base):
    """An insight, a text or a button on a dashboard: exactly one of the three."""

    __tablename__ = "dashboard_tiles"

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    dashboard_id: Mapped[int] = mapped_column(ForeignKey("dashboards.id", ondelete="CASCADE"))
    insight_id: Mapped[int | None] = mapped_column(ForeignKey("insights.id", ondelete="CASCADE"), index=True)
    text_id: Mapped[int | None] = mapped_column(ForeignKey("dashboard_texts.id", ondelete="CASCADE"))
    button: Mapped[dict[str, Any] | None] = mapped_column(Json)
    layouts: Mapped[dict[str, Any]] = mapped_column(Json)
    color: Mapped[str | None] = mapped_column(String(400))
    filters_overrides: Mapped[dict[str, Any]] = mapped_column(Json)
    show_description: Mapped[bool | None] = mapped_column(Boolean)
    transparent_background: Mapped[bool | None] = mapped_column(Boolean)

    __table_args__ = (
        Index(
            "dashboard_tiles_one_insight",
            "dashboard_id",
            "insight_id",
            unique=True,
            sqlite_where=NOT_DELETED,
            postgresql_where=NOT_DELETED,
        ),
        {"sqlite_autoincrement": True},
    )


class DashboardView(Base):
    """When a user looked at a dashboard last."""

    __tablename__ = "dashboard_views"

    dashboard_id: Mapped[int] = mapped_column(ForeignKey("dashboards.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    last_viewed_at: Mapped[datetime] = mapped_column(Timestamp)


class Annotation(Made, SoftlyDeleted, Base):
    """What happened at a moment, to be read beside charts (rest-api §14)."""

    __tablename__ = "annotations"

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    content: Mapped[str | None] = mapped_column(Text)
    date_marker: Mapped[datetime | None] = mapped_column(Timestamp)
    creation_type: Mapped[str] = mapped_column(String(3))
    """USR, GIT."""
    scope: Mapped[str] = mapped_column(String(24))
    """dashboard_item (an insight), dashboard, project, organization, tag."""
    insight_id: Mapped[int | None] = mapped_column(ForeignKey("insights.id", ondelete="CASCADE"))
    dashboard_id: Mapped[int | None] = mapped_column(ForeignKey("dashboards.id", ondelete="CASCADE"))
    emoji: Mapped[str | None] = mapped_column(String(16))
    hidden_in_user_interface: Mapped[bool | None] = mapped_column(Boolean)
    updated_at: Mapped[datetime] = mapped_column(Timestamp)

    __table_args__ = (Index("annotations_by_team", "team_id", "date_marker"), {"sqlite_autoincrement": True})


class SharingConfiguration(Base):
    """That a dashboard, an insight or a recording may be seen by whoever has the token."""

    __tablename__ = "sharing_configurations"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    team_id: Mapped[int] = mapped_column(RowId)
    kind: Mapped[str] = mapped_column(String(16))
    """dashboard, insight, recording, notebook."""
    item_id: Mapped[str] = mapped_column(String(72))
    enabled: Mapped[bool] = mapped_column(Boolean)
    access_token: Mapped[str] = mapped_column(String(64), unique=True)
    former_token: Mapped[str | None] = mapped_column(String(64), index=True)
    """The token before the last refresh; it works until `former_token_until`."""
    former_token_until: Mapped[datetime | None] = mapped_column(Timestamp)
    settings: Mapped[dict[str, Any] | None] = mapped_column(Json)
    password_required: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime] = mapped_column(Timestamp)

    __table_args__ = (Index("sharing_configurations_one_item", "team_id", "kind", "item_id", unique=True),)


class SharePassword(Base):
    """A password of something shared."""

    __tablename__ = "share_passwords"

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    configuration_id: Mapped[UUID] = mapped_column(
        ForeignKey("sharing_configurations.id", ondelete="CASCADE"), index=True
    )
    password_hash: Mapped[str] = mapped_column(String(255))
    note: Mapped[str | None] = mapped_column(String(100))
    created_at: Mapped[datetime] = mapped_column(Timestamp)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    is_active: Mapped[bool] = mapped_column(Boolean)

    __table_args__ = ({"sqlite_autoincrement": True},)
