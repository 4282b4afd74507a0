"""Annotations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hedgerow.core.storage.tables import RowId, Timestamp

revision = "0084"
down_revision = "0088"


def upgrade() -> None:
    """Create the table of `insights.models.Annotation`."""
    op.create_table(
        "annotations",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("content", sa.Text(), nullable=True),
        sa.Column("date_marker", Timestamp(), nullable=True),
        sa.Column("creation_type", sa.String(length=3), nullable=False),
        sa.Column("scope", sa.String(length=24), nullable=False),
        sa.Column("insight_id", RowId, nullable=True),
        sa.Column("dashboard_id", RowId, nullable=True),
        sa.Column("emoji", sa.String(length=16), nullable=True),
        sa.Column("hidden_in_user_interface", sa.Boolean(), nullable=True),
        sa.Column("updated_at", Timestamp(), nullable=False),
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", Timestamp(), nullable=False),
        sa.Column("created_by_id", RowId, nullable=True),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name="annotations_created_by_id_is_in_users", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["dashboard_id"], ["dashboards.id"], name="annotations_dashboard_id_is_in_dashboards", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["insight_id"], ["insights.id"], name="annotations_insight_id_is_in_insights", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="annotations_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("annotations_by_team", "annotations", ["team_id", "date_marker"])
