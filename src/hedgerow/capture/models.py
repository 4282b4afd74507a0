"""The SQL tables of capture: warnings about events, and the salts and visits of cookieless mode."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from hedgerow.core.storage.metadata import Base


class IngestionWarningRow(Base):
    """Equal warnings of one project within one hour."""

    __tablename__ = "ingestion_warnings"

    team_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    type: Mapped[str] = mapped_column(String(100), primary_key=True)
    subject: Mapped[str] = mapped_column(String(200), primary_key=True)
    """The distinct id that it is about, or "" for many."""
    hour_us: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    count: Mapped[int] = mapped_column(Integer)
    last_seen_us: Mapped[int] = mapped_column(BigInteger)
    details: Mapped[str] = mapped_column(Text)
    """Of the last one, as JSON text."""

    __table_args__ = (Index("ingestion_warnings_by_time", "team_id", "last_seen_us"),)


class CookielessSalt(Base):
    """16 random bytes of one calendar day: with them gone, no id of that day leads back to anybody."""

    __tablename__ = "cookieless_salts"

    day: Mapped[str] = mapped_column(String(10), primary_key=True)
    """`2031-02-03`."""
    salt: Mapped[bytes] = mapped_column(LargeBinary)
    expires_us: Mapped[int] = mapped_column(BigInteger, index=True)


class CookielessVisit(Base):
    """What stateful cookieless mode remembers of one hash: how often it identified, and its session."""

    __tablename__ = "cookieless_visits"

    team_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    hash: Mapped[bytes] = mapped_column(LargeBinary(16), primary_key=True)
    identifies: Mapped[str] = mapped_column(Text)
    """The uuids of the `$identify` events of a base hash, in hexadecimal, separated by spaces."""
    session_id: Mapped[str] = mapped_column(String(36))
    last_seen_us: Mapped[int] = mapped_column(BigInteger)
    expires_us: Mapped[int] = mapped_column(BigInteger, index=True)
