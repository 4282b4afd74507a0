"""Warnings about events; salts and visits of cookieless mode."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0010"


def upgrade() -> None:
    """Create the tables of `capture.models`."""
    op.create_table(
        "ingestion_warnings",
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.String(length=100), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("hour_us", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("last_seen_us", sa.BigInteger(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("team_id", "type", "subject", "hour_us", name="ingestion_warnings_key"),
    )
    op.create_index("ingestion_warnings_by_time", "ingestion_warnings", ["team_id", "last_seen_us"])
    op.create_table(
        "cookieless_salts",
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", name="cookieless_salts_key"),
    )
    op.create_index("cookieless_salts_by_expires_us", "cookieless_salts", ["expires_us"])
    op.create_table(
        "cookieless_visits",
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(length=16), nullable=False),
        sa.Column("identifies", sa.Text(), nullable=False),
        sa.Column("session_id", sa.String(length=36), nullable=False),
        sa.Column("last_seen_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("team_id", "hash", name="cookieless_visits_key"),
    )
    op.create_index("cookieless_visits_by_expires_us", "cookieless_visits", ["expires_us"])
