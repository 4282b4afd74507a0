"""The SQL tables of persons, groups and the writer: the truth that ClickHouse holds a copy of. And cohorts, by the end.

These classes are the schema and nothing else: the writer touches its tables by plain SQL (`store`), thousands of rows
at a time. Times are µs since 1970 UTC, uuids are lower-case text, properties are JSON text exactly as ClickHouse gets
it. `version` is the number of the commit that wrote the row last (`sql.next_version`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, LargeBinary, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column

from hedgerow.core.resources.rows import Made, SoftlyDeleted
from hedgerow.core.storage.tables import Base, Json, RowId, Timestamp


class Person(Base):
    """One person of a project."""

    __tablename__ = "persons"

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    team_id: Mapped[int] = mapped_column(BigInteger)
    uuid: Mapped[str] = mapped_column(String(36))
    created_at_us: Mapped[int] = mapped_column(BigInteger)
    properties: Mapped[str] = mapped_column(Text)
    email: Mapped[str | None] = mapped_column(Text)
    """A copy of the property `email`, if it is text: what the list filters by."""
    is_identified: Mapped[bool] = mapped_column(Boolean)
    version: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        Index("persons_by_uuid", "team_id", "uuid", unique=True),
        Index("persons_by_age", "team_id", "created_at_us", "uuid"),
        Index("persons_by_email", "team_id", "email"),
    )


class PersonDistinctId(Base):
    """One distinct id and the person that it belongs to."""

    __tablename__ = "person_distinct_ids"

    team_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    distinct_id: Mapped[str] = mapped_column(String(400), primary_key=True)
    person_uuid: Mapped[str] = mapped_column(String(36))
    version: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (Index("person_distinct_ids_by_person", "team_id", "person_uuid"),)


class PersonlessDistinctId(Base):
    """A distinct id that was used by events without a person: they carry its deterministic person id."""

    __tablename__ = "personless_distinct_ids"

    team_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    distinct_id: Mapped[str] = mapped_column(String(400), primary_key=True)
    is_scattered: Mapped[bool] = mapped_column(Boolean, server_default=false())
    """It was a deleted person's whose id some of its events carry: its next person needs an override, whatever its id."""


class PersonOverride(Base):
    """A distinct id some of whose stored events carry another person id than this, the right one."""

    __tablename__ = "person_overrides"

    team_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    distinct_id: Mapped[str] = mapped_column(String(400), primary_key=True)
    person_uuid: Mapped[str] = mapped_column(String(36))
    version: Mapped[int] = mapped_column(BigInteger)


class GroupType(Base):
    """A group type of a project and its number from 0 to 4, which events are stored under."""

    __tablename__ = "group_type_mappings"

    team_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    group_type_index: Mapped[int] = mapped_column(Integer, primary_key=True)
    group_type: Mapped[str] = mapped_column(String(400))
    name_singular: Mapped[str | None] = mapped_column(String(400))
    name_plural: Mapped[str | None] = mapped_column(String(400))
    created_at_us: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (Index("group_type_mappings_by_type", "team_id", "group_type", unique=True),)


class Group(Base):
    """One group, such as a company, and its properties."""

    __tablename__ = "groups"

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    team_id: Mapped[int] = mapped_column(BigInteger)
    group_type_index: Mapped[int] = mapped_column(Integer)
    group_key: Mapped[str] = mapped_column(String(400))
    created_at_us: Mapped[int] = mapped_column(BigInteger)
    updated_at_us: Mapped[int] = mapped_column(BigInteger)
    properties: Mapped[str] = mapped_column(Text)
    version: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        Index("groups_by_key", "team_id", "group_type_index", "group_key", unique=True),
        Index("groups_by_age", "team_id", "group_type_index", "created_at_us"),
    )


