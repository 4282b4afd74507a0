"""Visitors without cookies: an id for a day from what every request shows, and no way back (sdk-wire §8.8).

The id is a keyed hash over project, address, root domain, user agent, a counter, and what the page adds. The key is
a salt of the calendar day where the visitor is; salts are deleted a few days later, and then nobody can tell whose an
id was. In stateful mode the counter is the number of times that somebody identified, so that two people who use one
browser after the other stay two, and sessions end after 30 minutes without an event.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import delete, update

from hedgerow.capture import properties
from hedgerow.capture.cookieless_store import Salts, Visits
from hedgerow.capture.event import IngestionWarning
from hedgerow.capture.models import CookielessSalt, CookielessVisit
from hedgerow.capture.normalise import Door, Draft
from hedgerow.capture.root_domain import root_domain
from hedgerow.capture.timestamps import DAY, HOUR
from hedgerow.capture.warnings import warning
from hedgerow.core.clock import Clock
from hedgerow.core.identity.teams import Team
from hedgerow.core.storage.metadata import Metadata

SENTINEL: Final = "$posthog_cookieless"
"""The distinct id of everybody who has no cookie."""
OFF: Final = 0
STATELESS: Final = 1
STATEFUL: Final = 2
SESSION_GAP_US: Final = HOUR // 2

_STRIPPED: Final = ("$ip", "$raw_user_agent", "$cookieless_extra")
_DAY_AHEAD_US: Final = 14 * HOUR
"""A calendar day begins this long before its midnight in UTC, on the islands furthest east."""
_DAY_LIFE_US: Final = 4 * DAY
"""A day's salt is deleted this long after its midnight in UTC: the day, its end furthest west, and two to spare."""


class _Visitor(msgspec.Struct):
    """What the hash is made of."""

    team_id: int
    salt: bytes
    address: str
    domain: str
    user_agent: str
    extra: str

    def hash(self, counter: int) -> bytes:
        """16 bytes that nobody can compute without the salt."""
        told = [self.team_id, self.address, self.domain, self.user_agent, counter, self.extra[:100]]
        return hashlib.blake2b(msgspec.json.encode(told), key=self.salt, digest_size=16).digest()


class Cookieless:
    """Gives cookieless events their ids; keeps salts and visits in SQL."""

    def __init__(self, metadata: Metadata, clock: Clock) -> None:
        """Keep state in `metadata`."""
        self._metadata = metadata
        self._clock = clock
        self._salts = Salts(metadata)

    async def resolve(
        self,
        drafts: Sequence[Draft],
        door: Door,
        team: Team,
        warnings: list[IngestionWarning],
    ) -> list[Draft]:
        """The drafts, in order, with ids for the cookieless ones; those that cannot have one are left out.

        Raises `MetadataUnavailable`.
        """
        kept: list[Draft] = []
        visitors: list[tuple[Draft, _Visitor]] = []
        for draft in drafts:
            if draft.values.get("$cookieless_mode") is not True:
                kept.append(draft)
                continue
            found = await self._visitor(draft, door, team)
            if isinstance(found, str):
                warnings.append(warning(door, draft, found))
                continue
            kept.append(draft)
            visitors.append((draft, found))
        if team.cookieless_server_hash_mode == STATEFUL:
            await self._give_remembered_ids(visitors)
        else:
            for draft, visitor in visitors:
                _give_ids_of_day(draft, visitor, team)
        return kept

    async def forget_expired(self) -> None:
        """Delete salts and visits whose day is over."""
        now = self._clock.now_us()
        self._salts.forget_expired(now)
        async with self._metadata.write() as session:
            old = CookielessSalt.expires_us <= now
            await session.execute(update(CookielessSalt).where(old).values(salt=bytes(16)))  # not in free pages either
            await session.execute(delete(CookielessSalt).where(old))
            await session.execute(delete(CookielessVisit).where(CookielessVisit.expires_us <= now))

    async def _visitor(self, draft: Draft, door: Door, team: Team) -> _Visitor | str:
        """Who this is, or the warning with which the event is dropped."""
        mode, values = team.cookieless_server_hash_mode, draft.values
        if mode not in {STATELESS, STATEFUL}:
            return "cookieless_disabled"
        if draft.event in {"$create_alias", "$merge_dangerously"}:
            return "cookieless_disallowed_event"
        if draft.event == "$identify" and mode == STATELESS:
            return "cookieless_stateless_disallowed_identify"
        address, host, agent = values.get("$ip", door.address), values.get("$host"), values.get("$raw_user_agent")
        for name, value in (("user_agent", agent), ("ip", address), ("host", host)):
            if not isinstance(value, str) or not value:
                return f"cookieless_missing_{name}"
        day = day_of(draft.timestamp_us, values.get("$timezone"), team.timezone)
        begins = _midnight_us(day)
        if not begins - _DAY_AHEAD_US <= self._clock.now_us() < begins + _DAY_LIFE_US:
            return "cookieless_day_out_of_range"
        salt = await self._salts.of_day(day.isoformat(), begins + _DAY_LIFE_US)
        extra = values.get("$cookieless_extra")
        return _Visitor(
            team.id,
            salt,
            str(address),
            root_domain(str(host)),
            str(agent),
            extra if isinstance(extra, str) else "",
        )

    async def _give_remembered_ids(self, visitors: list[tuple[Draft, _Visitor]]) -> None:
        if not visitors:
            return
        expires = self._clock.now_us() + _DAY_LIFE_US
        async with self._metadata.write() as session:
            visits = Visits(session, expires)
            for draft, visitor in visitors:
                base = visitor.hash(0)
                identified = await visits.identified(visitor.team_id, base)
                anonymous = draft.distinct_id == SENTINEL
                if draft.event == "$identify":
                    identified.add(draft.uuid.hex())
                before = len(identified) if anonymous and draft.event != "$identify" else len(identified) - 1
                final = visitor.hash(before)
                session_id = await visits.session(visitor.team_id, final, draft.timestamp_us, SESSION_GAP_US)
                changes = {"$device_id": _device_id(base), "$session_id": session_id}
                if draft.event == "$identify":
                    changes["$anon_distinct_id"] = _distinct_id(final)
                elif anonymous:
                    draft.distinct_id = _distinct_id(final)
                _strip(draft, changes)
            await visits.save()


