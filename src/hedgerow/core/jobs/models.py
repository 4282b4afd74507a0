"""The SQL table of jobs."""

from __future__ import annotations

from sqlalchemy import BigInteger, Float, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from hedgerow.core.storage.tables import Base, RowId

UNFINISHED = "state IN ('waiting', 'running')"


class JobRow(Base):
    """A piece of work that outlives a request and the process. Times are µs since 1970 UTC."""

    __tablename__ = "jobs"

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    kind: Mapped[str] = mapped_column(String(100))
    team_id: Mapped[int | None] = mapped_column(BigInteger)
    key: Mapped[str | None] = mapped_column(String(200))
    """Of jobs of one kind with the same key only one is unfinished."""
    payload: Mapped[str] = mapped_column(Text)
    """JSON."""
    state: Mapped[str] = mapped_column(String(10))
    """waiting, running, done or failed."""
    progress: Mapped[float] = mapped_column(Float)
    """From 0 to 1."""
    error: Mapped[str | None] = mapped_column(Text)
    """What went wrong last, kept while it is tried again."""
    attempts: Mapped[int] = mapped_column(Integer)
    """Runs that were begun, apart from those that a store's outage or an orderly stop ended."""
    due_at_us: Mapped[int] = mapped_column(BigInteger)
    """Not to be run before."""
    claim: Mapped[str | None] = mapped_column(String(36))
    """The name of its current or last run; each has its own."""
    lease_until_us: Mapped[int | None] = mapped_column(BigInteger)
    """Until when that run is taken to live."""
    created_at_us: Mapped[int] = mapped_column(BigInteger)
    updated_at_us: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        Index("jobs_by_state", "state", "due_at_us"),
        Index("jobs_by_project", "team_id", "created_at_us"),
        Index(
            "jobs_one_unfinished_key",
            "kind",
            "key",
            unique=True,
            sqlite_where=text(UNFINISHED),
            postgresql_where=text(UNFINISHED),
        ),
    )
