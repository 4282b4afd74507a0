"""Which events and properties a project has seen."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0020"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables of `taxonomy`."""
    op.create_table(
        "event_definitions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=400), nullable=False),
        sa.Column("created_at", MOMENT, nullable=True),
        sa.Column("last_seen_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="event_definitions_key"),
    )
    op.create_index("event_definitions_one_name", "event_definitions", ["team_id", "name"], unique=True)
    op.create_table(
        "property_definitions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.SmallInteger(), nullable=False),
        sa.Column("group_type_index", sa.SmallInteger(), nullable=False),
        sa.Column("name", sa.String(length=400), nullable=False),
        sa.Column("property_type", sa.String(length=16), nullable=True),
        sa.Column("is_numerical", sa.Boolean(), nullable=False),
        sa.Column("first_seen_at", MOMENT, nullable=False),
        sa.Column("last_seen_at", MOMENT, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="property_definitions_key"),
    )
    op.create_index(
        "property_definitions_one_name",
        "property_definitions",
        ["team_id", "owner", "group_type_index", "name"],
        unique=True,
    )
    op.create_index("property_definitions_by_change", "property_definitions", ["team_id", "changed_at"], unique=False)
    op.create_table(
        "event_properties",
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.String(length=400), nullable=False),
        sa.Column("property", sa.String(length=400), nullable=False),
        sa.PrimaryKeyConstraint("team_id", "event", "property", name="event_properties_key"),
    )
