"""Insights, dashboards and sharing; feature flags and early access features."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hedgerow.core.storage.tables import Json, RowId, Timestamp

revision = "0080"
down_revision = "0070"
NOT_DELETED = sa.text("deleted = false")


def upgrade() -> None:
    """Create the tables of `insights.models` and `flags.models`."""
    op.create_table(
        "sharing_configurations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("team_id", RowId, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("item_id", sa.String(length=72), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("access_token", sa.String(length=64), nullable=False),
        sa.Column("former_token", sa.String(length=64), nullable=True),
        sa.Column("former_token_until", Timestamp(), nullable=True),
        sa.Column("settings", Json, nullable=True),
        sa.Column("password_required", sa.Boolean(), nullable=False),
        sa.Column("created_at", Timestamp(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="sharing_configurations_key"),
        sa.UniqueConstraint("access_token", name="sharing_configurations_one_access_token"),
    )
    op.create_index("sharing_configurations_by_former_token", "sharing_configurations", ["former_token"])
    op.create_index(
        "sharing_configurations_one_item", "sharing_configurations", ["team_id", "kind", "item_id"], unique=True
    )
    op.create_table(
        "dashboard_texts",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("team_id", RowId, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_by_id", RowId, nullable=True),
        sa.Column("last_modified_at", Timestamp(), nullable=False),
        sa.Column("last_modified_by_id", RowId, nullable=True),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name="dashboard_texts_created_by_id_is_in_users", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["last_modified_by_id"],
            ["users.id"],
            name="dashboard_texts_last_modified_by_id_is_in_users",
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name="dashboard_texts_key"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "dashboards",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=400), nullable=True),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        sa.Column("creation_mode", sa.String(length=16), nullable=False),
        sa.Column("restriction_level", sa.SmallInteger(), nullable=False),
        sa.Column("filters", Json, nullable=False),
        sa.Column("variables", Json, nullable=True),
        sa.Column("breakdown_colors", Json, nullable=False),
        sa.Column("data_color_theme_id", sa.Integer(), nullable=True),
        sa.Column("quick_filter_ids", Json, nullable=False),
        sa.Column("last_accessed_at", Timestamp(), nullable=True),
        sa.Column("last_refresh", Timestamp(), nullable=True),
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", Timestamp(), nullable=False),
        sa.Column("created_by_id", RowId, nullable=True),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name="dashboards_created_by_id_is_in_users", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="dashboards_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("dashboards_by_team", "dashboards", ["team_id", "id"])
    op.create_table(
        "feature_flags",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("key", sa.String(length=400), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("filters", Json, nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("archived", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", Timestamp(), nullable=True),
        sa.Column("last_modified_by_id", RowId, nullable=True),
        sa.Column("ensure_experience_continuity", sa.Boolean(), nullable=False),
        sa.Column("rollback_conditions", Json, nullable=True),
        sa.Column("performed_rollback", sa.Boolean(), nullable=True),
        sa.Column("evaluation_tags", Json, nullable=False),
        sa.Column("usage_dashboard_id", RowId, nullable=True),
        sa.Column("analytics_dashboards", Json, nullable=False),
        sa.Column("has_enriched_analytics", sa.Boolean(), nullable=False),
        sa.Column("is_remote_configuration", sa.Boolean(), nullable=True),
        sa.Column("has_encrypted_payloads", sa.Boolean(), nullable=True),
        sa.Column("evaluation_runtime", sa.String(length=10), nullable=False),
        sa.Column("bucketing_identifier", sa.String(length=20), nullable=True),
        sa.Column("creation_context", sa.String(length=40), nullable=True),
        sa.Column("last_called_at", Timestamp(), nullable=True),
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", Timestamp(), nullable=False),
        sa.Column("created_by_id", RowId, nullable=True),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name="feature_flags_created_by_id_is_in_users", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["last_modified_by_id"],
            ["users.id"],
            name="feature_flags_last_modified_by_id_is_in_users",
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name="feature_flags_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("feature_flags_by_team", "feature_flags", ["team_id", "created_at"])
    op.create_index(
        "feature_flags_one_key",
        "feature_flags",
        ["team_id", "key"],
        unique=True,
        sqlite_where=NOT_DELETED,
        postgresql_where=NOT_DELETED,
    )
    op.create_table(
        "insights",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("short_id", sa.String(length=12), nullable=False),
        sa.Column("name", sa.String(length=400), nullable=True),
        sa.Column("derived_name", sa.String(length=400), nullable=True),
        sa.Column("description", sa.String(length=400), nullable=True),
        sa.Column("filters", Json, nullable=False),
        sa.Column("query", Json, nullable=True),
        sa.Column("order", sa.Integer(), nullable=True),
        sa.Column("favorited", sa.Boolean(), nullable=False),
        sa.Column("saved", sa.Boolean(), nullable=False),
        sa.Column("updated_at", Timestamp(), nullable=False),
        sa.Column("last_modified_at", Timestamp(), nullable=False),
        sa.Column("last_modified_by_id", RowId, nullable=True),
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", Timestamp(), nullable=False),
        sa.Column("created_by_id", RowId, nullable=True),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name="insights_created_by_id_is_in_users", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["last_modified_by_id"], ["users.id"], name="insights_last_modified_by_id_is_in_users", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="insights_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("insights_by_team", "insights", ["team_id", "id"])
    op.create_index("insights_one_short_id", "insights", ["team_id", "short_id"], unique=True)
    op.create_table(
        "share_passwords",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("configuration_id", sa.Uuid(), nullable=False),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.Column("note", sa.String(length=100), nullable=True),
        sa.Column("created_at", Timestamp(), nullable=False),
        sa.Column("created_by_id", RowId, nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["configuration_id"],
            ["sharing_configurations.id"],
            name="share_passwords_configuration_id_is_in_sharing_configurations",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name="share_passwords_created_by_id_is_in_users", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="share_passwords_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("share_passwords_by_configuration_id", "share_passwords", ["configuration_id"])
    op.create_table(
        "dashboard_tiles",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("dashboard_id", RowId, nullable=False),
        sa.Column("insight_id", RowId, nullable=True),
        sa.Column("text_id", RowId, nullable=True),
        sa.Column("button", Json, nullable=True),
        sa.Column("layouts", Json, nullable=False),
        sa.Column("color", sa.String(length=400), nullable=True),
        sa.Column("filters_overrides", Json, nullable=False),
        sa.Column("show_description", sa.Boolean(), nullable=True),
        sa.Column("transparent_background", sa.Boolean(), nullable=True),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dashboard_id"],
            ["dashboards.id"],
            name="dashboard_tiles_dashboard_id_is_in_dashboards",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["insight_id"], ["insights.id"], name="dashboard_tiles_insight_id_is_in_insights", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["text_id"],
            ["dashboard_texts.id"],
            name="dashboard_tiles_text_id_is_in_dashboard_texts",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="dashboard_tiles_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("dashboard_tiles_by_insight_id", "dashboard_tiles", ["insight_id"])
    op.create_index(
        "dashboard_tiles_one_insight",
        "dashboard_tiles",
        ["dashboard_id", "insight_id"],
        unique=True,
        sqlite_where=NOT_DELETED,
        postgresql_where=NOT_DELETED,
    )
    op.create_table(
        "dashboard_views",
        sa.Column("dashboard_id", RowId, nullable=False),
        sa.Column("user_id", RowId, nullable=False),
        sa.Column("last_viewed_at", Timestamp(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dashboard_id"],
            ["dashboards.id"],
            name="dashboard_views_dashboard_id_is_in_dashboards",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="dashboard_views_user_id_is_in_users", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("dashboard_id", "user_id", name="dashboard_views_key"),
    )
    op.create_table(
        "early_access_features",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("feature_flag_id", RowId, nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("stage", sa.String(length=40), nullable=False),
        sa.Column("documentation_url", sa.String(length=800), nullable=False),
        sa.Column("payload", Json, nullable=False),
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", Timestamp(), nullable=False),
        sa.Column("created_by_id", RowId, nullable=True),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name="early_access_features_created_by_id_is_in_users", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["feature_flag_id"],
            ["feature_flags.id"],
            name="early_access_features_feature_flag_id_is_in_feature_flags",
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name="early_access_features_key"),
    )
    op.create_index("early_access_features_by_team", "early_access_features", ["team_id"])
    op.create_table(
        "insight_views",
        sa.Column("insight_id", RowId, nullable=False),
        sa.Column("user_id", RowId, nullable=False),
        sa.Column("last_viewed_at", Timestamp(), nullable=False),
        sa.ForeignKeyConstraint(
            ["insight_id"], ["insights.id"], name="insight_views_insight_id_is_in_insights", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="insight_views_user_id_is_in_users", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("insight_id", "user_id", name="insight_views_key"),
    )
    op.create_index("insight_views_by_user", "insight_views", ["user_id", "last_viewed_at"])
