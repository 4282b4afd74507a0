"""Cohorts, and how their calculations ended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hedgerow.core.storage.tables import Json, RowId, Timestamp

revision = "0086"
down_revision = "0080"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "cohorts",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=400), nullable=True),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("groups", Json, nullable=False),
        sa.Column("filters", Json, nullable=False),
        sa.Column("query", Json, nullable=True),
        sa.Column("is_static", sa.Boolean(), nullable=False),
        sa.Column("is_behavioral", sa.Boolean(), nullable=False),
        sa.Column("cohort_type", sa.String(length=20), nullable=True),
        sa.Column("is_calculating", sa.Boolean(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=True),
        sa.Column("pending_version", sa.BigInteger(), nullable=True),
        sa.Column("count", sa.BigInteger(), nullable=True),
        sa.Column("last_calculation", Timestamp(), nullable=True),
        sa.Column("errors_calculating", sa.Integer(), nullable=False),
        sa.Column("last_error_message", sa.Text(), nullable=True),
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", Timestamp(), nullable=False),
        sa.Column("created_by_id", RowId, nullable=True),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name="cohorts_created_by_id_is_in_users", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="cohorts_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("cohorts_by_team", "cohorts", ["team_id", "created_at"])
    op.create_table(
        "cohort_calculations",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("cohort_id", RowId, nullable=False),
        sa.Column("filters", Json, nullable=False),
        sa.Column("started_at", Timestamp(), nullable=False),
        sa.Column("finished_at", Timestamp(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["cohort_id"], ["cohorts.id"], name="cohort_calculations_cohort_id_is_in_cohorts", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="cohort_calculations_key"),
    )
    op.create_index("cohort_calculations_by_cohort", "cohort_calculations", ["cohort_id", "id"])