class OutboxRow(Base):
    """Rows of one ClickHouse table that a commit implies and that ClickHouse may not have yet."""

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    version: Mapped[int] = mapped_column(BigInteger)
    table_name: Mapped[str] = mapped_column(String(64))
    token: Mapped[str] = mapped_column(String(128))
    """The deduplication token that these rows are inserted under, now and at each later try."""
    lines: Mapped[bytes] = mapped_column(LargeBinary)
    """One JSON object a line."""
    refusal: Mapped[str | None] = mapped_column(Text)
    """What ClickHouse said, if it refused these rows for good; `hedgerow doctor` shows them."""

    __table_args__ = (Index("outbox_by_version", "version"),)


class WriteCounter(Base):
    """The number of the last commit, for SQLite; PostgreSQL counts with the sequence `write_sequence`."""

    __tablename__ = "write_counter"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)


class WriterLease(Base):
    """A worker that writes, and until when it is taken to live."""

    __tablename__ = "writer_leases"

    worker: Mapped[str] = mapped_column(String(36), primary_key=True)
    expires_at_us: Mapped[int] = mapped_column(BigInteger)
    asked_version: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """The last commit whose overrides somebody wants to squash (`in_flight`)."""
    settled_version: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """Every event that this worker identified without knowing the overrides up to this commit is in ClickHouse."""


class EventReservation(Base):
    """An event that some worker has taken or stored. Only kept where several workers share the stores."""

    __tablename__ = "event_reservations"

    team_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    uuid: Mapped[str] = mapped_column(String(32), primary_key=True)
    """32 hexadecimal digits."""
    worker: Mapped[str] = mapped_column(String(36))
    reserved_at_us: Mapped[int] = mapped_column(BigInteger)
    token: Mapped[str] = mapped_column(String(36))
    """Of the commit that took it; all its events are stored or none is known to be."""
    is_stored: Mapped[bool] = mapped_column(Boolean)

    __table_args__ = (
        Index("event_reservations_by_token", "token"),
        Index("event_reservations_by_age", "reserved_at_us"),
    )


class Cohort(Made, SoftlyDeleted, Base):
    """A set of persons: by what they are and did (calculated), or a list of them (static). Members are in ClickHouse."""

    __tablename__ = "cohorts"

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    name: Mapped[str | None] = mapped_column(String(400))
    description: Mapped[str] = mapped_column(Text)
    groups: Mapped[list[Any]] = mapped_column(Json)
    """The older definition, as it was said; means nothing where `filters` is not empty."""
    filters: Mapped[dict[str, Any]] = mapped_column(Json)
    """`{"properties": group}`, as it was said and checked; or empty."""
    query: Mapped[dict[str, Any] | None] = mapped_column(Json)
    is_static: Mapped[bool] = mapped_column(Boolean)
    is_behavioral: Mapped[bool] = mapped_column(Boolean)
    """Whether its definition asks what somebody did, other cohorts that it names aside."""
    cohort_type: Mapped[str | None] = mapped_column(String(20))
    is_calculating: Mapped[bool] = mapped_column(Boolean)
    version: Mapped[int | None] = mapped_column(BigInteger)
    """The calculation whose members count. Null: there was none yet."""
    pending_version: Mapped[int | None] = mapped_column(BigInteger)
    """The newest calculation or change of the definition; a calculation that is not it any more does not count."""
    count: Mapped[int | None] = mapped_column(BigInteger)
    last_calculation: Mapped[datetime | None] = mapped_column(Timestamp)
    errors_calculating: Mapped[int] = mapped_column(Integer)
    last_error_message: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (Index("cohorts_by_team", "team_id", "created_at"), {"sqlite_autoincrement": True})


class CohortCalculation(Base):
    """One calculation of a cohort, and how it ended."""

    __tablename__ = "cohort_calculations"

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    cohort_id: Mapped[int] = mapped_column(ForeignKey("cohorts.id", ondelete="CASCADE"))
    filters: Mapped[dict[str, Any]] = mapped_column(Json)
    started_at: Mapped[datetime] = mapped_column(Timestamp)
    finished_at: Mapped[datetime] = mapped_column(Timestamp)
    count: Mapped[int | None] = mapped_column(BigInteger)
    error: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (Index("cohort_calculations_by_cohort", "cohort_id", "id"),)
