"""Jobs; what the squash of overrides must know of distinct ids and of other workers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0050"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
UNFINISHED = "state IN ('waiting', 'running')"


def upgrade() -> None:
    """Create the table of `core.jobs.models`; add columns of `people.models`."""
    op.create_table(
        "jobs",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=100), nullable=False),
        sa.Column("team_id", sa.BigInteger(), nullable=True),
        sa.Column("key", sa.String(length=200), nullable=True),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("progress", sa.Float(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at_us", sa.BigInteger(), nullable=False),
        sa.Column("claim", sa.String(length=36), nullable=True),
        sa.Column("lease_until_us", sa.BigInteger(), nullable=True),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.Column("updated_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="jobs_key"),
    )
    op.create_index("jobs_by_state", "jobs", ["state", "due_at_us"])
    op.create_index("jobs_by_project", "jobs", ["team_id", "created_at_us"])
    op.create_index(
        "jobs_one_unfinished_key",
        "jobs",
        ["kind", "key"],
        unique=True,
        sqlite_where=sa.text(UNFINISHED),
        postgresql_where=sa.text(UNFINISHED),
    )
    op.add_column(
        "personless_distinct_ids", sa.Column("is_scattered", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    for name in ("asked_version", "settled_version"):
        op.add_column("writer_leases", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
