"""Gateway keys (gateway §1.11): made, shown once, found by their digest, rotated with a grace time, revoked.

`hgk_` + 43 letters and digits (256 bits) + 6 that are the CRC-32 of all before: a typing error, or what a secret scanner
took for a key, is told apart without a look into the database.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, cast
from uuid import UUID

import msgspec
from sqlalchemy import CursorResult, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core import ids
from hedgerow.core.clock import Clock
from hedgerow.core.crypto import digest
from hedgerow.core.errors import MetadataUnavailable
from hedgerow.core.identity.models import User
from hedgerow.core.storage.metadata import Metadata
from hedgerow.core.telemetry import log
from hedgerow.gateway.audit import Actor, Subject, audit
from hedgerow.gateway.lookups import Lookups
from hedgerow.gateway.models import GatewayKey
from hedgerow.gateway.policy import Policy

PREFIX: Final = "hgk_"
RANDOM_CHARACTERS: Final = 43
CHECK_CHARACTERS: Final = 6
KEY_CHARACTERS: Final = len(PREFIX) + RANDOM_CHARACTERS + CHECK_CHARACTERS
GRACE_DEFAULT: Final = timedelta(hours=1)
GRACE_MAX: Final = timedelta(days=30)
USE_NOTED_EVERY: Final = timedelta(minutes=1)
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class KeyGrant(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway key gives, known for at most 30 seconds."""

    id: UUID
    user_id: int
    name: str
    policy: Policy
    pinned_connection_id: UUID | None
    expires_at: datetime | None
    last_used_at: datetime | None
    shown: str
    """Its first and last characters, by which its holder knows it."""


class MadeKey(msgspec.Struct, frozen=True):
    """A new key: its row, and the secret, which is shown this once."""

    row: GatewayKey
    secret: str

    def __repr__(self) -> str:
        return f"MadeKey({self.row.id})"


def new_secret() -> str:
    """A new key, checksum included."""
    body = ids.secret(PREFIX, RANDOM_CHARACTERS)
    return body + _check(body)


def looks_right(secret: str) -> bool:
    """Whether a text has the form and the checksum of a gateway key."""
    return (
        len(secret) == KEY_CHARACTERS
        and secret.startswith(PREFIX)
        and secret.isascii()
        and secret[-CHECK_CHARACTERS:] == _check(secret[:-CHECK_CHARACTERS])
    )


def _check(body: str) -> str:
    number = zlib.crc32(body.encode())
    characters = ""
    for _ in range(CHECK_CHARACTERS):
        number, digit = divmod(number, len(_ALPHABET))
        characters = _ALPHABET[digit] + characters
    return characters


def shown_key(row: GatewayKey) -> str:
    """What may be shown of a key: `hgk_a1B2…x9Y8`."""
    return f"{row.prefix}…{row.suffix}"


def add_key(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    *,
    user_id: int,
    name: str,
    policy: Mapping[str, Any] | None = None,
    expires_at: datetime | None = None,
) -> MadeKey:
    """Put a new key into the caller's transaction. `policy` must have passed `Policy.parse`."""
    secret = new_secret()
    row = GatewayKey(
        id=ids.uuid7(),
        user_id=user_id,
        name=name,
        digest=digest(secret),
        prefix=secret[:8],
        suffix=secret[-4:],
        policy=dict(policy or {}),
        pinned_connection_id=None,
        created_at=clock.now(),
        expires_at=expires_at,
        last_used_at=None,
        revoked_at=None,
        rotated_to=None,
    )
    session.add(row)
    audit(session, actor, "key.created", clock=clock, subject=_subject(row), details={"name": name})
    return MadeKey(row, secret)


