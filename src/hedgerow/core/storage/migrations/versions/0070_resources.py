"""Tags and activity of every resource; saved queries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hedgerow.core.storage.tables import Json, RowId, Timestamp

revision = "0070"
down_revision = "0040"
NOT_DELETED = sa.text("deleted = false")


def upgrade() -> None:
    """Create the tables of `core.resources.models`, and `SavedQuery` of `taxonomy.models`."""
    op.create_table(
        "tagged_items",
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("item_id", sa.String(length=72), nullable=False),
        sa.Column("tag", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("team_id", "kind", "item_id", "tag", name="tagged_items_key"),
    )
    op.create_index("tagged_items_by_tag", "tagged_items", ["team_id", "tag"])
    op.create_table(
        "activity_log",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", RowId, nullable=True),
        sa.Column("scope", sa.String(length=40), nullable=False),
        sa.Column("item_id", sa.String(length=72), nullable=False),
        sa.Column("activity", sa.String(length=40), nullable=False),
        sa.Column("detail", Json, nullable=False),
        sa.Column("is_system", sa.Boolean(), nullable=False),
        sa.Column("created_at", Timestamp(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="activity_log_user_id_is_in_users", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="activity_log_key"),
    )
    op.create_index("activity_log_by_item", "activity_log", ["team_id", "scope", "item_id", "id"])
    op.create_index("activity_log_by_team", "activity_log", ["team_id", "id"])
    op.create_table(
        "saved_queries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", Timestamp(), nullable=False),
        sa.Column("created_by_id", RowId, nullable=True),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("columns", Json, nullable=False),
        sa.Column("sync_frequency", sa.String(length=10), nullable=True),
        sa.Column("history_id", sa.Uuid(), nullable=False),
        sa.Column("updated_at", Timestamp(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["users.id"], name="saved_queries_created_by_id_is_in_users", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="saved_queries_key"),
    )
    op.create_index(
        "saved_queries_one_name",
        "saved_queries",
        ["team_id", "name"],
        unique=True,
        sqlite_where=NOT_DELETED,
        postgresql_where=NOT_DELETED,
    )
