"""What people say about event and property definitions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from hedgerow.core.storage.tables import Json, RowId, Timestamp

revision = "0088"
down_revision = "0087"


def upgrade() -> None:
    """Create the tables."""
    _notes(
        "event",
        sa.Column("post_to_slack", sa.Boolean(), nullable=False),
        sa.Column("default_columns", Json, nullable=False),
        sa.Column("enforcement_mode", sa.String(length=20), nullable=False),
        sa.Column("primary_property", sa.String(length=400), nullable=True),
    )
    _notes("property")


def _notes(of: str, *more: sa.Column[object]) -> None:
    table = f"{of}_definition_notes"
    people = ("owner_id", "verified_by_id", "updated_by_id")
    op.create_table(
        table,
        sa.Column("definition_id", sa.Uuid(), nullable=False),
        *more,
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("owner_id", RowId, nullable=True),
        sa.Column("verified", sa.Boolean(), nullable=False),
        sa.Column("verified_at", Timestamp(), nullable=True),
        sa.Column("verified_by_id", RowId, nullable=True),
        sa.Column("hidden", sa.Boolean(), nullable=True),
        sa.Column("updated_at", Timestamp(), nullable=False),
        sa.Column("updated_by_id", RowId, nullable=True),
        sa.ForeignKeyConstraint(
            ["definition_id"],
            [f"{of}_definitions.id"],
            name=f"{table}_are_of_one",
            ondelete="CASCADE",
        ),
        *(
            sa.ForeignKeyConstraint([column], ["users.id"], name=f"{table}_{column}_is_in_users", ondelete="SET NULL")
            for column in people
        ),
        sa.PrimaryKeyConstraint("definition_id", name=f"{table}_key"),
    )