def day_of(moment_us: int, zone: object, project_zone: str) -> date:
    """The calendar day where the visitor is: by the event's zone, else the project's, else UTC."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=moment_us)
    for name in (zone, project_zone):
        found = _zone(name) if isinstance(name, str) else None
        if found is not None:
            try:
                return moment.astimezone(found).date()
            except OverflowError:
                break
    return moment.date()


@lru_cache(2_000)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if 0 < len(name) <= 64 else None
    except (ValueError, OSError, KeyError):
        return None


def _midnight_us(day: date) -> int:
    return (day.toordinal() - date(1970, 1, 1).toordinal()) * DAY


def _give_ids_of_day(draft: Draft, visitor: _Visitor, team: Team) -> None:
    """Stateless: one session a day, from the hash alone."""
    base = visitor.hash(0)
    begins = _midnight_us(day_of(draft.timestamp_us, draft.values.get("$timezone"), team.timezone))
    draft.distinct_id = _distinct_id(base)
    _strip(draft, {"$device_id": _device_id(base), "$session_id": _session_of(begins, base)})


def _session_of(begins_us: int, base: bytes) -> str:
    """A version 7 uuid of a moment, with the hash as its chance."""
    value = max(begins_us // 1000, 0) << 80 | int.from_bytes(base[:10], "big")
    value = value & ~(0xF000 << 64) | 0x7000 << 64
    return str(UUID(int=value & ~(0xC000 << 48) | 0x8000 << 48))


def _distinct_id(digest: bytes) -> str:
    return "cookieless_" + base64.b64encode(digest).decode().rstrip("=")


def _device_id(digest: bytes) -> str:
    return "cookielessd_" + base64.b64encode(digest).decode().rstrip("=")


def _strip(draft: Draft, changes: dict[str, str]) -> None:
    """Remove what could tell who it was, and fill in the ids."""
    members: dict[str, bytes | msgspec.Raw] = {**properties.members_of(draft.text)}
    for name in _STRIPPED:
        members.pop(name, None)
        draft.values.pop(name, None)
    for name, value in changes.items():
        members[name] = msgspec.json.encode(value)
        draft.values[name] = value
    draft.text = properties.join(members)
    draft.nameless = True
