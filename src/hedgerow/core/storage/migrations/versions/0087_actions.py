"""Actions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hedgerow.core.storage.tables import Json, RowId, Timestamp

revision = "0087"
down_revision = "0086"
NOT_DELETED = sa.text("deleted = false")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "actions",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=400), nullable=True),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("post_to_slack", sa.Boolean(), nullable=False),
        sa.Column("slack_message_format", sa.String(length=1200), nullable=False),
        sa.Column("steps", Json, nullable=False),
        sa.Column("last_calculated_at", Timestamp(), nullable=False),
        sa.Column("pinned_at", Timestamp(), nullable=True),
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", Timestamp(), nullable=False),
        sa.Column("created_by_id", RowId, nullable=True),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name="actions_created_by_id_is_in_users", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="actions_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("actions_by_team", "actions", ["team_id", "last_calculated_at"])
    op.create_index(
        "actions_one_name",
        "actions",
        ["team_id", "name"],
        unique=True,
        sqlite_where=NOT_DELETED,
        postgresql_where=NOT_DELETED,
    )
