"""Persons, groups, the writer's outbox and reservations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0001"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables of `people.models`."""
    op.create_table(
        "persons",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.Column("properties", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("is_identified", sa.Boolean(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="persons_key"),
    )
    op.create_index("persons_by_uuid", "persons", ["team_id", "uuid"], unique=True)
    op.create_index("persons_by_age", "persons", ["team_id", "created_at_us", "uuid"])
    op.create_index("persons_by_email", "persons", ["team_id", "email"])
    op.create_table(
        "person_distinct_ids",
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("distinct_id", sa.String(length=400), nullable=False),
        sa.Column("person_uuid", sa.String(length=36), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("team_id", "distinct_id", name="person_distinct_ids_key"),
    )
    op.create_index("person_distinct_ids_by_person", "person_distinct_ids", ["team_id", "person_uuid"])
    op.create_table(
        "personless_distinct_ids",
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("distinct_id", sa.String(length=400), nullable=False),
        sa.PrimaryKeyConstraint("team_id", "distinct_id", name="personless_distinct_ids_key"),
    )
    op.create_table(
        "person_overrides",
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("distinct_id", sa.String(length=400), nullable=False),
        sa.Column("person_uuid", sa.String(length=36), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("team_id", "distinct_id", name="person_overrides_key"),
    )
    op.create_table(
        "group_type_mappings",
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("group_type_index", sa.Integer(), nullable=False),
        sa.Column("group_type", sa.String(length=400), nullable=False),
        sa.Column("name_singular", sa.String(length=400), nullable=True),
        sa.Column("name_plural", sa.String(length=400), nullable=True),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("team_id", "group_type_index", name="group_type_mappings_key"),
    )
    op.create_index("group_type_mappings_by_type", "group_type_mappings", ["team_id", "group_type"], unique=True)
    op.create_table(
        "groups",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("group_type_index", sa.Integer(), nullable=False),
        sa.Column("group_key", sa.String(length=400), nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.Column("updated_at_us", sa.BigInteger(), nullable=False),
        sa.Column("properties", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="groups_key"),
    )
    op.create_index("groups_by_key", "groups", ["team_id", "group_type_index", "group_key"], unique=True)
    op.create_index("groups_by_age", "groups", ["team_id", "group_type_index", "created_at_us"])
    op.create_table(
        "outbox",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("table_name", sa.String(length=64), nullable=False),
        sa.Column("token", sa.String(length=128), nullable=False),
        sa.Column("lines", sa.LargeBinary(), nullable=False),
        sa.Column("refusal", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="outbox_key"),
    )
    op.create_index("outbox_by_version", "outbox", ["version"])
    op.create_table(
        "write_counter",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="write_counter_key"),
    )
    op.execute("INSERT INTO write_counter (id, value) VALUES (1, 0)")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE SEQUENCE write_sequence")
    op.create_table(
        "writer_leases",
        sa.Column("worker", sa.String(length=36), nullable=False),
        sa.Column("expires_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("worker", name="writer_leases_key"),
    )
    op.create_table(
        "event_reservations",
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("uuid", sa.String(length=32), nullable=False),
        sa.Column("worker", sa.String(length=36), nullable=False),
        sa.Column("reserved_at_us", sa.BigInteger(), nullable=False),
        sa.Column("token", sa.String(length=36), nullable=False),
        sa.Column("is_stored", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("team_id", "uuid", name="event_reservations_key"),
    )
    op.create_index("event_reservations_by_token", "event_reservations", ["token"])
    op.create_index("event_reservations_by_age", "event_reservations", ["reserved_at_us"])
