"""Salts and visits of cookieless mode, in SQL."""

from __future__ import annotations

import secrets
from typing import Final

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.capture.models import CookielessSalt, CookielessVisit
from hedgerow.core import ids
from hedgerow.core.storage.metadata import Base, Metadata

_IDENTIFIES_MAX: Final = 200
"""Uuids kept of one hash and day; only their number counts."""


class Salts:
    """One salt a day, the same for every worker; in memory while its day lasts."""

    def __init__(self, metadata: Metadata) -> None:
        """Keep them in `metadata`."""
        self._metadata = metadata
        self._known: dict[str, tuple[bytes, int]] = {}

    async def of_day(self, day: str, expires_us: int) -> bytes:
        """The salt of a day, made on first use. Raises `MetadataUnavailable`."""
        known = self._known.get(day)
        if known is not None:
            return known[0]
        async with self._metadata.write() as session:
            fresh = {"day": day, "salt": secrets.token_bytes(16), "expires_us": expires_us}
            await session.execute(_insert(session, CookielessSalt).values(fresh).on_conflict_do_nothing())
            salt = await session.scalar(select(CookielessSalt.salt).where(CookielessSalt.day == day))
        assert salt is not None, "it was inserted in this transaction, or stood there"
        self._known[day] = (salt, expires_us)
        return salt

    def forget_expired(self, now_us: int) -> None:
        """Drop from memory what is over."""
        self._known = {day: found for day, found in self._known.items() if found[1] > now_us}


class Visits:
    """What one transaction reads and changes of `cookieless_visits`."""

    def __init__(self, session: AsyncSession, expires_us: int) -> None:
        """Work within `session`; what is touched lives until `expires_us`."""
        self._session = session
        self._expires_us = expires_us
        self._rows: dict[tuple[int, bytes], CookielessVisit] = {}
        self._identified: dict[tuple[int, bytes], set[str]] = {}

    async def identified(self, team_id: int, digest: bytes) -> set[str]:
        """The uuids of the `$identify` events of a base hash; add to it, `save` writes it."""
        key = (team_id, digest)
        if key not in self._identified:
            self._identified[key] = set((await self._row(key)).identifies.split())
        return self._identified[key]

    async def session(self, team_id: int, digest: bytes, moment_us: int, gap_us: int) -> str:
        """The session that an event belongs to: the last one, unless it was silent for `gap_us`."""
        row = await self._row((team_id, digest))
        if not row.session_id or moment_us - row.last_seen_us > gap_us:
            row.session_id = str(ids.uuid7(max(moment_us // 1000, 0)))
            row.last_seen_us = moment_us
        row.last_seen_us = max(row.last_seen_us, moment_us)
        return row.session_id

    async def save(self) -> None:
        """Write what changed; the transaction is the caller's."""
        for key, uuids in self._identified.items():
            self._rows[key].identifies = " ".join(sorted(uuids)[:_IDENTIFIES_MAX])
        for row in self._rows.values():
            row.expires_us = self._expires_us
        await self._session.flush()

    async def _row(self, key: tuple[int, bytes]) -> CookielessVisit:
        if key not in self._rows:
            team_id, digest = key
            fresh: dict[str, object] = {
                "team_id": team_id,
                "hash": digest,
                "identifies": "",
                "session_id": "",
                "last_seen_us": 0,
                "expires_us": self._expires_us,
            }
            await self._session.execute(_insert(self._session, CookielessVisit).values(fresh).on_conflict_do_nothing())
            where = (CookielessVisit.team_id == team_id, CookielessVisit.hash == digest)
            found = await self._session.scalars(select(CookielessVisit).where(*where).with_for_update())
            self._rows[key] = found.one()
        return self._rows[key]


def _insert(session: AsyncSession, table: type[Base]) -> postgresql.Insert | sqlite.Insert:
    if session.get_bind().dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)
