"""The SQL tables of what a project's data is called: actions (rest-api §13), events and properties that it has seen (§17,
§18), and queries that it saved as views (§26).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, SmallInteger, String, Text, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from hedgerow.core.resources import NOT_DELETED, Made, SoftlyDeleted
from hedgerow.core.storage.tables import Base, Json, RowId, Timestamp

NAME_LENGTH: Final = 400
"""Longest name in characters that the tables hold. What is noticed is shorter: `memory.NAME_BYTES_MAX`."""
EVENT: Final = 1
PERSON: Final = 2
GROUP: Final = 3
SESSION: Final = 4
NO_GROUP: Final = -1
"""`group_type_index` of properties that no group owns: a null would not be unique."""


class EventDefinition(Base):
    """An event name that a project has seen."""

    __tablename__ = "event_definitions"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    team_id: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    created_at: Mapped[datetime | None] = mapped_column(Timestamp)
    """When the server first received it."""
    last_seen_at: Mapped[datetime | None] = mapped_column(Timestamp)
    """When the server received it last, at most a minute behind."""

    __table_args__ = (Index("event_definitions_one_name", "team_id", "name", unique=True),)


class PropertyDefinition(Base):
    """A property of a project's events, persons or groups, and its type: the first that a value showed."""

    __tablename__ = "property_definitions"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    team_id: Mapped[int] = mapped_column(BigInteger)
    owner: Mapped[int] = mapped_column(SmallInteger)
    """EVENT, PERSON, GROUP or SESSION: PostHog's `type`."""
    group_type_index: Mapped[int] = mapped_column(SmallInteger)
    """0 to 4 for GROUP, else NO_GROUP."""
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    property_type: Mapped[str | None] = mapped_column(String(16))
    """String, Numeric, Boolean, DateTime, Duration; null until a value shows one."""
    is_numerical: Mapped[bool] = mapped_column(Boolean)
    first_seen_at: Mapped[datetime] = mapped_column(Timestamp)
    last_seen_at: Mapped[datetime] = mapped_column(Timestamp)
    """When the server received it last, at most an hour behind."""
    changed_at: Mapped[datetime] = mapped_column(Timestamp)
    """When the row was made or its type was set: how other workers notice."""

    __table_args__ = (
        Index("property_definitions_one_name", "team_id", "owner", "group_type_index", "name", unique=True),
        Index("property_definitions_by_change", "team_id", "changed_at"),
    )


class EventProperty(Base):
    """That an event came with a property at least once."""

    __tablename__ = "event_properties"

    team_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    event: Mapped[str] = mapped_column(String(NAME_LENGTH), primary_key=True)
    property: Mapped[str] = mapped_column(String(NAME_LENGTH), primary_key=True)


class Notes:
    """Columns of what people say about a definition. They stand apart from what ingest writes with every batch."""

    description: Mapped[str] = mapped_column(Text)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    verified: Mapped[bool] = mapped_column(Boolean)
    verified_at: Mapped[datetime | None] = mapped_column(Timestamp)
    verified_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    hidden: Mapped[bool | None] = mapped_column(Boolean)
    updated_at: Mapped[datetime] = mapped_column(Timestamp)
    updated_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))


class EventNotes(Notes, Base):
    """What people say about an event."""

    __tablename__ = "event_definition_notes"

    definition_id: Mapped[UUID] = mapped_column(
        ForeignKey("event_definitions.id", name="event_definition_notes_are_of_one", ondelete="CASCADE"),
        primary_key=True,
    )
    post_to_slack: Mapped[bool] = mapped_column(Boolean)
    default_columns: Mapped[list[str]] = mapped_column(Json)
    enforcement_mode: Mapped[str] = mapped_column(String(20))
    primary_property: Mapped[str | None] = mapped_column(String(NAME_LENGTH))


class PropertyNotes(Notes, Base):
    """What people say about a property."""

    __tablename__ = "property_definition_notes"

    definition_id: Mapped[UUID] = mapped_column(
        ForeignKey("property_definitions.id", name="property_definition_notes_are_of_one", ondelete="CASCADE"),
        primary_key=True,
    )


class SavedQuery(Made, SoftlyDeleted, Base):
    """A HogQL query that can be named in FROM."""

    __tablename__ = "saved_queries"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    name: Mapped[str] = mapped_column(String(128))
    query: Mapped[str] = mapped_column(Text)
    """HogQL."""
    columns: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    """Name and ClickHouse type of each column, as the dry run of the last write found them."""
    sync_frequency: Mapped[str | None] = mapped_column(String(10))
    history_id: Mapped[UUID] = mapped_column(Uuid)
    """Another one with every write of the query: who edits it says which one they saw."""
    updated_at: Mapped[datetime] = mapped_column(Timestamp)

    __table_args__ = (
        Index(
            "saved_queries_one_name",
            "team_id",
            "name",
            unique=True,
            sqlite_where=NOT_DELETED,
            postgresql_where=NOT_DELETED,
        ),
    )


class ActionRow(Made, SoftlyDeleted, Base):
    """Events that mean one thing, by the steps that match them."""

    __tablename__ = "actions"

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    name: Mapped[str | None] = mapped_column(String(NAME_LENGTH))
    description: Mapped[str] = mapped_column(Text)
    post_to_slack: Mapped[bool] = mapped_column(Boolean)
    slack_message_format: Mapped[str] = mapped_column(String(1200))
    steps: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    """`matching.Step`, each."""
    last_calculated_at: Mapped[datetime] = mapped_column(Timestamp)
    pinned_at: Mapped[datetime | None] = mapped_column(Timestamp)

    __table_args__ = (
        Index("actions_by_team", "team_id", "last_calculated_at"),
        Index(
            "actions_one_name",
            "team_id",
            "name",
            unique=True,
            sqlite_where=NOT_DELETED,
            postgresql_where=NOT_DELETED,
        ),
        {"sqlite_autoincrement": True},
    )