class GatewayKeys:
    """Finds keys and changes them. One for the process; `close` it before the database."""

    def __init__(self, metadata: Metadata, clock: Clock) -> None:
        """Look up in `metadata`."""
        self._metadata = metadata
        self.clock = clock
        self._found = Lookups(self._load, clock)
        self._noted: dict[UUID, datetime] = {}
        self._notes: set[asyncio.Task[None]] = set()

    async def find(self, secret: str) -> KeyGrant | None:
        """What this key gives; None for one that is malformed, unknown, over or revoked. Raises `MetadataUnavailable`.

        The digest of the whole key is looked up: how long that takes tells nothing about a key that is not known.
        """
        if len(secret) != KEY_CHARACTERS:
            return None
        key_digest = digest(secret)
        grant = self._found.known(key_digest)
        if grant is None:
            grant = await self._found.get(key_digest) if looks_right(secret) else None
        if grant is None:
            return None
        now = self.clock.now()
        if grant.expires_at is not None and grant.expires_at <= now:
            return None
        self._note_use(grant, now)
        return grant

    async def of_user(self, user_id: int) -> list[GatewayKey]:
        """The user's keys, revoked ones included, newest first."""
        async with self._metadata.read() as session:
            found = select(GatewayKey).where(GatewayKey.user_id == user_id).order_by(GatewayKey.created_at.desc())
            return list(await session.scalars(found))

    async def create(
        self,
        actor: Actor,
        *,
        user_id: int,
        name: str,
        policy: Mapping[str, Any] | None = None,
        expires_at: datetime | None = None,
    ) -> MadeKey:
        """Make a key of the user."""
        async with self._metadata.write() as session:
            made = add_key(session, self.clock, actor, user_id=user_id, name=name, policy=policy, expires_at=expires_at)
        self.forget()
        return made

    async def rotate(
        self, actor: Actor, user_id: int, key_id: UUID, grace: timedelta = GRACE_DEFAULT
    ) -> MadeKey | None:
        """A new secret with the same rights; the old one works until the grace is over. None for no such live key."""
        now = self.clock.now()
        async with self._metadata.write() as session:
            old = await _live(session, user_id, key_id, now)
            if old is None or old.rotated_to is not None:
                return None
            made = add_key(
                session,
                self.clock,
                actor,
                user_id=user_id,
                name=old.name,
                policy=old.policy,
                expires_at=old.expires_at,
            )
            made.row.pinned_connection_id = old.pinned_connection_id
            ends = now + min(grace, GRACE_MAX)
            ends = ends if old.expires_at is None else min(ends, old.expires_at)
            old.expires_at, old.rotated_to = ends, made.row.id
            details = {"to": str(made.row.id), "grace_seconds": int((ends - now).total_seconds())}
            audit(session, actor, "key.rotated", clock=self.clock, subject=_subject(old), details=details)
        self.forget()
        return made

    async def revoke(self, actor: Actor, user_id: int, key_id: UUID) -> bool:
        """End a key at once; False where there is no such live key."""
        now = self.clock.now()
        async with self._metadata.write() as session:
            row = await _live(session, user_id, key_id, now)
            if row is None:
                return False
            row.revoked_at = now
            audit(session, actor, "key.revoked", clock=self.clock, subject=_subject(row))
        self.forget()
        return True

    def forget(self) -> None:
        """Drop what is cached: something about keys was written."""
        self._found.forget()

    async def close(self) -> None:
        """Wait for the notes of use that are being written."""
        while self._notes:
            await asyncio.gather(*self._notes, return_exceptions=True)

    async def _load(self, key_digest: str) -> KeyGrant | None:
        async with self._metadata.read() as session:
            row = await session.scalar(
                select(GatewayKey)
                .join(User, User.id == GatewayKey.user_id)
                .where(GatewayKey.digest == key_digest, GatewayKey.revoked_at.is_(None), User.is_active)
            )
        if row is None:
            return None
        return KeyGrant(
            id=row.id,
            user_id=row.user_id,
            name=row.name,
            policy=Policy.stored(row.policy),
            pinned_connection_id=row.pinned_connection_id,
            expires_at=row.expires_at,
            last_used_at=row.last_used_at,
            shown=shown_key(row),
        )

    def _note_use(self, grant: KeyGrant, now: datetime) -> None:
        noted = self._noted.get(grant.id, grant.last_used_at)
        if noted is not None and now - noted < USE_NOTED_EVERY:
            return
        self._noted[grant.id] = now
        task = asyncio.get_running_loop().create_task(
            self._write_use(grant, now), name="gateway: note the use of a key"
        )
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)

    async def _write_use(self, grant: KeyGrant, moment: datetime) -> None:
        try:
            async with self._metadata.write() as session:
                first = cast(
                    "CursorResult[Any]",
                    await session.execute(
                        update(GatewayKey)
                        .where(GatewayKey.id == grant.id, GatewayKey.last_used_at.is_(None))
                        .values(last_used_at=moment)
                    ),
                )
                if first.rowcount:
                    actor = Actor("key", str(grant.id))
                    subject = Subject("key", str(grant.id), grant.user_id)
                    audit(session, actor, "key.first_used", clock=self.clock, subject=subject)
                else:
                    await session.execute(
                        update(GatewayKey).where(GatewayKey.id == grant.id).values(last_used_at=moment)
                    )
        except MetadataUnavailable as error:
            self._noted.pop(grant.id, None)
            log("gateway").warning("use_not_noted", error=str(error))


async def _live(session: AsyncSession, user_id: int, key_id: UUID, now: datetime) -> GatewayKey | None:
    row = await session.get(GatewayKey, key_id)
    if row is None or row.user_id != user_id or row.revoked_at is not None:
        return None
    return None if row.expires_at is not None and row.expires_at <= now else row


def _subject(row: GatewayKey) -> Subject:
    return Subject("key", str(row.id), row.user_id)
